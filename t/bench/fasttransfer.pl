#!/usr/bin/perl
#
# FastTransfer: messages a second out of a large folder and out of a small one
# (what one costs must not depend on the folder), bytes a second of large
# attachments against RopReadStream of the same bytes, and memory while it runs.

use strict;
use warnings;

use File::Basename qw(dirname);
use Time::HiRes qw(time);

use lib dirname(__FILE__) . '/../lib';
use Posthorn::FX qw(fx_source fx_read_packed fx_dest fx_write);
use Posthorn::MAPI qw(PR);
use Posthorn::Test;

my $quick = $ENV{POSTHORN_QUICK};
my ($large, $small, $mib) = $quick ? (1_000, 100, 8) : (10_000, 100, 64);

my $t = Posthorn::Test->new(servers => [qw(directory exmdb nginx)]);
$t->start;

my %m;
for my $user (qw(alice bob)) {
    $m{$user} = Posthorn::MAPI->new(url => $t->url,
        user => $t->address($user), password => $t->password($user));
    $m{$user}->connect;
    $m{$user}->logon;
}
my $m = $m{alice};

sub folder {
    my ($who, $name) = @_;
    return $who->create_folder($who->open_folder('ipm_subtree'), $name);
}

# one message, then copies of it: doubling
sub fill {
    my ($name, $count, %props) = @_;
    my $f = folder($m, $name);
    my $x = $m->create_message($f->{folder_id}, { PR_SUBJECT => $name,
        PR_MESSAGE_CLASS => 'IPM.Note', PR_BODY => 'b' x 2000, %props },
        recipients => [ map { [ 1, "R$_", "r$_\@example.org" ] } 1 .. 3 ]);
    my @ids = ($x->{message_id});
    while (@ids < $count) {
        my $more = $count - @ids;
        $more = @ids if $more > @ids;
        $more = 2000 if $more > 2000;
        $m->rop('MoveCopyMessages', { message_ids => [ @ids[0 .. $more - 1] ],
            want_asynchronous => 0, want_copy => 1 },
            [ $f->{handle}, $f->{handle} ]);
        @ids = map { $_->{PidTagMid} }
            $m->contents($f->{handle}, [ 'PidTagMid' ]);
    }
    return ($f, \@ids);
}

sub timed {
    my ($what, $n, $code) = @_;
    my $start = time;
    my @r = $code->();
    my $s = time - $start;
    printf "%-28s %8.0f a second (%d in %.2f s)\n", $what, $n / $s, $n, $s;
    return ($n / $s, @r);
}

my ($big, $big_ids) = fill('large', $large);
my ($few, $few_ids) = fill('small', $small);
my @some = @$few_ids;
my @part = @{$big_ids}[ $large / 2 .. $large / 2 + $small - 1 ];

my ($r_big) = timed("messages of $large", $small, sub {
    fx_read_packed($m, fx_source($m, 'CopyMessages', $big->{handle},
        message_ids => \@part)) });
my ($r_few) = timed("messages of $small", $small, sub {
    fx_read_packed($m, fx_source($m, 'CopyMessages', $few->{handle},
        message_ids => \@some)) });
printf "large folder against small: %.2f\n", $r_big / $r_few;

my $before = $t->memory;
my ($r_all, $data, $requests) = timed('a whole folder', $large, sub {
    fx_read_packed($m, fx_source($m, 'CopyFolder', $big->{handle})) });
printf "in %d requests, %.1f KiB a message; memory %+.1f MiB\n", $requests,
    length($data) / 1024 / $large, ($t->memory - $before) / 1048576;

my $to = folder($m{bob}, 'copy');
my ($r_up) = timed('and up again', $large, sub {
    fx_write($m{bob}, fx_dest($m{bob}, 4, $to->{handle}), $data) });
printf "up against down: %.2f\n", $r_up / $r_all;

my $h = $m->rop('CreateMessage', { cpid => 0xFFF,
    folder_id => $few->{folder_id} }, $m->{logon})->{handle};
my $at = $m->rop('CreateAttachment', {}, $h)->{handle};
my $s = $m->rop('OpenStream', { tag => PR('PR_ATTACH_DATA_BIN'),
    open_mode_flags => 2 }, $at)->{handle};
my $piece = join '', map { pack 'N', $_ * 2654435761 % 4294967296 } 1 .. 7168;
$m->rop('WriteStream', { data => $piece }, $s)
    for 1 .. $mib * 1048576 / length $piece;
$m->rop('CommitStream', {}, $s);
$m->release($s);
my ($r_fx) = timed('KiB of an attachment', $mib * 1024, sub {
    fx_read_packed($m, fx_source($m, 'CopyTo', $at), flags => 5) });
my ($r_read) = timed('the same, ReadStream', $mib * 1024, sub {
    my $x = $m->rop('OpenStream', { tag => PR('PR_ATTACH_DATA_BIN'),
        open_mode_flags => 0 }, $at)->{handle};
    while (length $m->rop('ReadStream', { byte_count => 0x7BC0 }, $x)
        ->{data}) { }
});
printf "FastTransfer against ReadStream: %.2f\n", $r_fx / $r_read;

$t->stop;
Test::More::done_testing();
