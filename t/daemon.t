#!/usr/bin/perl

# What every daemon has in common: options, -t, reload, workers that die.

use strict;
use warnings;

use Test::More;
use Time::HiRes qw(sleep);

use Posthorn::Test;

my $t = Posthorn::Test->new(servers => [qw(directory exmdb delivery)]);
$t->start;

my %program = map { $_ => $t->program("posthorn-$_") }
    qw(directory exmdb delivery);

sub run {
    my @command = @_;
    my $pid = open(my $out, '-|') // die $!;
    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT;
        exec @command or exit 127;
    }
    local $/;
    my $text = <$out> // '';
    close $out;
    return ($? >> 8, $text);
}

sub write_file {
    my ($name, $text) = @_;
    my $path = $t->dir . "/etc/$name";
    open my $f, '>', $path or die "$path: $!";
    print $f $text;
    close $f;
    return $path;
}

# ---- options and -t ----------------------------------------------------------

my @bad = (
    [ "log {\n    level = \"loud\"\n}\n", 2, 'a value that is not allowed' ],
    [ "log {\n\n    colour = \"red\"\n}\n", 3, 'an unknown option' ],
    [ "nonsense {\n}\n", 1, 'an unknown section' ],
    [ "main {\n    open_files = \"many\"\n}\n", 2, 'not a number' ],
    [ "main {\n    stop_timeout = \"5 fortnights\"\n}\n", 2, 'not a time' ],
    [ "# comment\nmain {\n", qr/\d+/, 'a brace that is not closed' ],
);

for my $name (sort keys %program) {
    my ($rc, $out) = run($program{$name}, '-t', '-c', $t->conf_file);
    is($rc, 0, "$name -t: a good file") or diag($out);

    for my $b (@bad) {
        my ($text, $line, $what) = @$b;
        my $file = write_file('bad.conf', $text);
        ($rc, $out) = run($program{$name}, '-t', '-c', $file);
        isnt($rc, 0, "$name -t: $what");
        like($out, qr/\Q$file\E:$line:? /, "$name -t: file and line");
    }

    ($rc, $out) = run($program{$name}, '-t', '-c', '/nonexistent.conf');
    isnt($rc, 0, "$name -t: no file");
    like($out, qr{/nonexistent\.conf}, "$name: the file is named");

    ($rc, $out) = run($program{$name}, '-V');
    is($rc, 0, "$name -V");
    like($out, qr/\d+\.\d+\.\d+/, "$name: a version");
    ($rc, $out) = run($program{$name}, '-h');
    is($rc, 0, "$name -h");
    like($out, qr/-t\b/, "$name -h shows the options");
    ($rc, $out) = run($program{$name}, '--nonsense');
    isnt($rc, 0, "$name: an unknown option");
}

# ---- a worker that dies ------------------------------------------------------

for my $name (qw(directory exmdb delivery)) {
    my @before = $t->workers($name);
    ok(scalar @before, "$name has workers");
    kill 'KILL', $before[0];
    $t->wait_for("$name starts a worker anew", 20, sub {
        my @now = $t->workers($name);
        return @now == @before && !grep { $_ == $before[0] } @now;
    });
    $t->wait_for("$name answers again", 20, sub {
        my ($rc) = $t->phctl('status');
        return $rc == 0;
    });
    pass("$name: a killed worker is replaced");
    is(scalar(grep { my $p = $_; grep { $_ == $p } @before[1 .. $#before] }
        $t->workers($name)), $#before, "$name: the others live on");
}

like($t->send_mail(to => $t->address('alice'), from => 'x@outside.test',
    data => "Subject: after the deaths\n\ntext\n"), qr/^250 /,
    'mail is delivered afterwards');

# ---- reload ------------------------------------------------------------------

for my $name (qw(directory exmdb delivery)) {
    my $master = $t->pid($name);
    my %before = map { $_ => 1 } $t->workers($name);
    $t->reload($name);
    $t->wait_for("$name has new workers only", 30, sub {
        my @now = $t->workers($name);
        return @now == keys %before && !grep { $before{$_} } @now;
    });
    $t->wait_for("$name answers after the reload", 20, sub {
        my ($rc) = $t->phctl('status');
        return $rc == 0;
    });
    is($t->pid($name), $master, "$name: reloaded, the master is the same");
    ok(kill(0, $master), "$name: and lives");
}
like($t->send_mail(to => $t->address('alice'), from => 'x@outside.test',
    data => "Subject: after the reloads\n\ntext\n"), qr/^250 /,
    'mail is delivered after the reloads');

# a reload under load loses nothing
{
    my ($sent, $failed) = (0, 0);
    my $end = time + 6;
    my $reloads = 0;
    while (time < $end) {
        my $answer = $t->send_mail(to => $t->address('bob'),
            from => 'x@outside.test',
            data => "Subject: reload $sent\n\ntext $sent\n");
        if ($answer =~ /^250 /) { $sent++ } else { $failed++ }
        if ($sent % 10 == 5 && $reloads < 3) {
            $t->reload((qw(exmdb directory delivery))[$reloads++]);
        }
    }
    cmp_ok($sent, '>', 10, "$sent messages while reloading, $failed deferred");
    is($reloads, 3, 'each daemon was reloaded');
    $t->wait_for('all of them are there', 30, sub {
        my ($rc, $out) = $t->phctl('--json', 'mailbox', 'folders',
            $t->address('bob'));
        my ($total) = $out =~ /"total": (\d+),(?=[^}]*Inbox")/;
        $total //= 0;
        return $rc == 0 && $total >= $sent;
    });
    pass('none is lost');
}

# a reload with a broken file changes nothing
{
    my $conf = $t->conf_file;
    open my $f, '<', $conf or die $!;
    my $good = do { local $/; <$f> };
    close $f;
    write_file('posthorn.conf', $good . "exmdb {\n    nonsense = 1\n}\n");
    my %before = map { $_ => 1 } $t->workers('exmdb');
    $t->reload('exmdb');
    $t->wait_for('the error is logged', 20, sub {
        $t->log_text('exmdb') =~ /posthorn\.conf:\d+/ });
    is_deeply({ map { $_ => 1 } $t->workers('exmdb') }, \%before,
        'the workers go on with the old configuration');
    write_file('posthorn.conf', $good);
    $t->phctl_ok('status');
}

# ---- graceful end ------------------------------------------------------------

for my $name (qw(delivery exmdb directory)) {
    my @workers = $t->workers($name);
    my $status = $t->stop_server($name);
    is($status, 0, "$name ends with exit code 0 on SIGTERM");
    ok(!(grep { kill 0, $_ } @workers), "$name leaves no worker behind");
}

$t->stop(killed => 1);
done_testing();
