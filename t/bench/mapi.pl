#!/usr/bin/perl
#
# MAPI/HTTP through nginx: Execute on a large and on a small folder, messages
# written, and what a parked client costs.  Ratios against something in the
# same run: a large folder against a small one, and everything against PING, which
# is nginx and the session alone.

use strict;
use warnings;

use File::Basename qw(dirname);
use IO::Socket::INET;

use lib dirname(__FILE__) . '/../lib';
use Posthorn::Test;

my $quick = $ENV{POSTHORN_QUICK};
my ($large, $small, $parked, $seconds) =
    $quick ? (2_000, 200, 500, 2) : (20_000, 200, 10_000, 5);
my $users = 20;

my $listen = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')
    or die "no port: $!\n";
my $port = $listen->sockport;
close $listen;

# plain HTTP: what is measured is ours, not OpenSSL
my $t = Posthorn::Test->new(
    users => [map { "u$_" } 1 .. $users],
    nginx => { edit => sub {
        my ($text) = @_;
        $text =~ s/(listen\s+[^;]+\s+ssl;)/$1
        listen 127.0.0.1:$port;
        posthorn_identity_require_tls off;/ or die "no TLS listener\n";
        return $text;
    } });
$t->start;

my @common = ('--address', "127.0.0.1:$port", '--user-format',
              'u%d@example.test');

sub load {
    my ($mode, $user, %opt) = @_;
    # the generator counts from 1: u11 is "u1%d" with 1
    my @who = $user
        ? ('--user-format', 'u' . substr($user, 0, -1) . '%d@example.test',
           '--users', 1)
        : ('--users', $users);
    my @args = map { ("--$_", $opt{$_}) } sort keys %opt;
    open my $p, '-|', "$t->{build}/bench/mapi", $mode, @common, @who,
        '--password', 'bench', @args or die "mapi: $!\n";
    my $line = <$p> // '';
    close $p or die "mapi $mode failed\n";
    print $line;
    my ($rate) = $line =~ /rate=(\d+)/;
    my ($p50) = $line =~ /p50=(\d+)/;
    return ($rate || 0, $p50 || 0);
}

for my $u (1 .. $users) {
    $t->phctl_ok('passwd', "u$u\@example.test", '--stdin', \"bench\n");
}

print "# filling: $large messages for u1, $small for u11\n";
load('fill', 1, conns => 4, count => $large, seconds => 600);
load('fill', 11, conns => 1, count => $small, seconds => 600);

# what the background does with them is not what is measured
for my $u (1, 11) {
    my $ready = Time::HiRes::time + 600;
    until ($t->phctl_ok('index', 'status', "u$u\@example.test")
        =~ /^behind:\s+0$/m || Time::HiRes::time > $ready)
    {
        Time::HiRes::sleep(0.5);
    }
}

my ($ping) = load('ping', 1, conns => 1, seconds => $seconds);
my ($one) = load('exec', 1, conns => 1, seconds => $seconds);
my ($few) = load('exec', 11, conns => 1, seconds => $seconds);
printf "exec, %d messages against %d: %.2f\n", $large, $small,
    $few ? $one / $few : 0;
printf "exec against ping: %.2f\n", $ping ? $one / $ping : 0;
load('exec', 1, conns => 16, seconds => $seconds);
load('create', 11, conns => 1, seconds => $seconds);
load('create', 0, conns => 16, seconds => $seconds);
load('ping', 0, conns => 16, seconds => $seconds);

# One session of each user first, so that open mailboxes are not counted.
sub park {
    my ($n) = @_;
    pipe(my $out, my $in) or die "pipe: $!\n";
    my $pid = open my $p, '-|';
    defined $pid or die "fork: $!\n";
    if ($pid == 0) {
        close $in;
        open STDIN, '<&', $out or die;
        exec "$t->{build}/bench/mapi", 'park', @common, '--users', $users,
            '--password', 'bench', '--conns', $n or die "exec: $!\n";
    }
    close $out;
    my $line = <$p>;
    die "park: it ended\n" unless defined $line && $line =~ /^parked (\d+)/;
    my $memory = $t->memory;
    close $in;
    close $p;
    return $memory;
}

my $base = park($users);
my $full = park($parked);
printf "parked=%d memory=%.1f KiB each, all processes together\n", $parked,
    ($full - $base) / 1024 / ($parked - $users);

$t->stop;
Test::More::done_testing();
