#!/usr/bin/perl

# posthorn-directory as a daemon: the wire protocol (spoken here by hand, so that
# broken frames and missing tickets can be sent too), Postfix' SASL and socketmap,
# events, reload, and what survives a kill.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Select;
use IO::Socket::UNIX;
use POSIX ();
use MIME::Base64 qw(encode_base64);
use Posthorn::Test;
use Test::More;
use Time::HiRes qw(time sleep);

$SIG{PIPE} = 'IGNORE';    # servers that go away are part of the test

my $t = Posthorn::Test->new(
    servers => ['directory'],
    conf    => { directory => {
        admins => ["$>"],
        throttle_user => 4,
        auth_failure_delay => '300ms',
        throttle_client => 50,
        organisation => 'Acme',
    } },
);

plan skip_all => 'posthorn-directory is not built'
    unless $t->program('posthorn-directory');

$t->certificate if $t->can('certificate');
$t->write_conf;
$t->start_server('directory');

# ---- the wire protocol -------------------------------------------------------

my %OP = (hello => 1, auth => 0x101, keys => 0x102, service_ticket => 0x103,
    lookup => 0x104, resolve => 0x105, properties => 0x106, watch => 0x107,
    search => 0x109, organisation_list => 0x120, domain_create => 0x129,
    domain_change => 0x12a, domain_delete => 0x12b, user_list => 0x130,
    user_create => 0x132, user_change => 0x133, user_delete => 0x134,
    passwd => 0x135, set_properties => 0x136, alias_create => 0x139,
    alias_delete => 0x13a, forward_set => 0x13b, group_create => 0x141,
    group_member => 0x144, status => 0x150);
my @STATUS = qw(OK ERROR BAD_REQUEST BAD_OP DENIED NOT_FOUND EXISTS TOO_BIG
    BUSY NO_SPACE WRONG_NODE UNAVAILABLE CANCELLED);
my ($WEB, $IMAP, $SMTP) = (1, 4, 0x10);
my $next_id = 1;

sub connect_to {
    my ($name) = @_;
    my $s = IO::Socket::UNIX->new(Peer => $t->socket($name))
        or die "$name: $!";
    return $s;
}

sub read_n {
    my ($s, $n) = @_;
    my $buf = '';
    my $select = IO::Select->new($s);
    while (length $buf < $n) {
        $select->can_read(20) or die "no answer\n";
        sysread($s, $buf, $n - length $buf, length $buf) or return undef;
    }
    return $buf;
}

sub frame {
    my ($op, $ticket, $body) = @_;
    my $rest = pack('CCvVvv', 1, 0, $op, $next_id++, 0, length $ticket)
        . $ticket . $body;
    return pack('V', length $rest) . $rest;
}

# (op, flags, status, body)
sub read_frame {
    my ($s) = @_;
    my $size = read_n($s, 4);
    return unless defined $size;
    my $rest = read_n($s, unpack 'V', $size);
    return unless defined $rest;
    my ($version, $flags, $op, $id, $status) = unpack 'CCvVv', $rest;
    return ($op, $flags, $STATUS[$status], substr $rest, 12);
}

sub wire {
    my $s = connect_to('directory');
    syswrite $s, frame($OP{hello}, '', '');
    read_frame($s);
    return $s;
}

my $wire = wire();
my $ticket = '';

# ("OK", body) or (status, text)
sub call {
    my ($op, $body, $with) = @_;
    syswrite $wire, frame($OP{$op}, $with // $ticket, $body);
    my ($o, $flags, $status, $answer) = read_frame($wire);
    die "connection lost in $op\n" unless defined $status;
    return wantarray ? ($status, $answer) : $status;
}

sub str { my ($s) = @_; utf8::encode($s) if utf8::is_utf8($s);
    return pack('v', length $s) . $s }

# an entry on the wire: kind, status, ids, rights, ten strings, GUID, quotas
sub entry {
    my (%e) = @_;
    return pack('CCVVV', $e{kind} // 1, $e{status} // 0, 0, 0,
            $e{rights} // 0)
        . str($e{address} // '') . str($e{display_name} // '') . str('')
        . str('') . str('') . str($e{lang} // '') . str($e{node} // '')
        . str($e{path} // '') . "\0" x 16
        . pack('Q<Q<Q<VQ<VC', $e{warning} // 0, $e{send} // 0,
            $e{receive} // 0, $e{submit} // 0, 0, 0, 0);
}

sub parse_entry {
    my ($b) = @_;
    my %e;
    @e{qw(kind status user_id domain_id rights)} = unpack 'CCVVV', $b;
    my $at = 14;
    for my $f (qw(address display_name legacy_dn domain organisation lang node
        path))
    {
        my $n = unpack 'v', substr $b, $at, 2;
        $e{$f} = substr $b, $at + 2, $n;
        $at += 2 + $n;
    }
    $e{guid} = substr $b, $at, 16;
    $at += 16;
    @e{qw(warning send receive submit)} = unpack 'Q<Q<Q<V', substr $b, $at;
    $e{size} = $at + 41;
    return \%e;
}

sub auth {
    my ($user, $password, $service, $client) = @_;
    my ($status, $body) = call('auth', str($user) . str($password)
        . pack('V', $service // $WEB) . str($client // '') . str('rid'), '');
    return wantarray ? ($status, $body) : $status;
}

sub lookup {
    my ($key, $by) = @_;
    my ($status, $body) = call('lookup', pack('C', $by // 0) . str($key));
    return $status eq 'OK' ? parse_entry($body) : $status;
}

sub resolve {
    my ($address, $from) = @_;
    my ($status, $body) = call('resolve', str($address) . str($from // ''));
    return $status if $status ne 'OK';
    my ($local, $refused, $n) = unpack 'CCv', $body;
    return 'refused' if $refused;
    my ($at, @to) = (4);
    for (1 .. $n) {
        my $here = unpack 'C', substr $body, $at, 1;
        my $e = parse_entry(substr $body, $at + 1);
        $at += 1 + $e->{size};
        my $len = unpack 'v', substr $body, $at, 2;
        push @to, $here ? $e->{address}
            : substr($body, $at + 2, $len) . ' elsewhere';
        $at += 2 + $len;
    }
    return join ', ', @to;
}

sub user_create {
    my ($address, $password, $mask, %e) = @_;
    my ($status, $body) = call('user_create', pack('V', $mask // 0)
        . entry(address => $address, %e) . "\0" . str($password));
    return ($status, $status eq 'OK' ? parse_entry($body) : $body);
}

# ---- tickets -----------------------------------------------------------------

is(call('lookup', "\0" . str('x')), 'DENIED', 'no look-up without a ticket');
is(call('user_list', str('') . str('') . pack('CVV', 0, 0, 0)), 'DENIED',
    'no administration without a ticket');
is(call('service_ticket', "\1" . str('x')), 'BAD_REQUEST',
    'a user ticket is not to be had so');

my ($status, $body) = call('service_ticket', "\3" . str('root'));
is($status, 'OK', 'an administrator gets a ticket');
my ($lifetime, $len) = unpack 'Vv', $body;
$ticket = substr $body, 6;
is(length $ticket, $len, 'its length');
is($lifetime, 3600, 'its lifetime');

is(call('lookup', "\0" . str('x')), 'NOT_FOUND', 'look-up with it');
my $forged = $ticket;
substr($forged, -1, 1) ^= "\1";
is(call('lookup', "\0" . str('x'), $forged), 'DENIED', 'a forged one');
is(call('lookup', "\0" . str('x'), substr($ticket, 0, 20)), 'DENIED',
    'half a ticket');

($status, $body) = call('service_ticket', "\2" . str('exmdb'));
is($status, 'OK', 'a service ticket');
my $service = substr $body, 6;
is(call('resolve', str('x@far.test') . str(''), $service), 'OK',
    'is good for resolving');
is(call('domain_delete', str('x') . "\0", $service), 'DENIED',
    'but not for administration');

($status, $body) = call('keys', '', '');
is(unpack('C', $body), 1, 'one key');
is(length $body, 1 + 4 + 32 + 8, 'its length');
my $keys = $body;
is((stat "$t->{dir}/directory/ticket.keys")[2] & 0777, 0600,
    'the file of keys is private');
is((stat "$t->{dir}/directory/directory.db")[2] & 0777, 0600,
    'the database too');

# ---- administration ----------------------------------------------------------

my $domain = sub {
    my (%d) = @_;
    return pack('V', 0) . str($d{name}) . str($d{title} // '')
        . str($d{organisation} // '') . pack('C', $d{status} // 0)
        . str($d{node} // '') . str($d{lang} // '') . pack('V', $d{max} // 0)
        . str($d{catch_all} // '') . str($d{transport} // '')
        . pack('VQ<', 0, 0);
};

is(call('domain_create', pack('V', 0x10) . $domain->(name => 'Example.TEST',
    lang => 'de')), 'OK', 'a domain');
is(call('domain_create', pack('V', 0) . $domain->(name => 'example.test')),
    'EXISTS', 'once');
is((call('domain_create', pack('V', 0) . $domain->(name => 'no domain')))[1],
    'not a domain name', 'the reason is in the answer');

my ($alice, $bob);
($status, $alice) = user_create('Alice@Example.test', 'secret-a', 8,
    display_name => 'Alice Liddell');
is($status, 'OK', 'a user');
is($alice->{address}, 'alice@example.test', 'address');
is($alice->{display_name}, 'Alice Liddell', 'name');
is($alice->{lang}, 'de', 'language of the domain');
is($alice->{path}, 'example.test/alice', 'path of the mailbox');
is($alice->{rights}, 0xff, 'all rights but admin');
is($alice->{organisation}, 'Acme', 'organisation of the configuration');
like($alice->{legacy_dn}, qr{^/o=Acme/ou=Exchange[ ]Administrative[ ]Group[ ]
    \(FYDIBOHF23SPDLT\)/cn=Recipients/cn=[0-9a-f]{16}-alice$}x, 'legacy DN');
isnt($alice->{guid}, "\0" x 16, 'GUID of the mailbox');

($status, $bob) = user_create('bob@example.test', 'secret-b', 4,
    rights => $WEB | $SMTP);
is($status, 'OK', 'another user');
is($bob->{display_name}, 'bob', 'named after his address');
is((user_create('ALICE@example.test', 'x'))[0], 'EXISTS', 'an address twice');
is((user_create('a/b@example.test', 'x'))[0], 'BAD_REQUEST',
    'an address that is a path');
is((user_create('x@far.test', 'x'))[0], 'NOT_FOUND', 'no such domain');
is((user_create("x\@example.test", "a\0b"))[0], 'BAD_REQUEST',
    'a password with a NUL');

is(call('alias_create', str('al@example.test') . str('alice@example.test')),
    'OK', 'an alias');
is(call('alias_create', str('bob@example.test') . str('alice@example.test')),
    'EXISTS', 'an alias that is a user');
is(call('group_create', pack('V', 0x0a) . pack('V', 0)
    . str('team@example.test') . str('') . pack('CCC', 3, 0, 0)
    . pack('V', 2) . str('bob@example.test') . str('x@far.test')
    . pack('V', 0)), 'OK', 'a group');
is(call('group_member', str('team@example.test') . str('al@example.test')
    . "\0"), 'OK', 'a member');
is(call('group_member', str('team@example.test') . str('al@example.test')
    . "\0"), 'EXISTS', 'once');

# ---- look-ups ----------------------------------------------------------------

is(lookup('AL@example.test')->{user_id}, $alice->{user_id}, 'by alias');
is(lookup(uc $alice->{legacy_dn}, 1)->{user_id}, $alice->{user_id},
    'by DN in capitals');
is(lookup($alice->{user_id}, 2)->{address}, 'alice@example.test', 'by id');
my $guid = sprintf '%08x-%04x-%04x-%s-%s', unpack('Vvv', $alice->{guid}),
    unpack('H4', substr $alice->{guid}, 8), unpack 'H12',
    substr $alice->{guid}, 10;
is(ref lookup("$guid\@example.test") && lookup("$guid\@example.test")
    ->{user_id}, $alice->{user_id}, 'by GUID@domain');
is(lookup("$guid\@far.test"), 'NOT_FOUND', 'of that domain alone');
is(lookup('nobody@example.test'), 'NOT_FOUND', 'nobody');

is(resolve('team@example.test', 'bob@example.test'),
    'alice@example.test, bob@example.test, x@far.test elsewhere',
    'a group, for a member');
is(resolve('team@example.test', 'x@other.test'), 'refused',
    'and for a stranger');
is(resolve('alice+x@example.test'), 'alice@example.test', 'a detail');

is(call('set_properties', "\0" . str('alice@example.test') . pack('v', 0)
    . 'garbage'), 'BAD_REQUEST', 'properties that do not decode');
($status, $body) = call('properties', "\0" . str('alice@example.test')
    . pack('v', 0));
is($status, 'OK', 'properties');
like($body, qr/smtp:al\@example\.test/, 'have the alias');
($status, $body) = call('search', str('ali') . pack('v', 10));
is(unpack('v', $body), 1, 'search by the beginning of a name');
($status, $body) = call('search', str('%') . pack('v', 10));
is(unpack('v', $body), 0, 'a pattern is only text');

# ---- logins and events -------------------------------------------------------

is(auth('alice@example.test', 'secret-a'), 'OK', 'login');
is(auth('AL@example.test', 'secret-a'), 'OK', 'by alias');
($status, $body) = auth('alice@example.test', 'secret-a');
my $who = parse_entry($body);
is($who->{address}, 'alice@example.test', 'who it is');
my ($life, $n) = unpack 'Vv', substr $body, $who->{size};
is($life, 900, 'lifetime of the ticket');
my $user_ticket = substr $body, $who->{size} + 6, $n;
is(call('lookup', "\0" . str('bob@example.test'), $user_ticket), 'OK',
    'the ticket is good for look-ups');
is(call('status', '', $user_ticket), 'DENIED', 'but not for the status');

for my $no (['alice@example.test', 'wrong password'],
    ['nobody@example.test', 'unknown user'])
{
    my $asked = time;
    is(auth($no->[0], 'wrong'), 'DENIED', $no->[1]);
    cmp_ok(time - $asked, '>=', 0.29, 'is not told early');
}
is(auth('bob@example.test', 'secret-b', $IMAP), 'DENIED', 'no right');
is(auth('bob@example.test', 'secret-b', 0), 'OK', 'no right wanted');
is(auth('bob@example.test', 'secret-b', 3), 'BAD_REQUEST', 'two rights');

my $watcher = wire();
syswrite $watcher, frame($OP{watch}, '', '');
my ($op, $flags, $st, $ans) = read_frame($watcher);
is($st, 'OK', 'watch');
my $generation = unpack 'Q<', $ans;

sub event {
    my ($op, $flags, $st, $body) = read_frame($watcher);
    return 'lost' unless defined $op;
    my ($g, $n) = unpack 'Q<v', $body;
    return sprintf '%x %d +%d %s', $op, $flags, $g - $generation,
        substr $body, 10, $n;
}

is(call('passwd', str('alice@example.test') . "\0" . str('secret-n')), 'OK',
    'a new password');
is(event(), '108 2 +1 alice@example.test', 'its event');
is(auth('alice@example.test', 'secret-a'), 'DENIED', 'the old one is gone');
is(auth('alice@example.test', 'secret-n'), 'OK', 'the new one works');

is(call('user_change', "\0" . str('alice@example.test') . pack('V', 2)
    . entry(status => 1) . "\0"), 'OK', 'suspended');
is(event(), '108 2 +2 alice@example.test', 'its event');
is(auth('alice@example.test', 'secret-n'), 'DENIED', 'no login');
is(resolve('alice@example.test'), 'NOT_FOUND', 'no mail');
is(call('user_change', "\0" . str('alice@example.test') . pack('V', 2)
    . entry(status => 0) . "\0"), 'OK', 'back again');
event();
is(auth('alice@example.test', 'secret-n'), 'OK', 'login');

is(call('user_change', "\0" . str('bob@example.test') . pack('V', 0x100)
    . entry(address => 'robert@example.test') . "\0"), 'OK', 'renamed');
like(join('|', sort(event(), event())), qr/\+4 bob\@.*\+4 robert\@/,
    'both addresses are announced');
is(resolve('team@example.test', 'robert@example.test'),
    'alice@example.test, robert@example.test, x@far.test elsewhere',
    'the group follows');
is(lookup($bob->{legacy_dn}, 1)->{address}, 'robert@example.test',
    'the DN stays');

is(call('passwd', str('alice@example.test') . "\1" . str('nonsense')),
    'BAD_REQUEST', 'a hash that is none');
is(call('passwd', str('alice@example.test') . "\1" . str(crypt('imported',
    '$6$rounds=1000$abcdefgh$'))), 'OK', 'an imported hash');
event();
is(auth('alice@example.test', 'imported'), 'OK', 'works');

for (1 .. 4) {
    auth('robert@example.test', "guess $_", $WEB, '192.0.2.66');
}
is(auth('robert@example.test', 'secret-b', $WEB, '192.0.2.67'), 'BUSY',
    'throttled');

# ---- Postfix: SASL -----------------------------------------------------------

my $sasl = connect_to('sasl');
my $greeting = '';
while ($greeting !~ /^DONE\n/m) {
    sysread($sasl, $greeting, 4096, length $greeting) or last;
}
like($greeting, qr/^VERSION\t1\t2\n/, 'SASL: version');
like($greeting, qr/^COOKIE\t[0-9a-f]{32}\n/m, 'SASL: cookie');
syswrite $sasl, "VERSION\t1\t1\nCPID\t$$\n";

my $line = sub {
    my $line = '';
    while ($line !~ /\n/) {
        my $c = read_n($sasl, 1);
        return 'lost' unless defined $c;
        $line .= $c;
    }
    return $line;
};
my $plain = sub { encode_base64("\0$_[0]\0$_[1]", '') };

syswrite $sasl, "AUTH\t1\tPLAIN\tservice=smtp\trip=192.0.2.1\tresp="
    . $plain->('al@example.test', 'imported') . "\n";
is($line->(), "OK\t1\tuser=alice\@example.test\n", 'SASL: PLAIN');
syswrite $sasl, "AUTH\t2\tPLAIN\tservice=smtp\trip=192.0.2.1\tresp="
    . $plain->('alice@example.test', 'bad') . "\n";
is($line->(), "FAIL\t2\n", 'SASL: wrong password');
syswrite $sasl, "AUTH\t3\tLOGIN\tservice=smtp\n";
is($line->(), "CONT\t3\tVXNlcm5hbWU6\n", 'SASL: LOGIN');
syswrite $sasl, "CONT\t3\t" . encode_base64('alice@example.test', '') . "\n";
$line->();
syswrite $sasl, "CONT\t3\t" . encode_base64('imported', '') . "\n";
is($line->(), "OK\t3\tuser=alice\@example.test\n", 'SASL: LOGIN, OK');
is(call('user_change', "\0" . str('alice@example.test') . pack('V', 4)
    . entry(rights => $WEB) . "\0"), 'OK', 'no right to submit');
event();
syswrite $sasl, "AUTH\t4\tPLAIN\tservice=smtp\tresp="
    . $plain->('alice@example.test', 'imported') . "\n";
is($line->(), "FAIL\t4\n", 'SASL: no right');
syswrite $sasl, "A" x 20000;
is($line->(), 'lost', 'SASL: a long line ends the connection');

# ---- Postfix: socketmap ------------------------------------------------------

my $map = connect_to('socketmap');
my $ask = sub {
    my @q = @_;
    syswrite $map, join '', map { length($_) . ":$_," } @q;
    my @a;
    for (@q) {
        my $head = '';
        $head .= read_n($map, 1) // return 'lost' while $head !~ /:/;
        push @a, read_n($map, $head =~ s/://r);
        read_n($map, 1);
    }
    return join '|', @a;
};

is($ask->('domains example.test'), 'OK example.test', 'socketmap: a domain');
is($ask->('domains far.test', 'aliases al@example.test',
    'mailboxes nobody@example.test', 'senders al@example.test'),
    'NOTFOUND |OK alice@example.test|NOTFOUND |OK alice@example.test',
    'socketmap: several questions at a time, answers in order');
like($ask->('transports example.test'), qr/^OK lmtp:inet:127\.0\.0\.1:\d+$/,
    'socketmap: transport');
syswrite $map, 'x';
is(read_n($map, 1), undef, 'socketmap: garbage ends the connection');

# ---- what strangers send -----------------------------------------------------

for my $case (
    [ 'a frame above the limit', pack('VCC', 0x7fffffff, 1, 0) ],
    [ 'another version', pack 'VCCvVvv', 12, 99, 0, 1, 1, 0, 0 ],
    [ 'a ticket longer than the frame', pack 'VCCvVvv', 12, 1, 0, 0x104, 1, 0,
        500 ],
) {
    my $s = connect_to('directory');
    syswrite $s, $case->[1];
    is(read_n($s, 1), undef, $case->[0]);
}
srand 1;
for (1 .. 300) {
    my @ops = values %OP;
    my $body = join '', map { chr int rand 256 } 1 .. rand 60;
    syswrite $wire, frame($ops[rand @ops], rand() < 0.7 ? $ticket : '', $body);
    my @answer = read_frame($wire);
    last if !@answer;
}
is(call('resolve', str('x@far.test') . str('')), 'OK',
    'bodies of random bytes do no harm');

# ---- restart, reload, kill ---------------------------------------------------

($status, $body) = call('status', '');
my ($pid, $uptime, $schema) = unpack 'VQ<V', $body;
is($schema, 2, 'status: schema version');
like($body, qr/posthorn_directory_logins_total\{result="ok"\} \d/,
    'status: metrics');

# the worker dies: a new one takes over with the same keys and data
kill 'KILL', $pid;
$t->wait_for('a new worker', 20, sub {
    my $s = eval { local $SIG{ALRM} = sub { die }; alarm 2; my $w = wire();
        alarm 0; $w } or return 0;
    $wire = $s;
    my $now = eval { unpack 'V', (call('status', ''))[1] };
    return $now && $now != $pid;
});
is(eval { lookup('al@example.test')->{user_id} }, $alice->{user_id},
    'the database is there after a kill');
is((call('keys', '', ''))[1], $keys, 'and so are the keys');
isnt(call('user_change', "\0" . str('alice@example.test') . pack('V', 4)
    . entry(rights => 0xff) . "\0"), 'DENIED', 'old tickets are still good');

# many at a time: reads beside changes of the same entries
{
    my @children;
    for my $n (1 .. 4) {
        my $pid = fork // die "fork: $!";
        if ($pid == 0) {
            $wire = wire();
            my $bad = 0;
            for my $i (1 .. 60) {
                my $case = ($i + $n) % 4;
                my $got = $case == 0 ? auth('alice@example.test', 'imported')
                    : $case == 1 ? ref lookup('al@example.test')
                    : $case == 2 ? resolve('al@example.test')
                    : scalar call('user_change', "\0"
                        . str('alice@example.test') . pack('V', 8)
                        . entry(display_name => "Alice $n $i") . "\0");
                $bad++ unless $got eq ('OK', 'HASH', 'alice@example.test',
                    'OK')[$case];
            }
            POSIX::_exit($bad ? 1 : 0);
        }
        push @children, $pid;
    }
    my $failed = 0;
    for my $pid (@children) {
        waitpid $pid, 0;
        $failed++ if $?;
    }
    is($failed, 0, 'four clients at a time');
}

# a reload: new options take effect, and the sockets stay open meanwhile
$t->set_conf('directory', ticket_lifetime => '5m') if $t->can('set_conf');
$t->reload('directory');
$t->wait_for('the new configuration', 20, sub {
    my $s = eval { local $SIG{ALRM} = sub { die }; alarm 5; my $w = wire();
        alarm 0; $w } or return 0;
    $wire = $s;
    my $b = eval { (auth('al@example.test', 'imported'))[1] } // return 0;
    my $e = eval { parse_entry($b) } // return 0;
    return unpack('V', substr $b, $e->{size}) == 300;
});
pass('a reload');

is(call('user_delete', str('robert@example.test')), 'OK', 'a user is deleted');
is(resolve('team@example.test', 'alice@example.test'), 'refused',
    'not a member by her own address');
is(call('domain_delete', str('example.test') . "\0"), 'EXISTS',
    'a domain with users stays');
is(call('domain_delete', str('example.test') . "\1"), 'OK', 'unless forced');
is(lookup('alice@example.test'), 'NOT_FOUND', 'and then they are gone');

my $log = $t->log_text('directory');
like($log, qr/PH2030 .*op=passwd by="?root"? target="alice\@example\.test"/,
    'the audit trail');
unlike($log, qr/secret-[abn]|imported/, 'no password is in the log');

$t->stop(killed => 1);
done_testing();
