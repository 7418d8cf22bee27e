#!/usr/bin/perl

# LMTP deliveries/s, durable, on 1 and on 8 connections; Dovecot's LMTP beside us
# (mail_fsync=always, Maildir) in the same run, and the ratio.
#
#     POSTHORN_BUILD=... perl t/bench/lmtp.pl [MESSAGES]

use strict;
use warnings;

use File::Basename qw(dirname);
use File::Path qw(make_path);
use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(time sleep);

use lib dirname(__FILE__) . '/../lib';
use Posthorn::Test;

my $messages = shift || $ENV{BENCH_MESSAGES} || 400;
my @users = map { "u$_" } 1 .. 8;
my $body = join '', map { "line $_ of a message of ordinary size\r\n" } 1 .. 60;

sub answer {
    my ($s) = @_;
    while (defined(my $line = <$s>)) { return $1 if $line =~ /^(\d{3}) / }
    die "connection closed\n";
}

# one connection; the number of messages that were taken
sub client {
    my ($port, $address, $count, $id) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port)
        or die "connect: $!";
    $s->autoflush(1);
    answer($s);
    print $s "LHLO bench\r\n";
    answer($s);
    for my $i (1 .. $count) {
        print $s "MAIL FROM:<bench\@outside.test>\r\nRCPT TO:<$address>\r\n"
            . "DATA\r\n";
        answer($s) == 250 or die 'MAIL';
        answer($s) == 250 or die 'RCPT';
        answer($s) == 354 or die 'DATA';
        print $s "From: bench\@outside.test\r\nTo: $address\r\n"
            . "Subject: bench $id $i\r\nMessage-ID: <$id.$i\@bench>\r\n\r\n"
            . "$body.\r\n";
        my $code = answer($s);
        $code == 250 or die "answer $code";
    }
    print $s "QUIT\r\n";
}

# deliveries a second
sub measure {
    my ($port, $connections, @to) = @_;
    my $each = int($messages / $connections) || 1;
    my $start = time;
    my @pids;
    for my $n (0 .. $connections - 1) {
        my $pid = fork // die "fork: $!";
        if ($pid == 0) {
            eval { client($port, $to[$n % @to], $each, "$start.$n"); 1 }
                or do { print STDERR $@; POSIX::_exit(1) };
            POSIX::_exit(0);
        }
        push @pids, $pid;
    }
    for (@pids) {
        waitpid $_, 0;
        die "a client failed\n" if $?;
    }
    return $each * $connections / (time - $start);
}

# a Dovecot of its own below the folder; its port, or undef
sub dovecot {
    my ($t) = @_;
    my $program = $t->program('dovecot') or return;
    my $dir = $t->dir . '/dovecot';
    my $port = Posthorn::Test::free_port();
    my ($user, $group) = ('nobody', 'nogroup');
    my ($uid, $gid) = ((getpwnam $user)[2], (getgrnam $group)[2]);

    make_path("$dir/run", "$dir/mail");
    chmod 0755, $dir, "$dir/run";
    chown $uid, $gid, "$dir/mail";
    open my $f, '>', "$dir/dovecot.conf" or die "$dir: $!";
    print $f <<"END";
base_dir = $dir/run
log_path = $dir/log
protocols = lmtp
ssl = no
default_internal_user = $user
default_internal_group = $group
default_login_user = $user
mail_location = maildir:$dir/mail/%u
mail_fsync = always
mail_uid = $uid
mail_gid = $gid
first_valid_uid = 1
userdb {
  driver = static
  args = uid=$uid gid=$gid home=$dir/mail/%u
}
passdb {
  driver = static
  args = nopassword=y
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = $port
  }
}
END
    close $f;
    system($program, '-c', "$dir/dovecot.conf") == 0 or return;
    for (1 .. 100) {
        return ($port, "$dir/dovecot.conf") if IO::Socket::INET->new(
            PeerAddr => '127.0.0.1', PeerPort => $port);
        sleep 0.05;
    }
    return;
}

my $t = Posthorn::Test->new(servers => [qw(directory exmdb delivery)],
    users => \@users, conf => { log => { level => 'warn' } });
$t->start;
my @to = map { $t->address($_) } @users;
measure($t->port('lmtp'), 8, @to);          # mailboxes are made, caches warm

my %ours = map { $_ => measure($t->port('lmtp'), $_, @to) } 1, 8;
my ($port, $conf) = $> == 0 ? dovecot($t) : ();
my %theirs;
if ($port) {
    %theirs = eval {
        measure($port, 8, @to);
        map { $_ => measure($port, $_, @to) } 1, 8;
    };
    system('doveadm', '-c', $conf, 'stop');
}

for my $n (1, 8) {
    printf "lmtp-%d: %.0f deliveries/s", $n, $ours{$n};
    printf ", Dovecot %.0f/s, ratio %.2f", $theirs{$n}, $ours{$n} / $theirs{$n}
        if $theirs{$n};
    print "\n";
}

$t->stop_server($_) for qw(delivery exmdb directory);
