#!/usr/bin/perl

# Packed buffers of Execute, both ways (MS-OXCRPC 3.1.4.2.1.2): answers that
# go on in further extended buffers while they fit, and writes that come in
# several.

use strict;
use warnings;

use File::Basename qw(dirname);
use Test::More;

use lib dirname(__FILE__) . '/lib';
use Posthorn::MAPI qw(PR EC);
use Posthorn::ROP;
use Posthorn::Test;

use constant { CHAIN => 4, NO_COMPRESS => 1, NO_XOR => 2, ALL => 0x40000 };

my $t = Posthorn::Test->new(servers => [qw(directory exmdb nginx)]);
$t->start;
my $m = Posthorn::MAPI->new(url => $t->url, user => $t->address('alice'),
    password => $t->password('alice'));
$m->connect;
$m->logon;

# ---- many rows ----

my $root = $m->open_folder('ipm_subtree');
my $f = $m->create_folder($root, 'packed');
my $fid = $f->{folder_id};
my $rows = 400;
for my $n (1 .. $rows) {
    my $h = $m->create_message($fid, { PR_SUBJECT => sprintf('%04d ', $n)
        . 'x' x 200 })->{handle};
    $m->release($h);
}

my $table = $m->rop('GetContentsTable', { table_flags => 0 },
    $f->{handle})->{handle};
$m->rop('SetColumns', { tags => [PR('PR_SUBJECT')] }, $table);
$m->rop('SortTable', { sorts => [[PR('PR_SUBJECT'), 0]] }, $table);

# One Execute with a ROP whose answer may be packed: all its answers, in order,
# and the size of the buffer that brought them.
sub packed {
    my ($name, $fields, $h, %o) = @_;
    my $b = Posthorn::ROP->new(columns => $m->{columns}, cpid => $m->{cpid});
    $b->add($name, $fields, $h);
    my $r = $m->execute_raw(Posthorn::ROP::wrap($b->payload),
        flags => $o{flags} // CHAIN | NO_COMPRESS | NO_XOR,
        max_rop_out => $o{max} // ALL);
    return (0, 'error ' . $r->{error_code}) if $r->{error_code};
    my @answers;
    for my $part (Posthorn::ROP::unwrap($r->{rop_buffer})) {
        my $c = Posthorn::ROP->new(columns => $m->{columns},
            cpid => $m->{cpid});
        $c->add($name, $fields, $h);
        ok(length $part <= 0x8000, 'a payload of at most 32 KiB')
            if length $part > 0x8000;
        push @answers, grep { $_->{name} ne 'Notify' } $c->parse($part);
    }
    return (length $r->{rop_buffer}, @answers);
}

sub query { return { forward_read => 1, row_count => $_[0],
    flags => $_[1] // 0 } }

sub subjects { return map { $_->[0] } map { @{ $_->{rows} } } @_ }

sub rewind { $m->rop('SeekRow', { origin => 0, row_count => 0,
    want_row_moved_count => 0 }, $table) }

my ($size, @r) = packed('QueryRows', query($rows), $table);
cmp_ok(scalar(@r), '>', 3, scalar(@r) . ' buffers of rows');
my @got = subjects(@r);
is(scalar(@got), $rows, 'all rows at once');
is_deeply([map { substr $_, 0, 4 } @got],
    [map { sprintf '%04d', $_ } 1 .. $rows], 'in order');
is($r[-1]{origin}, 2, 'at the end');
is($r[0]{origin}, 1, 'not before');

rewind();
($size, @r) = packed('QueryRows', query(150), $table);
is(scalar(subjects(@r)), 150, 'never more rows than were asked for');
($size, my @next) = packed('QueryRows', query(1), $table);
is(substr((subjects(@next))[0], 0, 4), '0151', 'the cursor is behind them');

rewind();
($size, @r) = packed('QueryRows', query($rows), $table,
    flags => NO_COMPRESS | NO_XOR);
is(scalar(@r), 1, 'without the Chain flag: one buffer');
my $one = subjects(@r);
rewind();
($size, @r) = packed('QueryRows', query($rows), $table, max => 0x8008);
is(scalar(@r), 1, 'room for one buffer: one');
cmp_ok($size, '<=', 0x8008, 'within MaxRopOut');
rewind();
($size, @r) = packed('QueryRows', query($rows), $table, max => 0x17000);
is(scalar(@r), 2, 'further ones only while 32 KiB are left');
cmp_ok($size, '<=', 0x17000, 'within MaxRopOut');
rewind();
($size, @r) = packed('QueryRows', query($rows, 2), $table);
is(scalar(@r), 1, 'EnablePackedBuffers is not this kind of packing');
rewind();
($size, @r) = packed('QueryRows', query($rows), $table, flags => CHAIN);
is(scalar(subjects(@r)), $rows, 'the same with compression');
cmp_ok($size, '<', 0x8000, "in $size bytes");

# only the last ROP is packed
rewind();
@r = $m->batch({ flags => 7, max_rop_out => ALL },
    ['QueryRows', query($rows), $table], ['QueryPosition', {}, $table]);
is(scalar(@{ $m->{parts} }), 1, 'rows and something behind: one buffer');
is($r[1]{ec}, 0, 'which is answered');

# ---- streams ----

my $h = $m->create_message($fid, { PR_SUBJECT => 'stream' })->{handle};
my $tag = 0x66F10102;

sub stream { return $m->rop('OpenStream', { tag => $tag,
    open_mode_flags => $_[0] }, $h)->{handle} }

my $data = join '', map { pack 'N', $_ * 2654435761 % 2**32 } 1 .. 50_000;

# one ROP over several buffers
sub upload {
    my ($stream, @pieces) = @_;
    my @buffers;
    for my $n (0 .. $#pieces) {
        my $b = Posthorn::ROP->new;
        my ($rop, $bytes) = ref $pieces[$n] ? @{ $pieces[$n] }
            : ('WriteStreamExtended', $pieces[$n]);
        $b->add($rop, { data => $bytes }, $stream);
        push @buffers, Posthorn::ROP::wrap($b->payload,
            ($n == $#pieces ? 4 : 0) | ($n % 2 ? 2 : 0));
    }
    my $b = Posthorn::ROP->new;
    $b->add('WriteStreamExtended', { data => '' }, $stream);
    my $r = $m->execute_raw(join('', @buffers));
    return $r->{error_code} if $r->{error_code};
    my ($answer) = $b->parse((Posthorn::ROP::unwrap($r->{rop_buffer}))[0]);
    return (0, $answer);
}

my $s = stream(2);
my @pieces = unpack '(a32000)*', $data;
my ($ec, $w) = upload($s, @pieces);
is($ec, 0, scalar(@pieces) . ' buffers up');
is($w->{ec}, 0, 'are one RopWriteStreamExtended');
is($w->{written_size}, length $data, 'that wrote everything');
$m->rop('CommitStream', {}, $s);
$m->release($s);

$s = stream(0);
($size, @r) = packed('ReadStream', { byte_count => 0xBABE,
    maximum_byte_count => ALL }, $s);
cmp_ok(scalar(@r), '>', 3, scalar(@r) . ' buffers of a stream');
ok(join('', map { $_->{data} } @r) eq $data, 'bring what was written');
$m->rop('SeekStream', { origin => 0, offset => 0 }, $s);
($size, @r) = packed('ReadStream', { byte_count => 0xBABE,
    maximum_byte_count => 100_000 }, $s);
ok(join('', map { $_->{data} } @r) eq substr($data, 0, 100_000),
    'as many bytes as were asked for');
$m->rop('SeekStream', { origin => 0, offset => 0 }, $s);
($size, @r) = packed('ReadStream', { byte_count => 60000 }, $s);
ok(join('', map { $_->{data} } @r) eq substr($data, 0, 60000),
    'ByteCount alone');
$m->release($s);

# ---- what may not be packed ----

$s = stream(1);
my $other = stream(1);
my $b2 = Posthorn::ROP->new;
$b2->add('WriteStreamExtended', { data => 'x' }, $s);
$b2->add('WriteStreamExtended', { data => 'y' }, $s);
my $first = Posthorn::ROP->new;
$first->add('WriteStreamExtended', { data => 'aaaa' }, $s);
my $elsewhere = Posthorn::ROP->new;
$elsewhere->add('WriteStreamExtended', { data => 'bbbb' }, $other);
my $write = Posthorn::ROP->new;
$write->add('WriteStream', { data => 'cccc' }, $s);
my %bad = (
    'two ROPs in the second buffer' => [$first, $b2],
    'another ROP in the second buffer' => [$first, $write],
    'another object in the second buffer' => [$first, $elsewhere],
    'a ROP that is not packed' => [$write, $write],
    'an empty second buffer' => [$first, Posthorn::ROP->new],
);
for my $what (sort keys %bad) {
    my ($x, $y) = @{ $bad{$what} };
    my $r = $m->execute_raw(Posthorn::ROP::wrap($x->payload, 0)
        . Posthorn::ROP::wrap($y->payload, 4));
    is($r->{error_code}, EC('ecRpcFormat'), "$what: ecRpcFormat");
}
$m->rop('SeekStream', { origin => 0, offset => 0 }, $s);
is($m->rop('ReadStream', { byte_count => 4 }, $s)->{data}, substr($data, 0, 4),
    'nothing was written');
my $r = $m->execute_raw(Posthorn::ROP::wrap($first->payload, 0));
is($r->{error_code}, 0, 'one buffer without Last is one buffer');
$r = $m->execute_raw(Posthorn::ROP::wrap($first->payload, 0x14));
is($r->{error_code}, EC('ecRpcFormat'), 'a flag that nobody knows');

$t->stop;
done_testing();
