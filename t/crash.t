#!/usr/bin/perl

# Deliveries while workers of exmdb and of delivery are killed with SIGKILL at
# random moments: every message that was acknowledged with 250 is there once,
# and intact, and the stores have no damage.
#
#     CRASH_MESSAGES=2000 CRASH_SEED=1 prove t/crash.t

use strict;
use warnings;

use File::Basename qw(dirname);
use IO::Socket::INET;
use POSIX ();
use Test::More;
use Time::HiRes qw(time sleep);

use lib dirname(__FILE__) . '/lib';
use Posthorn::MAPI qw(PR);
use Posthorn::Test;

my $messages = $ENV{CRASH_MESSAGES} || 2000;
my $seed = $ENV{CRASH_SEED} || time ^ $$;
my $senders = 4;
my @users = qw(alice bob);

diag("CRASH_SEED=$seed");
srand $seed;

my $t = Posthorn::Test->new(servers => [qw(directory exmdb delivery nginx)],
    conf => { exmdb => { workers => 2 }, delivery => { spool_above => '32k',
        store_timeout => '5s' } });
$t->start;

# ---- what is sent ----

# The text of message $i: most are small, some go to a blob file, some are
# received into a spool file.
sub text {
    my ($i) = @_;
    my $lines = $i % 97 == 0 ? 1500 : $i % 10 == 0 ? 300 : 3 + $i % 20;
    return join '', map { "message $i line $_ " . ($i * 7919 + $_ * 31) . "\r\n" }
        1 .. $lines;
}

sub message {
    my ($i) = @_;
    return "From: sender\@outside.test\r\nTo: " . recipient($i) . "\r\n"
        . "Subject: crash $i\r\nMessage-ID: <crash.$i\@outside.test>\r\n"
        . "Date: Sat, 21 Nov 2026 10:00:00 +0000\r\n\r\n" . text($i);
}

sub recipient { return $t->address($users[$_[0] % @users]) }

sub answer {
    my ($s) = @_;
    while (defined(my $line = <$s>)) {
        return $1 if $line =~ /^(\d{3}) /;
    }
    die "closed\n";
}

# one attempt; the code of the last answer
sub attempt {
    my ($i, $conn) = @_;
    my $code = eval {
        if (!$$conn) {
            $$conn = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                PeerPort => $t->port('lmtp'), Timeout => 10) or die "down\n";
            $$conn->autoflush(1);
            answer($$conn);
            print { $$conn } "LHLO crash.test\r\n";
            answer($$conn);
        }
        my $s = $$conn;
        print $s "MAIL FROM:<sender\@outside.test>\r\nRCPT TO:<"
            . recipient($i) . ">\r\nDATA\r\n" or die "write\n";
        answer($s);
        my $rcpt = answer($s);
        my $data = answer($s);
        if ($data != 354) {
            print $s "RSET\r\n";
            answer($s);
            return $rcpt;
        }
        print $s message($i), ".\r\n" or die "write\n";
        return answer($s);
    };
    if (!defined $code) {
        undef $$conn;
        return 421;
    }
    return $code;
}

# ---- send and kill ----

my $dir = $t->dir;
my @pids;
my $start = time;

for my $n (0 .. $senders - 1) {
    my $pid = fork // die "fork: $!";
    if ($pid) {
        push @pids, $pid;
        next;
    }
    $SIG{PIPE} = 'IGNORE';
    open my $log, '>>', "$dir/acked.$n" or die;
    $log->autoflush(1);
    my ($conn, $retries);
    for (my $i = $n; $i < $messages; $i += $senders) {
        my $end = time + 60;
        while (1) {
            my $code = attempt($i, \$conn);
            if ($code == 250) {
                print $log "$i\n";
                last;
            }
            $retries++;
            if (time > $end || $code >= 500) {
                print $log "# $i $code\n";
                last;
            }
            sleep 0.02;
        }
    }
    POSIX::_exit(0);
}

my $kills = 0;
my $alive = @pids;
while ($alive) {
    sleep 0.3 + rand 1.2;
    my $name = rand() < 0.6 ? 'exmdb' : 'delivery';
    my @workers = $t->workers($name);
    if (@workers) {
        kill 'KILL', $workers[rand @workers];
        $kills++;
    }
    $alive = grep { kill 0, $_ } @pids;
    while ((my $pid = waitpid -1, POSIX::WNOHANG()) > 0) {
        @pids = grep { $_ != $pid } @pids;
        $alive = @pids;
    }
}
diag(sprintf "%d messages, %d kills, %.1f s", $messages, $kills,
    time - $start);

my %acked;
my @lost;
for my $n (0 .. $senders - 1) {
    open my $log, '<', "$dir/acked.$n" or next;
    while (<$log>) {
        if (/^(\d+)$/) { $acked{$1} = 1 } else { push @lost, $_ }
    }
}
cmp_ok($kills, '>=', 3, "$kills workers were killed");
is(scalar(keys %acked), $messages, 'every message was acknowledged')
    or diag(@lost[0 .. ($#lost > 9 ? 9 : $#lost)]);

# ---- what is there ----

for my $user (@users) {
    my $m = Posthorn::MAPI->new(url => $t->url, user => $t->address($user),
        password => $t->password($user), timeout => 60);
    $t->wait_for('a session', 30, sub { eval { $m->connect; 1 } });
    $m->logon;
    my $inbox = $m->open_folder('inbox');
    my @rows = $m->contents($inbox, ['PR_SUBJECT', 'PidTagMid']);
    my (%seen, @twice, @broken);

    for my $row (@rows) {
        my ($i) = ($row->{PR_SUBJECT} // '') =~ /^crash (\d+)$/;
        push @broken, $row->{PR_SUBJECT}, next unless defined $i;
        push @twice, $i if $seen{$i}++;

        my $h = $m->open_message('inbox', $row->{PidTagMid})->{handle};
        my $body = $m->read_stream($h, PR('PR_BODY'), chunk => 32000);
        $body =~ s/\x00//g;       # UTF-16 of ASCII
        $m->release($h);
        push @broken, $i if $body ne text($i);
    }

    my @want = grep { $users[$_ % @users] eq $user } keys %acked;
    my @missing = sort { $a <=> $b } grep { !$seen{$_} } @want;
    is("@missing", '', "$user: every acknowledged message is there");
    is("@twice", '', "$user: none is there twice");
    is("@broken", '', "$user: all are intact");
}

my ($status, @said) = $t->phctl('check-store', '--all');
is($status, 0, 'phctl check-store finds nothing') or diag(@said);

$t->stop(killed => 1);
done_testing();
