#!/usr/bin/perl

# Garbage on every listening port: wire, LMTP, HTTP, ROP buffers, SASL,
# socketmap.  100,000 requests that are nearly right; no crash, no leak, and
# later requests are unaffected.  POSTHORN_GARBAGE=N sends another number of them,
# POSTHORN_SEED=N others.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use IO::Socket::SSL;
use IO::Socket::UNIX;
use MIME::Base64 qw(encode_base64);
use Test::More;
use Time::HiRes qw(sleep time);

use Posthorn::Codec;
use Posthorn::Garbage;
use Posthorn::Test;
use Posthorn::Wire;

my $total = $ENV{POSTHORN_GARBAGE} || 100_000;
my $seed = $ENV{POSTHORN_SEED} // 1;

# alice's mailbox must stay as it is; the garbage is sent as victim
my $t = Posthorn::Test->new(users => [qw(alice victim)],
    conf => { log => { level => 'warn' },
        directory => { throttle_user => 0, throttle_client => 0 } });
$t->start;
note("seed $seed");

my $g = Posthorn::Garbage->new(seed => $seed);
my ($dir_codec, $exmdb_codec, $rop_codec) = map { Posthorn::Codec->new($_) }
    qw(dir exmdb rop);
my %sent;

sub share { return int($total * $_[0] / 100) || 1 }

# ---- what must work before and after -----------------------------------------

sub all_is_well {
    my ($when) = @_;
    my $subject = "still here $when";

    like($t->send_mail(to => $t->address('alice'), from => 'x@outside.test',
        data => "Subject: $subject\n\ntext\n"), qr/^250 /,
        "$when: mail is delivered");
    my ($rc, $out, $err) = $t->phctl('status');
    is($rc, 0, "$when: all servers answer") or diag("$out$err");
    ($rc, $out, $err) = $t->phctl('check-store', $t->address('alice'));
    is($rc, 0, "$when: nothing is wrong with alice's store")
        or diag("$out$err");
    like(https_once(autodiscover('alice')), qr{^HTTP/1.1 200 },
        "$when: Autodiscover answers");
    my $ticket = ticket('alice');
    ok($ticket, "$when: alice can log in");
    ok(connect_session($ticket, 'alice'), "$when: a MAPI session opens");
}

sub ticket {
    my ($user) = @_;
    my $w = Posthorn::Wire->new($t->socket('directory')) or return;
    my ($status, $body) = $w->call(0x0101, $dir_codec->encode('auth_request', {
        user => $t->address($user), password => $t->password($user),
        service => 2, client => '127.0.0.1' }));
    return unless defined $status && $status == 0;
    return $dir_codec->decode('auth_answer', \$body)->{ticket};
}

sub admin_ticket {
    my ($of) = @_;
    my $w = Posthorn::Wire->new($of->socket('directory')) or return;
    my ($status, $body) = $w->call(0x0103,
        $dir_codec->encode('service_ticket_request',
            { kind => 3, name => 'root' }));
    return unless defined $status && $status == 0;
    return $dir_codec->decode('service_ticket_answer', \$body)->{ticket};
}

my %DN;

sub dn {
    my ($user) = @_;
    return $DN{$user} //= do {
        my ($rc, $out) = $t->phctl('--json', 'user', 'show',
            $t->address($user));
        $out =~ /"legacy_dn": "([^"]+)"/ ? $1 : '';
    };
}

sub connect_session {
    my ($ticket, $user) = @_;
    my $w = Posthorn::Wire->new($t->socket('exmdb')) or return;
    $w->{ticket} = $ticket;
    my ($status, $body) = $w->call(0x0201,
        $exmdb_codec->encode('emsmdb_connect_request', {
            user_dn => dn($user), cpid => 1252, lcid_sort => 1033,
            lcid_string => 1033, version_0 => 15, version_1 => 0x8000,
            version_2 => 1000, client_application => 'garbage' }));
    return unless defined $status && $status == 0;
    my $a = $exmdb_codec->decode('emsmdb_connect_answer', \$body);
    return unless $a->{ec} == 0;
    return ($w, $a->{session});
}

# ---- HTTP --------------------------------------------------------------------

my $http;

sub https_open {
    return IO::Socket::SSL->new(PeerAddr => '127.0.0.1',
        PeerPort => $t->port('https'), SSL_verify_mode => 0, Timeout => 20);
}

# sends a request on a kept connection; reads one answer, or what there is
sub https_send {
    my ($request, $patience) = @_;
    $patience //= 5;
    local $SIG{PIPE} = 'IGNORE';
    if (!$http || !$http->connected) {
        $http = https_open() or return '';
    }
    print $http $request;
    my $answer = '';
    my $end = time + 10;
    while (time < $end) {
        if (!$http->pending) {
            # a request that is cut short gets no answer: give it up
            last unless IO::Select->new($http)->can_read(
                $answer eq '' ? $patience : 5);
        }
        my $n = sysread($http, $answer, 1 << 16, length $answer);
        if (!$n) {
            undef $http;
            last;
        }
        if ($answer =~ /\r\n\r\n/) {
            my $head = substr($answer, 0, $+[0]);
            my $body = substr($answer, $+[0]);
            last if $head =~ /^Content-Length: (\d+)\r/mi
                && length $body >= $1;
            last if $head =~ /^Transfer-Encoding: chunked/mi
                && $body =~ /(?:^|\r\n)0\r\n\r\n\z/;
        }
    }
    # what follows on this connection must not be taken for its body
    if ($http && $answer !~ /\r\n\r\n/) {
        $http->close;
        undef $http;
    }
    return $answer;
}

sub https_once {
    undef $http;
    return https_send($_[0]);
}

sub request {
    my ($path, $user, $headers, $body) = @_;
    return "POST $path HTTP/1.1\r\nHost: localhost\r\n"
        . "Authorization: Basic " . encode_base64($t->address($user) . ':'
            . $t->password($user), '') . "\r\n" . $headers
        . "Content-Length: " . length($body) . "\r\n\r\n$body";
}

sub autodiscover {
    my ($user) = @_;
    my $ns = 'http://schemas.microsoft.com/exchange/autodiscover/outlook';
    return request('/autodiscover/autodiscover.xml', $user,
        "Content-Type: text/xml\r\nX-MapiHttpCapability: 1\r\n",
        qq(<Autodiscover xmlns="$ns/requestschema/2006"><Request>)
        . "<EMailAddress>" . $t->address($user) . "</EMailAddress>"
        . "<AcceptableResponseSchema>$ns/responseschema/2006a"
        . "</AcceptableResponseSchema></Request></Autodiscover>");
}

# ---- the garbage -------------------------------------------------------------

my %seconds;

# sends one kind of garbage, and takes the time
sub timed {
    my ($name, $code) = @_;
    my $start = time;
    $code->();
    $seconds{$name} += time - $start;
}

sub wire_garbage {
    my ($name, $file, $count, $ticket, $of) = @_;
    $of //= $t;
    my @ops = $g->operations($file);
    my $w;
    for (1 .. $count) {
        if (!$w || !$w->drain) {
            $w = Posthorn::Wire->new($of->socket($name),
                raw => rand() < 0.05);
            if (!$w) {
                # a worker on its way down or up; the check afterwards tells
                select undef, undef, undef, 0.05;
                next;
            }
            $w->{ticket} = $ticket;
        }
        my $op = $g->can('pick')->(@ops);
        my $body = $g->structure($file, $op->{request});
        # a password that is guessed wrong costs a key derivation
        $body = $g->mutate($body) if rand() < 0.7;
        my $frame = $w->frame(rand() < 0.95 ? hex $op->{op} : int rand 65536,
            $body, (rand() < 0.05 ? (flags => int rand 256) : ()),
            (rand() < 0.05 ? (ticket => $g->mutate($ticket)) : ()));
        $frame = $g->mutate($frame) if rand() < 0.1;
        undef $w unless $w->send_raw($frame);
        $sent{"wire $name"}++;
    }
    $w->receive(1) if $w;
}

sub rop_garbage {
    my ($count) = @_;
    my @rops = grep { $_->{name} ne 'Logon' } @{ $rop_codec->rops };
    my ($w, $session, $ticket);
    my $logon = eval { $rop_codec->encode('logon_request', {
        logon_flags => 1, open_flags => 0x0100000C, store_state => 0,
        essdn => dn('victim') . "\0" }) };
    for (1 .. $count) {
        if (!$w) {
            $ticket = ticket('victim');
            ($w, $session) = connect_session($ticket // '', 'victim');
            next unless $w;
        }
        my ($buffer, $n) = ('', 1 + int rand 5);
        # 0: logon; others are whatever comes out
        $buffer = "\xFE\0\0" . ($logon // Posthorn::Garbage::bytes(20));
        for (1 .. $n) {
            my $r = Posthorn::Garbage::pick(@rops);
            my $body = $g->structure('rop', $r->{request});
            $body = $g->mutate($body) if rand() < 0.5;
            $buffer .= pack('CC', $r->{id}, 0) . join('', map {
                chr int rand 6 } @{ $r->{handles} }) . $body;
        }
        my $payload = pack('v', 2 + length $buffer) . $buffer
            . pack('V*', map { rand() < 0.7 ? 0xFFFFFFFF : int rand 8 }
                0 .. 5);
        $payload = $g->mutate($payload) if rand() < 0.3;
        my $rops = pack('vvvv', 0, 4, length $payload, length $payload)
            . $payload;
        $rops = $g->mutate($rops) if rand() < 0.1;
        my ($status, $body) = $w->call(0x0202, $exmdb_codec->encode(
            'emsmdb_execute_request', { session => $session, flags => 3,
                max_rop_out => 32768, rops => $rops }));
        $sent{'ROP buffers'}++;
        my $a = defined $status && $status == 0
            ? eval { $exmdb_codec->decode('emsmdb_execute_answer', \$body) }
            : undef;
        if ($a && $a->{result} == 0) {
            $sent{'ROP buffers executed'}++;
        } else {
            undef $w;
        }
        undef $w if rand() < 0.01;
    }
}

sub http_garbage {
    my ($count) = @_;
    my @types = qw(Connect Execute Disconnect NotificationWait PING Bind
        Unbind QueryRows ResolveNames GetMatches GetProps SeekEntries);
    my $id = 0;
    for (1 .. $count) {
        my $type = Posthorn::Garbage::pick(@types);
        my $kind = int rand 10;
        my $r;
        if ($kind == 0) {
            $r = autodiscover('victim');
        } elsif ($kind == 1) {
            $r = "GET " . Posthorn::Garbage::pick('/autodiscover/autodiscover'
                . '.json/v1.0/victim@example.test?Protocol=Autodiscoverv1',
                '/mail/config-v1.1.xml?emailaddress=victim@example.test',
                '/mapi/healthcheck.htm', '/') . " HTTP/1.1\r\n"
                . "Host: localhost\r\n\r\n";
        } else {
            my $body = pack('VVVVV', 0, 1252, 1033, 1033, 0)
                . Posthorn::Garbage::bytes(int rand 60);
            $body = "$DN{victim}\0$body" if rand() < 0.5;
            $r = request('/mapi/' . ($type =~
                /^(?:Connect|Execute|Disc|Notif|PING)/ ? 'emsmdb' : 'nspi')
                . '/?MailboxId=victim@example.test', 'victim',
                "Content-Type: application/mapi-http\r\n"
                . "X-RequestType: $type\r\nX-ClientInfo: {a}:1\r\n"
                . "X-RequestId: {b}:" . ++$id . "\r\n"
                . "X-ClientApplication: Outlook/15.0.0.0\r\n"
                . (rand() < 0.3 ? 'Cookie: MapiContext='
                    . Posthorn::Garbage::pick('x', 'a' x 60) . "\r\n" : ''),
                $g->mutate($body));
        }
        # mostly the body, so that the request is heard to its end
        my $mutated = rand() < 0.15;
        if ($mutated) {
            my ($head, $body) = $r =~ /\A(.*?\r\n\r\n)(.*)\z/s;
            $r = rand() < 0.5 ? $g->mutate($head) . $body
                : $g->mutate($r);
        }
        https_send($r, $mutated ? 0.03 : 5);
        $sent{HTTP}++;
    }
    undef $http;
}

# a connection that speaks lines; bytes go out, answers are thrown away
sub line_garbage {
    my ($name, $open, $count, $lines) = @_;
    my $s;
    local $SIG{PIPE} = 'IGNORE';
    for (1 .. $count) {
        if (!$s) {
            $s = $open->() or next;
            $s->blocking(0);
        }
        my $n = syswrite($s, $g->mutate($lines->()));
        $sent{$name}++;
        my $closed = !defined $n && !$!{EAGAIN};
        while (IO::Select->new($s)->can_read(0)) {
            my $got = sysread($s, my $buf, 1 << 16);
            $closed = 1, last unless $got;
        }
        # also connections that are left in the middle
        undef $s if $closed || rand() < 0.02;
    }
}

sub memory_of {
    my %m;
    for my $name (qw(directory exmdb delivery)) {
        for my $pid ($t->workers($name)) {
            open my $f, '<', "/proc/$pid/status" or next;
            local $/;
            $m{$name} += $1 if <$f> =~ /^VmRSS:\s+(\d+)/m;
        }
    }
    return \%m;
}

# ---- the run -----------------------------------------------------------------

all_is_well('before');

my $message = "From: a\@b.test\r\nTo: victim\@example.test\r\n"
    . "Subject: =?utf-8?B?w6TDtsO8?=\r\nMIME-Version: 1.0\r\n"
    . "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"
    . "Content-Type: text/html; charset=iso-8859-1\r\n"
    . "Content-Transfer-Encoding: quoted-printable\r\n\r\n<b>=E4</b>\r\n"
    . "--x\r\nContent-Type: application/octet-stream; name=a.bin\r\n"
    . "Content-Transfer-Encoding: base64\r\n\r\nAAECAwQ=\r\n--x--\r\n";
my @lmtp = ("LHLO x\r\n", "MAIL FROM:<a\@b.test> SIZE=100 BODY=8BITMIME\r\n",
    "RCPT TO:<victim\@example.test> NOTIFY=NEVER\r\n",
    "RCPT TO:<nobody\@example.test>\r\n", "DATA\r\n", "RSET\r\n", "NOOP\r\n",
    "VRFY victim\r\n", "BDAT 10 LAST\r\n0123456789", "QUIT\r\n", ".\r\n",
    "LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<victim\@example.test>\r\nDATA\r\n"
    . "$message.\r\n");

# What an administrator sends by mistake is obeyed: users and domains vanish.
# It goes to a directory of its own, which nobody else needs.
my $own = Posthorn::Test->new(servers => ['directory'], users => ['alice'],
    conf => { log => { level => 'warn' },
        directory => { throttle_user => 0, throttle_client => 0 } });
$own->start;
my $own_ticket = admin_ticket($own);
ok($own_ticket, 'an administrator\'s ticket of another directory');

sub directory_is_well {
    my ($when) = @_;
    my $domain = "fresh-$when.test";
    my ($rc, $out, $err) = $own->phctl('domain', 'create', $domain);
    is($rc, 0, "after part $when: a domain can be made") or diag("$out$err");
    ($rc, $out, $err) = $own->phctl('user', 'create', "new\@$domain",
        '--stdin', '--no-mailbox', \"password-new\n");
    is($rc, 0, "after part $when: and a user") or diag("$out$err");
    my $w = Posthorn::Wire->new($own->socket('directory')) or return;
    my ($status) = $w->call(0x0101, $dir_codec->encode('auth_request', {
        user => "new\@$domain", password => 'password-new', service => 2,
        client => '127.0.0.1' }));
    is($status, 0, "after part $when: who can log in");
}

my $ticket = admin_ticket($t);
ok($ticket, 'an administrator\'s ticket') or die "no ticket\n";

# the wire garbage of an administrator may have deleted or changed mailboxes
sub revive {
    my $victim = $t->address('victim');
    my $password = $t->password('victim') . "\n";

    # what came in between may still be at work, or be throttled for a while
    my $end = time + ($t->sanitized ? 30 : 10);
    my $again;
    until ($again || time > $end) {
        $t->phctl('domain', 'create', $t->domain);
        $t->phctl('domain', 'resume', $t->domain);
        $t->phctl('domain', 'change', $t->domain, '--max-users', '0');
        $t->phctl('alias', 'delete', $victim);
        $t->phctl('user', 'create', $victim, '--stdin', \$password);
        $t->phctl('user', 'resume', $victim);
        $t->phctl('user', 'change', $victim, '--rights', 'all', '--quota',
            '0', '--quota-send', '0');
        $t->phctl('passwd', $victim, '--stdin', \$password);
        $t->phctl('mailbox', 'create', $victim);
        $DN{victim} = $1 if ($t->phctl('--json', 'user', 'show', $victim))[1]
            =~ /"legacy_dn": "([^"]+)"/;
        my $ticket = eval { ticket('victim') };
        $again = $ticket && eval { connect_session($ticket, 'victim') };
        sleep 0.2 unless $again;
    }
    ok($again, 'the victim can log in again');
}

my $halfway;
for my $half (1, 2) {
    timed('wire directory', sub {
        wire_garbage('directory', 'dir', share(8), $own_ticket, $own);
        wire_garbage('directory', 'dir', share(3), ticket('alice') // '') });
    directory_is_well($half);
    timed('wire exmdb', sub {
        wire_garbage('exmdb', 'exmdb', share(8), $ticket) });
    timed('wire exmdb.1', sub {
        wire_garbage('exmdb.1', 'exmdb', share(3), ticket('victim') // '') });
    timed('wire delivery', sub {
        wire_garbage('delivery', 'delivery', share(6), $ticket) });
    revive();
    timed('ROP buffers', sub { rop_garbage(share(8)) });
    timed('LMTP', sub { line_garbage('LMTP', sub { IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $t->port('lmtp')) }, share(6),
        sub { Posthorn::Garbage::pick(@lmtp) }) });
    timed('SASL', sub { line_garbage('SASL', sub { IO::Socket::UNIX->new(
        Peer => $t->socket('sasl')) }, share(2), sub {
        Posthorn::Garbage::pick("VERSION\t1\t1\nCPID\t7\n",
            "AUTH\t1\tPLAIN\tservice=smtp\tresp=" . encode_base64("\0victim"
                . "\@example.test\0wrong", '') . "\n",
            "AUTH\t2\tLOGIN\tservice=smtp\n", "CONT\t2\tdmljdGlt\n",
            "CANCEL\t1\n") }) });
    timed('socketmap', sub { line_garbage('socketmap', sub {
        IO::Socket::UNIX->new(Peer => $t->socket('socketmap')) }, share(4),
        sub {
        my $q = Posthorn::Garbage::pick('domains example.test',
            'mailboxes victim@example.test', 'aliases x@example.test',
            'transports example.test', 'nonsense x', '');
        return length($q) . ":$q," }) });
    timed('HTTP', sub { http_garbage(share(2)) });

    revive();
    all_is_well("after part $half");
    $halfway //= memory_of();
}

my $n = 0;
my $executed = delete $sent{'ROP buffers executed'} // 0;
cmp_ok($executed, '>', $sent{'ROP buffers'} / 2,
    "$executed of the ROP buffers were executed");
for my $k (sort keys %sent) {
    note(sprintf('%s: %d in %.0f s', $k, $sent{$k}, $seconds{$k} // 0));
    $n += $sent{$k};
}
cmp_ok($n, '>=', $total * 0.98, "$n requests were sent");

# the second half must not need what the first had not
my $end = memory_of();
for my $name (sort keys %$end) {
    my ($a, $b) = ($halfway->{$name}, $end->{$name});
    cmp_ok($b, '<', $a * 1.5 + 20_000,
        "$name does not grow: $a KiB, then $b KiB");
}

ok(!(grep { /worker .*(?:died|signal)/i } split /\n/,
    join '', map { $t->log_text($_) } qw(directory exmdb delivery)),
    'no worker died');

$own->stop;
$t->stop;
done_testing();
