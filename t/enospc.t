#!/usr/bin/perl

# A full disk and a failing one under the mailboxes and under the queue: the
# sender hears 452 or 451 and keeps his mail, Outlook hears why, nothing is
# damaged, and the service goes on by itself when the cause is gone.
#
# The mailboxes are on a small tmpfs of a private mount namespace; a failing
# disk is a library before libc, in the exmdb daemon alone, that answers EIO
# below that folder while a file says so.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp ();
use Test::More;

use lib dirname(__FILE__) . '/lib';
use Posthorn::MAPI qw(PR EC);
use Posthorn::Test;

my $block = "\xff" x 65536;

if (!$ENV{POSTHORN_MOUNTS}) {
    plan skip_all => 'a file system of its own needs root' if $> != 0;
    my $said = `unshare -m true 2>&1`;
    plan skip_all => "no private mounts: $said" if $? != 0;
    $ENV{POSTHORN_MOUNTS} = 1;
    exec 'unshare', '-m', '--propagation', 'private', $^X,
        (map { "-I$_" } grep { !ref } @INC), abs_path($0), @ARGV;
    die "unshare: $!";
}

my $disk = File::Temp->newdir('phdiskXXXXXX', TMPDIR => 1);
my $spool = File::Temp->newdir('phspoolXXXXXX', TMPDIR => 1);

sub mount_small {
    my ($dir, $size) = @_;
    my $said = `mount -t tmpfs -o size=$size,mode=0755 tmpfs $dir 2>&1`;
    plan skip_all => "no tmpfs: $said" if $? != 0;
}
mount_small($disk, '48m');
mount_small($spool, '8m');

my $t = Posthorn::Test->new(
    servers => [qw(sink directory exmdb delivery postfix nginx)],
    conf => {
        exmdb => { workers => 1, mailbox_root => "$disk" },
        delivery => { queue_dir => "$spool", spool_above => '32k',
            retry_min => '200ms', retry_max => '1s' },
    });
my $alice = $t->address('alice');
my $bob = $t->address('bob');

END {
    local $?;
    if ($ENV{POSTHORN_MOUNTS} && $disk) {
        system('umount', '-l', "$_") for $disk, $spool;
    }
}

# ---- the library that breaks the disk ----

my $lib = $t->dir . '/eio.so';
{
    open my $cc, '|-', 'cc', '-shared', '-fPIC', '-O1', '-o', $lib, '-xc', '-',
        '-ldl' or die "cc: $!";
    print $cc <<'END';
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int
broken(int fd)
{
    char         link[64], path[4096];
    ssize_t      n;
    int          err = errno;
    const char  *sign = getenv("EIO_SIGN"), *dir = getenv("EIO_DIR");

    if (sign == NULL || dir == NULL || access(sign, F_OK) != 0) {
        errno = err;
        return 0;
    }

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    if (n <= 0) {
        errno = err;
        return 0;
    }
    path[n] = '\0';
    errno = err;

    if (strncmp(path, dir, strlen(dir)) != 0) {
        return 0;
    }

    errno = EIO;
    return 1;
}

#define WRAP(type, name, params, args)                                      \
type name params                                                            \
{                                                                           \
    static type (*next) params;                                             \
                                                                            \
    if (broken(fd)) {                                                       \
        return -1;                                                          \
    }                                                                       \
    if (next == NULL) {                                                     \
        next = (type (*) params) dlsym(RTLD_NEXT, #name);                   \
    }                                                                       \
    return next args;                                                       \
}

WRAP(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n))
WRAP(ssize_t, pwrite, (int fd, const void *p, size_t n, off_t o), (fd, p, n, o))
WRAP(ssize_t, pwrite64, (int fd, const void *p, size_t n, off64_t o),
     (fd, p, n, o))
WRAP(int, fsync, (int fd), (fd))
WRAP(int, fdatasync, (int fd), (fd))
WRAP(int, ftruncate, (int fd, off_t n), (fd, n))
WRAP(int, ftruncate64, (int fd, off64_t n), (fd, n))
END
    ok(close $cc, 'the library is built') or BAIL_OUT('no compiler');
}

my $sign = $t->dir . '/eio';
$t->{env} = {
    EIO_SIGN => $sign, EIO_DIR => "$disk",
};

# only exmdb gets it: its own start puts it into the environment
{
    no warnings 'redefine';
    my $start = Posthorn::Test->can('start_server');
    *Posthorn::Test::start_server = sub {
        my ($self, $name) = @_;
        local @{ $self->{env} }{qw(LD_PRELOAD ASAN_OPTIONS)} = ($lib,
            $self->asan_options(1) . ':verify_asan_link_order=0')
            if $name eq 'exmdb';
        return $start->(@_);
    };
}

$t->start;
my $pid = $t->pid('exmdb');
my @workers = $t->workers('exmdb');

sub touch { open my $f, '>', $_[0] or die "$_[0]: $!" }

sub messages {
    my ($address) = @_;
    my $out = $t->phctl_ok('--json', 'mailbox', 'show', $address);
    return $out =~ /"messages":\s*(\d+)/ ? $1 : -1;
}

sub mail {
    my ($subject, $size) = @_;
    return "From: a\@outside.test\nTo: $alice\nSubject: $subject\n"
        . "Message-ID: <$subject\@outside.test>\n\n"
        . join '', map { sprintf "%s line %06d %s\n", $subject, $_, 'x' x 50 }
            1 .. ($size || 100) / 70 + 1;
}

# noise that does not get smaller
sub noise {
    my ($bytes) = @_;
    open my $f, '<:raw', '/dev/urandom' or die;
    my $data = '';
    read $f, $data, $bytes;
    return $data;
}

# Fills a file system to the last block; removes it again with drain().
sub fill {
    my ($dir) = @_;
    open my $f, '>:raw', "$dir/full" or die "full: $!";
    for (my $size = length $block; $size >= 512; $size /= 2) {
        1 while (syswrite($f, $block, $size) // 0) == $size;
    }
    close $f;
}

sub drain { unlink "$_[0]/full" or die "unlink: $!" }

sub session {
    my $m = Posthorn::MAPI->new(url => $t->url, user => $_[0],
        password => $t->password($_[0] =~ s/@.*//r), timeout => 60);
    $m->connect;
    $m->logon;
    return $m;
}

# A new message with a large property: what saving it says.  A commit that fails
# is the error of the whole Execute.
sub save {
    my ($m, @args) = @_;
    my $ec = eval { save_rops($m, @args) };
    die $@ if !defined $ec && !$m->{last_ec};
    return $ec // $m->{last_ec};
}

sub save_rops {
    my ($m, $subject, $bytes) = @_;
    my $folder = $m->{folders}{sent_items};
    my $msg = $m->try('CreateMessage', { folder_id => $folder,
        cpid => 0xFFF }, $m->{logon});
    return $msg->{ec} if $msg->{ec};
    my $h = $msg->{handle};
    my $ec = $m->try('SetProperties', { props => { v =>
        [[PR('PR_SUBJECT'), $subject]] } }, $h)->{ec};
    my $data = noise($bytes);
    my $s = $m->try('OpenStream', { tag => 0x66FE0102,
        open_mode_flags => 2 }, $h);
    $ec ||= $s->{ec};
    while (!$ec && length $data) {
        my $r = $m->try('WriteStream', { data => substr($data, 0, 30000, '') },
            $s->{handle});
        $ec ||= $r->{ec};
    }
    $ec ||= $m->try('CommitStream', {}, $s->{handle})->{ec};
    $ec ||= $m->try('SaveChangesMessage', { save_flags => 2 }, $h)->{ec};
    eval { $m->release($h) };
    return $ec;
}

sub store_is_sound {
    my ($name) = @_;
    my ($status, @said) = $t->phctl('check-store', '--all');
    is($status, 0, "$name: phctl check-store finds nothing") or diag(@said);
}

is($t->send_mail(to => $alice, data => mail('before')) =~ s/ .*//sr, 250,
    'a message before');
my $m = session($alice);
my $inbox = $m->open_folder('inbox');
is(save($m, 'before', 100_000), 0, 'a save before');
$t->send_mail(to => $bob, data => mail('bob'));
my $have = messages($alice);

# ---- no space for mailboxes ----

fill($disk);

like($t->send_mail(to => $alice, data => mail('full1', 200_000)),
    qr/^452 4\.3\.1 /, 'LMTP: 452 4.3.1 for a large one');
my @got;
for my $n (1 .. 40) {
    push @got, $t->send_mail(to => $alice, data => mail("small$n", 20_000));
    last if $got[-1] !~ /^250/;
}
like($got[-1], qr/^452 4\.3\.1 /, 'and for a small one when the log is full');
my $taken = grep { /^250/ } @got;
is(scalar(grep { !/^250|^452 4\.3\.1/ } @got), 0, 'nothing else is said');

like($t->send_mail(port => 'smtp', to => $alice, from => 'x@outside.test',
    data => mail('queued', 30_000)), qr/^250 /, 'Postfix takes a message');
$t->wait_for('Postfix is told to wait', 30, sub {
    $t->log_text('postfix') =~ /status=deferred.*452 4\.3\.1/ });
pass('Postfix keeps it: 452');
unlike($t->log_text('postfix'), qr/status=bounced/, 'it does not send it back');

my $ec = save($m, 'large', 3_000_000);
is($ec, EC('ecDiskFull'), 'a save with a large stream: ecDiskFull')
    or diag(sprintf '%08x', $ec);
$m = eval { session($alice) };
ok($m, 'a session can begin when the disk is full') or diag($@);
SKIP: {
    skip('no session', 2) unless $m;
    $inbox = $m->open_folder('inbox');
    my @rows = $m->contents($inbox, ['PR_SUBJECT', 'PidTagMid']);
    ok((grep { $_->{PR_SUBJECT} eq 'before' } @rows), 'mail can be read');
    $ec = save($m, 'small', 20_000);
    is($ec, EC('ecDiskFull'), 'a small save: ecDiskFull')
        or diag(sprintf '%08x', $ec);
}

drain($disk);

# ---- and again ----

$t->wait_for('LMTP takes mail', 20, sub {
    $t->send_mail(to => $alice, data => mail('after')) =~ /^250/ });
pass('LMTP takes mail when there is space again');
$m = session($alice);
is(save($m, 'after', 3_000_000), 0, 'and messages can be saved');
$t->wait_for('Postfix delivers', 60, sub {
    $t->log_text('postfix') =~ /status=sent \(250/ });
pass('Postfix delivers what it kept');
$inbox = $m->open_folder('inbox');
my @subjects = map { $_->{PR_SUBJECT} } $m->contents($inbox, ['PR_SUBJECT']);
is(scalar(grep { $_ eq 'queued' } @subjects), 1, 'it is there once');
is(scalar(grep { /^small/ } @subjects), $taken,
    'what was acknowledged is there, and nothing else');
is(scalar(grep { /^full/ } @subjects), 0, 'a refused one is not there');
store_is_sound('after a full disk');

# ---- no space for the queue ----

fill($spool);
like($t->send_mail(to => $alice, data => mail('spool', 100_000)),
    qr/^452 4\.3\.1 /, 'LMTP: 452 when the queue cannot hold the message');
like($t->send_mail(to => $alice, data => mail('memory', 1000)), qr/^250 /,
    'a small one needs no file');

sub submit {
    my ($subject) = @_;
    my $msg = $m->create_message($m->{folders}{outbox}, {
        PR_SUBJECT => $subject, PR_BODY => noise(20000) =~ s/[^a-z]/x/gr,
        PR_MESSAGE_CLASS => 'IPM.Note',
    }, recipients => [[1, 'x', 'x@outside.test']])->{handle};
    return $m->try('SubmitMessage', { submit_flags => 0 }, $msg)->{ec};
}
is(submit('waits'), 0, 'a message is submitted');
select undef, undef, undef, 0.5;
is(scalar(grep { $_->{data} =~ /^Subject: waits/m } $t->sink_messages), 0,
    'it waits');
drain($spool);
$t->wait_for('the submitted message', 60, sub {
    grep { $_->{data} =~ /^Subject: waits/m } $t->sink_messages });
pass('it leaves when there is space');

# ---- a disk that fails ----

touch($sign);
for my $size (1000, 200_000) {
    my $said = $t->send_mail(to => $alice, data => mail("eio$size", $size));
    like($said, qr/^45[12] 4\./, "LMTP, a failing disk, $size bytes: 4xx");
}
$ec = save($m, 'eio', 3_000_000);
isnt($ec, 0, sprintf 'a save fails (%08x)', $ec);
unlink $sign;

$t->wait_for('LMTP takes mail', 20, sub {
    $t->send_mail(to => $alice, data => mail('healed')) =~ /^250/ });
pass('LMTP takes mail when the disk is well again');
$m = session($alice);
is(save($m, 'healed', 3_000_000), 0, 'and messages can be saved');
@subjects = map { $_->{PR_SUBJECT} }
    $m->contents($m->open_folder('inbox'), ['PR_SUBJECT']);
is(scalar(grep { $_ eq 'healed' } @subjects), 1, 'the last one is there once');
is(scalar(grep { /^eio/ } @subjects), 0, 'a refused one is not');
store_is_sound('after a failing disk');

is($t->pid('exmdb'), $pid, 'the same exmdb');
is_deeply([$t->workers('exmdb')], \@workers, 'and the same workers');

$t->stop;
done_testing();
