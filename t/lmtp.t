#!/usr/bin/perl

# The LMTP server: protocol, limits, pipelining, errors, SMTPUTF8, and what it
# does when the directory or exmdb is away.

use strict;
use warnings;

use File::Basename qw(dirname);
use IO::Select;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time sleep);

use lib dirname(__FILE__) . '/lib';
use Posthorn::Test;

my $t = Posthorn::Test->new(servers => [qw(sink directory exmdb delivery)],
    conf => { delivery => { max_message => '256k', spool_above => '64k',
        max_recipients => 10, max_connections => 20, lmtp_timeout => '3s',
        max_hops => 10, store_timeout => '3s' } });
$t->start;
my $alice = $t->address('alice');
my $bob = $t->address('bob');

sub connect_lmtp {
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $t->port('lmtp'), Timeout => 10) or die "connect: $!";
    $s->autoflush(1);
    return $s;
}

# the next reply: (code, whole text); () when nothing comes
sub reply {
    my ($s, $timeout) = @_;
    my $all = '';
    local $SIG{ALRM} = sub { die "timeout\n" };
    my $ok = eval {
        alarm($timeout || 30);
        while (defined(my $line = <$s>)) {
            $all .= $line;
            last if $line =~ /^\d{3} /;
        }
        1;
    };
    alarm 0;
    return unless $ok && $all =~ /^(\d{3})/;
    return ($1, $all);
}

sub command {
    my ($s, $line) = @_;
    print $s "$line\r\n";
    return reply($s);
}

sub expect {
    my ($s, $line, $want, $name) = @_;
    my (undef, $text) = defined $line ? command($s, $line) : reply($s);
    like($text // 'nothing', $want, $name // $line);
    return $text;
}

sub session {
    my ($s, $code);
    for (1 .. 100) {
        $s = connect_lmtp();
        ($code) = reply($s);
        last if $code == 220;
        sleep 0.05;      # connections of before are not closed yet
    }
    command($s, 'LHLO test.invalid');
    return $s;
}

sub count {
    my ($address) = @_;
    my $out = $t->phctl_ok('--json', 'mailbox', 'show', $address);
    return $out =~ /"messages":\s*(\d+)/ ? $1 : -1;
}

sub mail { "From: a\@outside.test\r\nSubject: $_[0]\r\n\r\n$_[1]\r\n" }

# ---- a session ----

my $s = connect_lmtp();
expect($s, undef, qr/^220 .*LMTP/, 'greeting');
expect($s, "MAIL FROM:<a\@b.test>", qr/^503 5\.5\.1/, 'MAIL before LHLO');
expect($s, 'EHLO x', qr/^500 5/, 'EHLO is not LMTP');
my $lhlo = expect($s, 'LHLO test.invalid', qr/^250-/, 'LHLO');
like($lhlo, qr/^250[- ]$_\r?$/m, "offers $_") for qw(PIPELINING 8BITMIME
    SMTPUTF8 ENHANCEDSTATUSCODES);
like($lhlo, qr/^250[- ]SIZE 262144\r?$/m, 'offers SIZE');
expect($s, 'NOOP', qr/^250 2\.0\.0/);
expect($s, 'VRFY x', qr/^252/);
expect($s, 'XYZZY', qr/^500 5\.5\.1/, 'an unknown command');
expect($s, "RCPT TO:<$alice>", qr/^503/, 'RCPT before MAIL');
expect($s, 'DATA', qr/^503/, 'DATA before MAIL');
expect($s, 'MAIL FROM:<a', qr/^501 5\.5\.4/, 'broken address');
expect($s, 'MAIL FROM:<a@b.test> FOO=1', qr/^555/, 'unknown parameter');
expect($s, 'MAIL FROM:<a@b.test> SIZE=300000', qr/^552 5\.3\.4/,
    'too big by SIZE');
expect($s, "MAIL FROM:<j\xc3\xb6\@b.test>", qr/^55[03] 5\.6\.7/,
    'UTF-8 without SMTPUTF8');
expect($s, 'MAIL FROM:<a@b.test> BODY=8BITMIME SIZE=100', qr/^250 2\.1\.0/);
expect($s, 'MAIL FROM:<a@b.test>', qr/^503/, 'nested MAIL');
expect($s, 'DATA', qr/^503/, 'DATA without recipients');
expect($s, 'RCPT TO:<nobody@example.test>', qr/^550 5\.1\.1/, 'unknown user');
expect($s, 'RCPT TO:<x@outside.test>', qr/^550 5/, 'not our domain');
expect($s, "RCPT TO:<$alice> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x",
    qr/^250 2\.1\.5/, 'DSN parameters');
expect($s, "RCPT TO:<\U$bob\E>", qr/^250/, 'an address in capitals');
expect($s, 'DATA', qr/^354/);
print $s mail('two', "..stuffed\r\n..\r\nbare\nlf\x00nul"), ".\r\n";
expect($s, undef, qr/^250 2\.0\.0 .*alice/, 'answer for alice');
expect($s, undef, qr/^250 2\.0\.0 .*bob/i, 'answer for bob');
expect($s, "MAIL FROM:<>", qr/^250/, 'null sender');
expect($s, 'RSET', qr/^250/);
expect($s, "RCPT TO:<$alice>", qr/^503/, 'nothing is left after RSET');
expect($s, 'QUIT', qr/^221/);
is(count($alice), 1, 'alice has it');
is(count($bob), 1, 'bob has it');

# ---- pipelining, in one write and byte by byte ----

my $talk = "LHLO x\r\nMAIL FROM:<a\@b.test>\r\nRCPT TO:<$alice>\r\n"
    . "RCPT TO:<nobody\@example.test>\r\nDATA\r\n" . mail('piped', 'x')
    . ".\r\nNOOP\r\nQUIT\r\n";
for my $step (length $talk, 1) {
    $s = connect_lmtp();
    my $text = $talk =~ s/piped/piped $step/r;
    for (my $at = 0; $at < length $text; $at += $step) {
        syswrite $s, $text, $step, $at;
    }
    shutdown $s, 1;
    my @codes;
    while (my ($code) = reply($s)) { push @codes, $code }
    is("@codes", '220 250 250 250 550 354 250 250 221',
        "pipelined in steps of $step");
}
is(count($alice), 3, 'both arrived');

# ---- the same message twice: two messages, when the first was acknowledged ----

for (1 .. 2) {
    $s = session();
    command($s, "MAIL FROM:<a\@b.test>");
    command($s, "RCPT TO:<$alice>");
    command($s, 'DATA');
    print $s mail('twin', 'same bytes'), ".\r\n";
    expect($s, undef, qr/^250/, "twin $_");
    close $s;
}
is(count($alice), 5, 'a message that is really sent twice is there twice');

# ---- limits ----

$s = session();
command($s, 'MAIL FROM:<a@b.test>');
command($s, "RCPT TO:<$alice>");
command($s, 'DATA');
print $s mail('big', join "\r\n", ('y' x 70) x 5000), ".\r\n";
expect($s, undef, qr/^552 5\.3\.4/, 'a message that is too big');
command($s, 'MAIL FROM:<a@b.test>');
command($s, "RCPT TO:<$alice>");
command($s, 'DATA');
print $s mail('spooled', join "\r\n", ('y' x 70) x 2000), ".\r\n";
expect($s, undef, qr/^250/, 'one that goes through a spool file');
close $s;

$s = session();
command($s, 'MAIL FROM:<a@b.test>');
my @codes = map { (command($s, "RCPT TO:<$alice>"))[0] } 1 .. 12;
is("@codes", join(' ', (250) x 10, 452, 452), 'too many recipients');
command($s, 'DATA');
print $s mail('many', 'x'), ".\r\n";
@codes = map { (reply($s))[0] } 1 .. 10;
is("@codes", join(' ', (250) x 10), 'an answer for each');
close $s;
is(count($alice), 7, 'one message for the same mailbox');

$s = session();
print $s 'NOOP ' . 'x' x 5000 . "\r\n";
expect($s, undef, qr/^500 5\.5\.2/, 'a line that is too long');
is(scalar(reply($s)), undef, 'ends the connection');

$s = session();
my $last;
for (1 .. 60) {
    my ($code) = command($s, 'FOO') or last;
    $last = $code;
    last if $code == 421;
}
is($last, 421, 'too many errors');

my @many = map { connect_lmtp() } 1 .. 25;
my @greetings = map { (reply($_))[0] } @many;
ok((grep { $_ == 421 } @greetings) >= 5, 'too many connections');
close $_ for @many;

$s = session();
my $from = time;
expect($s, undef, qr/^421 4\.4\.2/, 'a silent client is told to go');
cmp_ok(time - $from, '<', 20, 'in time');

# ---- UTF-8 addresses, loops ----

$s = session();
expect($s, "MAIL FROM:<j\xc3\xb6\@b.test> SMTPUTF8", qr/^250/, 'SMTPUTF8');
expect($s, "RCPT TO:<j\xc3\xb6rg\@example.test>", qr/^550 5\.1\.1/,
    'unknown UTF-8 address');
expect($s, "RCPT TO:<$alice>", qr/^250/);
command($s, 'DATA');
print $s mail('loop', 'x') =~ s/^/"Received: x\r\n" x 12/er, ".\r\n";
expect($s, undef, qr/^554 5\.4\.6/, 'too many hops');
command($s, 'MAIL FROM:<a@b.test>');
command($s, "RCPT TO:<$alice>");
command($s, 'DATA');
print $s "Delivered-To: $alice\r\n" . mail('loop', 'x'), ".\r\n";
expect($s, undef, qr/^554 5\.4\.6/, 'was delivered to the mailbox before');
close $s;

# ---- aliases, groups, forwards ----

$t->phctl_ok('alias', 'create', 'al@example.test', $alice);
$t->phctl_ok('group', 'create', 'team@example.test', $alice, $bob);
$t->phctl_ok('user', 'forward', $bob, 'far@outside.test');
my ($na, $nb) = (count($alice), count($bob));
$s = session();
command($s, 'MAIL FROM:<a@b.test>');
command($s, 'RCPT TO:<al@example.test>');
command($s, 'RCPT TO:<team@example.test>');
command($s, 'DATA');
print $s mail('team', 'x'), ".\r\n";
expect($s, undef, qr/^250/, 'alias');
expect($s, undef, qr/^250/, 'group');
close $s;
is(count($alice), $na + 1, 'alias and group: one message');
is(count($bob), $nb + 1, 'the other member has it');
$t->wait_for('the forwarded message', 20, sub {
    grep { "@{ $_->{to} }" eq 'far@outside.test' } $t->sink_messages });
my ($fwd) = grep { "@{ $_->{to} }" eq 'far@outside.test' } $t->sink_messages;
is($fwd->{from}, 'a@b.test', 'forwarded with its sender');
like($fwd->{data}, qr/^Delivered-To: /m, 'and the mark against loops');
$t->phctl_ok('user', 'forward', $bob, '--none');

# ---- broken off: nothing is delivered ----

$na = count($alice);
$s = session();
command($s, 'MAIL FROM:<a@b.test>');
command($s, "RCPT TO:<$alice>");
command($s, 'DATA');
print $s mail('half', 'x');
close $s;
is(count($alice), $na, 'half a message is none');

# ---- exmdb and directory away ----

$t->stop_server('exmdb');
$s = session();
command($s, 'MAIL FROM:<a@b.test>');
expect($s, "RCPT TO:<$alice>", qr/^250/, 'exmdb is away');
command($s, 'DATA');
print $s mail('later', 'x'), ".\r\n";
expect($s, undef, qr/^451 4\.3\.0/, 'try again later');
$t->start_server('exmdb');
$t->wait_for('delivery works again', 30, sub {
    ($t->send_mail(from => 'a@b.test', to => $alice,
        data => mail('later', 'x')))[0] =~ /^250/ });
is(count($alice), $na + 1, 'and then it is there once');
close $s;

$t->stop_server('directory');
$s = session();
command($s, 'MAIL FROM:<a@b.test>');
expect($s, "RCPT TO:<$alice>", qr/^451 4\.3\.0/, 'directory away');
close $s;

$t->stop;
done_testing();
