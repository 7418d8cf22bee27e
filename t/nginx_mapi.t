#!/usr/bin/perl
# The MAPI/HTTP endpoint against a fake directory and a fake exmdb: heads,
# cookies, response codes, streams, waits and their ends.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(time sleep);

use lib 't/lib';
use Posthorn::Test;
use Posthorn::FakeDaemon;
use Posthorn::RawHTTP;

use constant {
    CONNECT => 0x0201, EXECUTE => 0x0202, DISCONNECT => 0x0203,
    PING => 0x0204, WAIT => 0x0205, WAKE => 0x0206, UNWAIT => 0x0207,
};

my $plain = Posthorn::Test::free_port();

my $t = Posthorn::Test->new(servers => ['nginx'], nginx => { edit => sub {
    my ($text) = @_;
    $text =~ s/(listen \S+ ssl;)/$1 listen 127.0.0.1:$plain;/ or die;
    $text =~ s/(http \{)/$1 posthorn_identity_require_tls off;
        posthorn_mapi_pending_period 1s; posthorn_mapi_processing_delay 300ms;
        posthorn_mapi_wait_time 4s; posthorn_mapi_timeout 10s;/ or die;
    return $text;
} });

my $directory = Posthorn::FakeDaemon->new($t->socket('directory'),
    request => Posthorn::FakeDaemon::directory_request({
        'alice@example.test' => 'secret', 'bob@example.test' => 'secret' }),
    command => sub { my ($d, $word) = @_; return $d->{state}{$word} });

# two workers, both behind one address
my $hello = Posthorn::FakeDaemon::str16('node') . pack('v V v', 0, 7, 2)
    . join '', map { pack('v', $_)
        . Posthorn::FakeDaemon::str16('unix:' . $t->socket('exmdb')) } 0, 1;

my $exmdb = Posthorn::FakeDaemon->new($t->socket('exmdb'), hello => $hello,
    request => \&exmdb,
    command => sub {
        my ($d, $word, @a) = @_;
        my $s = $d->{state};
        if ($word eq 'wake') {
            $d->event(WAKE, pack 'Q< C V C', $s->{waiter}, 0, 0, 1);
        } elsif ($word eq 'finish') {
            $d->answer(@{ delete $s->{held} }[0, 1], EXECUTE, 0,
                pack('C V', $a[0] // 0, 0) . 'N' x 16 . pack('V', 2) . 'ok');
        } elsif ($word eq 'drop') {
            $d->drop;
        }
        return $s->{ $a[0] // 'none' };
    });

# Sessions are 'S' x 16; the first byte of the ROP buffer says what happens.
sub exmdb {
    my ($req) = @_;
    my ($op, $body, $s) = @$req{qw(op body state)};
    my $ours = substr($body, 0, 16) eq 'S' x 16
        && $req->{ticket} eq 'ticket-of-alice@example.test';

    $s->{last} = sprintf '%04x', $op;
    if ($op == CONNECT) {
        my $old = substr $body, 0, 16, '';
        $s->{old} = $old eq "\0" x 16 ? 'none' : $old;
        my $dn = Posthorn::FakeDaemon::take_str16($body);
        my (undef, undef, undef, undef, @v) = unpack 'V V V V v v v', $body;
        $s->{version} = join '.', map { sprintf '%x', $_ } @v;
        return (0, pack('V', $dn =~ /nobody/ ? 0x3EB : 0) . 'S' x 16
            . 'Q' x 16 . pack('v', 0) . Posthorn::FakeDaemon::str16('Alice'));
    }
    if ($op == EXECUTE) {
        my ($seq, $next) = unpack 'x16 a16 a16', $body;
        my $rops = substr $body, 16 * 3 + 8;
        $s->{sequence} = $seq;
        return (0, pack('C V', 10, 0) . "\0" x 20) unless $ours;
        return (0, pack('C V', 15, 0) . "\0" x 20) if $seq eq 'X' x 16;
        my $kind = substr $rops, 4, 1;
        return () if $kind eq 'n';
        return Posthorn::FakeDaemon::ERROR if $kind eq 'e';
        if ($kind eq 'h') {
            $s->{held} = [@$req{qw(conn id)}];
            return ();
        }
        return (0, pack('C V', 0, 0) . $next . pack('V', 5) . 'hello');
    }
    if ($op == WAIT) {
        $s->{waiter} = unpack 'x16 Q<', $body;
        return (0, pack 'C V C', 10, 0, 0) unless $ours;
        return (0, pack 'C V C', 0, 0, delete $s->{queued} ? 1 : 0);
    }
    $s->{unwait}++ if $op == UNWAIT;
    return (0, pack 'C', $ours ? 0 : 10);
}

$t->start;

my $c = Posthorn::RawHTTP->new($plain);
my $n = 0;

sub heads {
    my ($type, %opt) = @_;
    my @h = (Authorization => Posthorn::RawHTTP::basic(
            $opt{user} // 'alice@example.test', $opt{password} // 'secret'),
        'Content-Type' => 'application/mapi-http',
        'X-RequestType' => $type, 'X-RequestId' => '{guid}:' . ++$n,
        'X-ClientInfo' => '{info}:1',
        'X-ClientApplication' => 'Outlook/16.0.4266.1001',
        'client-request-id' => 'cri');
    my %drop = map { lc $_ => 1 } @{ $opt{drop} || [] };
    my @out;
    while (my ($k, $v) = splice @h, 0, 2) {
        push @out, $k => $opt{set}{$k} // $v unless $drop{ lc $k };
    }
    push @out, Cookie => $opt{cookie} if defined $opt{cookie};
    return \@out;
}

sub mapi {
    my ($type, $body, %opt) = @_;
    my $conn = $opt{conn} // $c;
    return $conn->request($opt{method} // 'POST', $opt{path}
        // '/mapi/emsmdb/?MailboxId=x@example.test', heads($type, %opt),
        $body // '');
}

sub code { $_[0]{head}{'x-responsecode'}[0] }

sub connect_body {
    my ($dn) = @_;
    return ($dn // '/o=Test/cn=alice') . "\0" . pack 'V5', 0, 1252, 1033, 1033,
        0;
}

sub execute_body {
    my ($kind, $max) = @_;
    my $rops = "$kind-------";
    return pack('V V', 3, length $rops) . $rops . pack 'V V', $max // 0x10008, 0;
}

sub payload { my ($r) = @_; return ($r->{body} =~ /\r\n\r\n(.*)\z/s)[0] }

# the map of workers comes with the first connection
$t->wait_for('the health check is green', 10, sub {
    my $h = Posthorn::RawHTTP->new($plain);
    return $h->request('GET', '/mapi/healthcheck.htm', [])->{status} == 200;
});

my $r = mapi('connect', connect_body());
is($r->{status}, 200, 'Connect');
is(code($r), 0, 'X-ResponseCode');
is($r->{head}{'content-type'}[0], 'application/mapi-http', 'Content-Type');
is($r->{head}{'x-requesttype'}[0], 'Connect', 'canonical X-RequestType');
is($r->{head}{'x-requestid'}[0], "{guid}:$n", 'X-RequestId');
is($r->{head}{'x-clientinfo'}[0], '{info}:1', 'X-ClientInfo');
is($r->{head}{'client-request-id'}[0], 'cri', 'client-request-id');
is($r->{head}{'x-pendingperiod'}[0], 1000, 'X-PendingPeriod');
is($r->{head}{'x-expirationinfo'}[0], 900000, 'X-ExpirationInfo');
is($r->{head}{'cache-control'}[0], 'private', 'Cache-Control');
like($r->{head}{'x-serverapplication'}[0],
    qr/^Exchange\/15\.\d\d\.\d{4}\.\d{3}$/, 'X-ServerApplication');
like($r->{body}, qr/^PROCESSING\r\nDONE\r\nX-ElapsedTime: \d+\r\nX-StartTime: (Mon|Tue|Wed|Thu|Fri|Sat|Sun), .* GMT\r\n\r\n/,
    'meta stream');
is(substr(payload($r), 0, 20), pack('V5', 0, 0, 60000, 6, 10000),
    'Connect response');
like(payload($r), qr/^.{20}\0A\0l\0i\0c\0e\0\0\0/s, 'display name');
is($exmdb->say('get', 'old'), 'none', 'no old session');
is($exmdb->say('get', 'version'), '1000.90aa.3e9', 'client version');

my %cookie = map { /^(\w+)=([^;]*)/ } @{ $r->{head}{'set-cookie'} };
like($cookie{MapiContext}, qr/^(53){16}-[01]$/, 'MapiContext');
is($cookie{MapiSequence}, '51' x 16, 'MapiSequence');
like($_, qr/; Path=\/mapi\/emsmdb; HttpOnly$/, 'attributes of a cookie')
    for @{ $r->{head}{'set-cookie'} };

my $context = "MapiContext=$cookie{MapiContext}";
my $cookies = "$context; MapiSequence=$cookie{MapiSequence}";

$r = mapi('Connect', connect_body('/o=Test/cn=nobody'), cookie => $cookies);
is(unpack('x4 V', payload($r)), 0x3EB, 'Connect: ErrorCode of exmdb');
ok(!$r->{head}{'set-cookie'}, 'no cookies without a session');
is($exmdb->say('get', 'old'), 'S' x 16, 'a reconnect names the old session');

$r = mapi('Execute', execute_body('a'), cookie => "x=y; $cookies");
is(code($r), 0, 'Execute');
is(payload($r), pack('V4', 0, 0, 0, 5) . 'hello' . pack('V', 0),
    'Execute response');
is($exmdb->say('get', 'sequence'), 'Q' x 16, 'the sequence reaches exmdb');
my ($new) = map { /^MapiSequence=(\w+)/ } @{ $r->{head}{'set-cookie'} };
like($new, qr/^[0-9a-f]{32}$/, 'a new sequence');
isnt($new, $cookie{MapiSequence}, '... that is another');
ok($r->{head}{'content-length'}, 'a fast answer has a length');
ok((grep { /^MapiContext=$cookie{MapiContext};/ }
    @{ $r->{head}{'set-cookie'} }), 'the context is sent again');

# refused heads
my @bad = (
    [2, 'GET', method => 'GET'],
    [2, 'PUT', method => 'PUT'],
    [5, 'unknown type', type => 'NoSuchType'],
    [5, 'type of the other endpoint', type => 'Bind'],
    [7, 'no X-RequestType', drop => ['X-RequestType']],
    [7, 'no X-RequestId', drop => ['X-RequestId']],
    [7, 'no Content-Type', drop => ['Content-Type']],
    [4, 'another Content-Type', set => { 'Content-Type' => 'text/plain' }],
    [4, 'X-RequestId with a tab', set => { 'X-RequestId' => "a\tb" }],
    [4, 'X-RequestId of 300 octets', set => { 'X-RequestId' => 'x' x 300 }],
    [13, 'no cookies', cookie => undef],
    [6, 'garbled cookie', cookie => 'MapiContext=deadbeef'],
    [6, 'empty cookie', cookie => 'MapiContext=; MapiSequence='],
    [6, 'long cookie', cookie => 'MapiContext=' . 'x' x 2000],
    [6, 'worker 999', cookie => 'MapiContext=' . '53' x 16 . '-999'],
    [10, 'a worker that is not there',
        cookie => 'MapiContext=' . '53' x 16 . '-9'],
    [10, 'unknown session', cookie => 'MapiContext=' . '00' x 16 . '-0'],
    [10, 'session of another user', user => 'bob@example.test'],
    [15, 'wrong sequence',
        cookie => "$context; MapiSequence=" . '58' x 16],
);
for my $case (@bad) {
    my ($want, $what, %opt) = @$case;
    $r = mapi($opt{type} // 'Execute', execute_body('a'), cookie => $cookies,
        %opt);
    is("$r->{status} " . code($r), "200 $want", "$what: $want");
    is($r->{head}{'content-type'}[0], 'text/html', "$what: a page");
    ok(!$r->{head}{'set-cookie'}, "$what: no cookies");
}
is($r->{head}{'x-requesttype'}[0], 'Execute', 'a refusal names the type');

# bodies
for my $case (['empty', ''], ['cut', substr execute_body('a'), 0, 11],
    ['too long', execute_body('a') . 'x'],
    ['length that lies', pack 'V V', 3, 0xFFFFFFFF])
{
    $r = mapi('Execute', $case->[1], cookie => $cookies);
    is(code($r), 12, "Execute with a body that is $case->[0]: 12");
}
$r = mapi('Connect', '');
is(code($r), 12, 'Connect with an empty body');
$r = mapi('Execute', pack('V V', 3, 4) . 'rops' . pack('V V', 0x10008, 0),
    cookie => $cookies);
is(unpack('x4 V', payload($r)), 0x80040115, 'ROP buffer below 8 octets');
$r = mapi('Execute', execute_body('a', 7), cookie => $cookies);
is(unpack('x4 V', payload($r)), 0x80040115, 'MaxRopOut below 8');
$r = mapi('Execute', execute_body('a', 0x40001), cookie => $cookies);
is(unpack('x4 V', payload($r)), 0x6F7, 'MaxRopOut above 256 KiB');
$r = mapi('Execute', pack('V V', 3, 0x40001) . 'a' x 0x40001
    . pack('V V', 0x10008, 0), cookie => $cookies);
is(unpack('x4 V', payload($r)), 0x6F7, 'ROP buffer above 256 KiB');
$r = mapi('Execute', 'x' x 600_000, cookie => $cookies);
is(code($r), 9, 'body above posthorn_mapi_max_body: 9');

# chunked, and in small pieces
{
    my $h = Posthorn::RawHTTP->new($plain);
    my @h = @{ heads('Execute', cookie => $cookies) };
    my $text = "POST /Mapi/EMSMDB/ HTTP/1.1\r\nHost: x\r\n";
    while (my ($k, $v) = splice @h, 0, 2) { $text .= "$k: $v\r\n" }
    my $body = execute_body('a');
    $text .= "Transfer-Encoding: chunked\r\n\r\n"
        . join('', map { sprintf "%x\r\n%s\r\n", length, $_ }
            $body =~ /(.{1,7})/gs) . "0\r\n\r\n";
    for my $piece ($text =~ /(.{1,50})/gs) {
        $h->write($piece);
        sleep 0.001;
    }
    $r = $h->response;
    is(code($r), 0, 'a chunked body in small pieces');
    is(payload($r), pack('V4', 0, 0, 0, 5) . 'hello' . pack('V', 0),
        '... and its answer');
}

# PING, Disconnect
$r = mapi('PING', '', cookie => $cookies);
is(code($r), 0, 'PING');
is(payload($r), '', 'PING has no binary body');
ok(!(grep { /^MapiSequence/ } @{ $r->{head}{'set-cookie'} }),
    'PING leaves the sequence alone');
$r = mapi('PING', '');
is(code($r), 13, 'PING without cookies');
$r = mapi('Disconnect', pack('V', 0), cookie => $cookies);
is(payload($r), pack('V3', 0, 0, 0), 'Disconnect');

# errors of exmdb
$r = mapi('Execute', execute_body('e'), cookie => $cookies);
is(code($r), 1, 'an error of exmdb');

# a slow Execute
{
    my $h = Posthorn::RawHTTP->new($plain);
    $h->send_request('POST', '/mapi/emsmdb/', heads('Execute',
        cookie => $cookies), execute_body('h'));
    my $r = $h->head;
    is($r->{head}{'transfer-encoding'}[0], 'chunked', 'a slow answer');
    my ($next) = map { /^MapiSequence=(\w+)/ } @{ $r->{head}{'set-cookie'} };
    ok($next, 'the head has the new sequence');
    is($h->chunk, "PROCESSING\r\n", 'PROCESSING');
    is($h->chunk, "PENDING\r\n", 'PENDING');
    $exmdb->say('finish', 0);
    like($h->chunk, qr/^DONE\r\nX-ElapsedTime: (?:[5-9]\d\d|\d{4,})\r\n/,
        'DONE with the time it took');
    is($h->chunk, '', 'the end');
    my $again = $h->request('POST', '/mapi/emsmdb/', heads('PING',
        cookie => $cookies), '');
    is(code($again), 0, 'the connection goes on');

    $h->send_request('POST', '/mapi/emsmdb/', heads('Execute',
        cookie => $cookies), execute_body('h'));
    $h->head;
    $h->chunk;
    $exmdb->say('finish', 10);
    like($h->chunk, qr/^DONE\r\nX-ResponseCode: 10\r\n/,
        'a late failure is told in the stream');
}

# NotificationWait
{
    my $w = Posthorn::RawHTTP->new($plain);
    my $wait = sub {
        $w->send_request('POST', '/mapi/emsmdb/', heads('NotificationWait',
            cookie => $cookies), pack 'V V', 0, 0);
    };
    $wait->();
    my $r = $w->head;
    is($r->{head}{'x-requesttype'}[0], 'NotificationWait', 'a wait begins');
    ok(!(grep { /^MapiSequence/ } @{ $r->{head}{'set-cookie'} }),
        'it leaves the sequence alone');
    is($w->chunk, "PROCESSING\r\n", 'PROCESSING');
    is($w->chunk, "PENDING\r\n", 'PENDING after the period');
    $exmdb->say('wake');
    my $end = $w->chunk(2);
    $end = $w->chunk(2) if $end eq "PENDING\r\n";
    like($end, qr/^DONE\r\n.*\r\n\r\n\0{8}\x01\0{7}\z/s, 'woken');
    is($w->chunk, '', 'the end');

    $wait->();
    $w->head;
    my @lines;
    while (length(my $l = $w->chunk)) { push @lines, $l }
    is(join('', @lines[0 .. 3]), "PROCESSING\r\n" . "PENDING\r\n" x 3,
        'three periods');
    like($lines[-1], qr/\r\n\r\n\0{16}\z/, 'nothing happened in wait_time');
    my $told = '';
    for (1 .. 200) {
        last if ($told = $exmdb->say('get', 'unwait')) eq '1';
        select undef, undef, undef, 0.05;
    }
    is($told, 1, 'exmdb is told');

    # the client leaves
    $wait->();
    $w->head;
    $w->chunk;
    $w->close;
    $t->wait_for('exmdb hears of it', 5,
        sub { $exmdb->say('get', 'unwait') == 2 });
    pass('a client that leaves is noticed');

    # the connection to exmdb breaks
    $w = Posthorn::RawHTTP->new($plain);
    $wait->();
    $w->head;
    $w->chunk;
    $exmdb->say('drop');
    $end = $w->chunk(3);
    $end = $w->chunk(3) if $end eq "PENDING\r\n";
    like($end, qr/\r\n\r\n\0{8}\x01\0{7}\z/, 'a lost exmdb wakes');
    is($w->chunk, '', 'the end');
    $t->wait_for('exmdb is back', 10, sub {
        my $h = Posthorn::RawHTTP->new($plain);
        (code(mapi('PING', '', conn => $h, cookie => $cookies)) // '') eq '0';
    });

    # a reload ends the wait; the client asks the new worker
    $w = Posthorn::RawHTTP->new($plain);
    $wait->();
    $w->head;
    $w->chunk;
    $t->reload('nginx');
    $end = $w->chunk(3);
    $end = $w->chunk(3) if $end eq "PENDING\r\n";
    like($end, qr/\r\n\r\n\0{4}\xED\x03\0\0\0{8}\z/,
        'a worker that ends says so: 0x3ED');
}

# the address book is the directory's, and this one has none
$c = Posthorn::RawHTTP->new($plain);
$r = mapi('bind', pack('V', 0) . "\0" . pack('V', 0), path => '/mapi/nspi/');
is(code($r), 16, 'Bind where the directory has no address book: 16');
is($r->{head}{'x-requesttype'}[0], 'Bind', 'canonical spelling');

# the directory knows nobody any more
$c = Posthorn::RawHTTP->new($plain);
$r = $c->request('POST', '/mapi/nosuch/', heads('Connect'), '');
is($r->{status}, 404, 'an unknown path');

$t->stop;
$_->stop for $directory, $exmdb;
done_testing();
