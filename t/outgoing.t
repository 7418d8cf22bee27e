#!/usr/bin/perl

# The outgoing queue: submitted messages reach the relay once, wait when it
# cannot take them, come back when it refuses them, and survive kill -9.

use strict;
use warnings;

use File::Basename qw(dirname);
use Test::More;

use lib dirname(__FILE__) . '/lib';
use Posthorn::Outgoing;
use Posthorn::Test;

my $t = Posthorn::Test->new(servers => [qw(sink directory exmdb delivery)],
    conf => { delivery => { retry_min => '200ms', retry_max => '500ms' } });
$t->start;
my $o = Posthorn::Outgoing->new($t);
my $alice = $t->address('alice');
my $bob = $t->address('bob');

my $n = 0;
sub id { return pack('a12 N', 'outgoing', ++$n) }

# calls until it is true, for at most so many seconds
sub wait_until {
    my ($code, $seconds) = @_;
    my $end = time + $seconds;
    while (time < $end) {
        return 1 if $code->();
        select undef, undef, undef, 0.05;
    }
    return 0;
}

sub in_sink {
    my ($subject) = @_;
    return grep { $_->{data} =~ /^Subject: \Q$subject\E\r$/m }
        $t->sink_messages;
}

sub submit {
    my (%m) = @_;
    return $o->submit(id => id(), from => $alice, body => "text\r\n",
        class => 'IPM.Note', %m);
}

sub mailbox {
    my ($address) = @_;
    my $out = $t->phctl_ok('--json', 'mailbox', 'show', $address);
    return $out =~ /"messages":\s*(\d+)/ ? $1 : -1;
}

# ---- the relay takes it ----

my $id = id();
my %first = (id => $id, from => $alice, to => ['x@outside.test'],
    subject => 'first', body => "line\r\n.dot\r\n", class => 'IPM.Note',
    html => '<p>Gr' . "\xc3\xbc" . 'n</p>',
    attach => [["\x{e4}.txt", "attached"]]);
is($o->submit(%first), 0, 'a message is submitted');
ok(wait_until(sub { in_sink('first') }, 20), 'it reaches the relay');

my ($m) = in_sink('first');
is($m->{from}, $alice, 'envelope sender');
is_deeply($m->{to}, ['x@outside.test'], 'envelope recipient');
like($m->{data}, qr/^From: <\Q$alice\E>\r$/m, 'From');
like($m->{data}, qr/^To: <x\@outside\.test>\r$/m, 'To');
like($m->{data}, qr/^Message-ID: <[0-9a-f]{32}\@/m, 'a Message-ID is made');
like($m->{data}, qr/^Date: \w{3}, \d+ \w{3} \d{4} /m, 'Date');
like($m->{data}, qr/^Content-Type: multipart\/mixed/m, 'a multipart');
like($m->{data}, qr/filename\*=utf-8''%C3%A4\.txt/, 'name of the attachment');
unlike($m->{data}, qr/[^\r]\n|\r[^\n]|[^\x00-\x7f]/, '7-bit, CR LF');

is($o->submit(%first), 0, 'the same id again is answered OK');
is(submit(to => ['x@outside.test'], subject => 'second'), 0, 'another one');
ok(wait_until(sub { in_sink('second') }, 20), 'which is sent');
is(scalar(() = in_sink('first')), 1, 'the first one went out once');

# ---- local recipients ----

my $before = mailbox($bob);
is(submit(to => [$bob, 'y@outside.test'], subject => 'both'), 0,
    'to a local and an outside address');
ok(wait_until(sub { in_sink('both') && mailbox($bob) == $before + 1 }, 20),
    'both have it');
is_deeply((in_sink('both'))[0]{to}, ['y@outside.test'],
    'the relay gets the outside address only');

is(submit(to => [$bob], header_to => [$alice], subject => 'hidden'), 0,
    'to a recipient that the header does not name');
ok(wait_until(sub { mailbox($bob) == $before + 2 }, 20), 'who has it');

# ---- refused and put off ----

$before = mailbox($alice);
is(submit(to => ['refuse@outside.test', 'ok@outside.test'],
    subject => 'half'), 0, 'one of two is refused');
ok(wait_until(sub { in_sink('half') }, 20), 'the other one has it');
ok(wait_until(sub { mailbox($alice) == $before + 1 }, 20),
    'a bounce is in the mailbox of the sender');
ok(wait_until(sub { $o->queue->{total} == 0 }, 20), 'the queue is empty');
is(scalar(() = in_sink('half')), 1, 'nothing was sent twice');

is(submit(to => ['nobody@example.test'], subject => 'unknown'), 0,
    'to an unknown local address');
ok(wait_until(sub { mailbox($alice) == $before + 2 }, 20), 'it bounces');

is(submit(to => ['defer@outside.test', 'ok2@outside.test'],
    subject => 'deferred'), 0, 'one of two is put off');
ok(wait_until(sub {
    my ($e) = @{ $o->queue->{entries} };
    $e && $e->{tries} >= 2;
}, 20), 'it is tried again');
my ($e) = @{ $o->queue->{entries} };
is_deeply($e->{to}, ['defer@outside.test'], 'the one who waits is left');
like($e->{error}, qr/come again/, 'with the last answer');
is(scalar(() = in_sink('deferred')), 1, 'the other one got it once');
is($o->withdraw($e->{id}), 5, 'what is half sent cannot be withdrawn');

# ---- deferred sending ----

$id = id();
is($o->submit(id => $id, from => $alice, to => ['later@outside.test'],
    subject => 'later', class => 'IPM.Note',
    not_before => (time + 3600 + 11644473600) * 10_000_000), 0,
    'a message for later');
is($o->withdraw($id), 0, 'is withdrawn');
is($o->withdraw($id), 5, 'and gone');

# ---- a relay that is down ----

$t->stop_server('sink');
is(submit(to => ["r$_\@outside.test"], subject => "down $_"), 0,
    "message $_ while the relay is down") for 1 .. 5;
ok(wait_until(sub {
    5 == grep { $_->{tries} > 0 && $_->{to}[0] =~ /^r\d/ }
        @{ $o->queue->{entries} };
}, 20), 'they wait');
$t->start_server('sink');
ok(wait_until(sub { 5 == grep { in_sink("down $_") } 1 .. 5 }, 30),
    'and go out when it is back');

# ---- kill -9 ----

my @acknowledged;
for my $i (1 .. 30) {
    if ($i % 6 == 3) {
        kill 'KILL', $t->workers('delivery');
    }
    my $status = submit(to => ["k$i\@outside.test"], subject => "kill $i");
    push @acknowledged, $i if defined $status && $status == 0;
    wait_until(sub { $o->queue }, 20) if $i % 6 == 3;
}
ok(@acknowledged >= 20, scalar(@acknowledged) . ' of 30 acknowledged');
ok(wait_until(sub {
    $o->flush;
    @acknowledged == grep { in_sink("kill $_") } @acknowledged;
}, 60), 'every acknowledged one has gone out');
my $twice = grep { (() = in_sink("kill $_")) > 1 } 1 .. 30;
cmp_ok($twice, '<=', 5, "at most one a kill went twice ($twice)");

# ---- bad requests ----

isnt(submit(to => ["a\@b>\r\nDATA"], subject => 'x'), 0,
    'an address with a line break is refused');
isnt($o->submit(id => id(), from => $alice, to => [], class => 'IPM.Note'), 0,
    'no recipients');

$t->stop(killed => 1);
done_testing();
