#!/usr/bin/perl

# Incremental synchronization over MAPI/HTTP: what each flag does, states,
# conflicts, deletions.  The random comparison of a replica with the store is
# t/unit/test-exmdb-ics.c.

use strict;
use warnings;

use Test::More;

use Posthorn::FX qw(fx_read);
use Posthorn::ICS qw(sync configure collector transfer_state idset_decode
    idset_encode gid xid version in_ranges counter);
use Posthorn::MAPI qw(PR ec_name);
use Posthorn::Test;

my $t = Posthorn::Test->new(servers => [qw(directory exmdb nginx)]);
$t->start;

my $m = Posthorn::MAPI->new(url => $t->url, user => $t->address('alice'),
    password => $t->password('alice'));
$m->connect;
$m->logon;
my $guid = $m->{logon_response}{mailbox_guid};
my $work = $m->create_folder($m->open_folder('ipm_subtree'), 'ics');

sub folder {
    my ($name) = @_;
    my $f = $m->create_folder($work->{handle}, $name);
    return ($f->{handle}, $f->{folder_id});
}

sub message {
    my ($fid, $props, %o) = @_;
    my $x = $m->create_message($fid, $props, %o);
    $m->release($x->{handle});
    return $x->{message_id};
}

sub subjects {
    return join ' ', map { ($_->{props}{PR('PR_SUBJECT_PREFIX')} // '')
        . ($_->{props}{PR('PR_NORMALIZED_SUBJECT')} // '') }
        @{ $_[0]{changes} };
}

sub given {
    my ($r, $mid) = @_;
    return in_ranges(counter($mid),
        idset_decode($r->{state}{given}, 1)->{$guid});
}

sub ids { return join ' ', map { "$_->[0]-$_->[1]" } @{ $_[0] || [] } }

my @reserved;
sub new_key {
    if (!@reserved) {
        my $r = $m->rop('GetLocalReplicaIds', { id_count => 64 }, $m->{logon});
        my $c = unpack('Q>', "\0\0$r->{global_count}");
        @reserved = map { $r->{repl_guid} . substr(pack('Q>', $c + $_), 2) }
            0 .. 63;
    }
    return shift @reserved;
}

# ImportMessageChange and what follows; the errors of both
sub upload {
    my ($x, $v, $props, $flags) = @_;
    my $r = $m->try('SynchronizationImportMessageChange',
        { import_flag => $flags || 0, props => $v }, $x);
    return (ec_name($r->{ec}), '') if $r->{ec};
    $m->set($r->{handle}, %$props);
    my $s = $m->try('SaveChangesMessage', { save_flags => 0 }, $r->{handle});
    $m->release($r->{handle});
    return (ec_name(0), ec_name($s->{ec}));
}

subtest 'flags of a download' => sub {
    my ($h, $fid) = folder('flags');
    my $old = message($fid, { PR_SUBJECT => 'old', PR_BODY => 'text',
        PR_MESSAGE_DELIVERY_TIME => 130000000000000000 });
    my $new = message($fid, { PR_SUBJECT => 'new', PR_IMPORTANCE => 2,
        PR_MESSAGE_DELIVERY_TIME => 132000000000000000 });
    my $mid = message($fid, { PR_SUBJECT => 'middle',
        PR_MESSAGE_DELIVERY_TIME => 131000000000000000 });
    message($fid, { PR_SUBJECT => 'fai' }, associated => 1);

    my $r = sync($m, $h, extra => 0xF, flags => 0x8029);
    is(subjects($r), 'new middle old', 'newest first');
    is(length $r->{total}, 32, 'progressTotal');
    is_deeply([ unpack('v v V Q V V Q', $r->{total}) ]->[4], 3,
        'three normal messages');
    is(scalar(grep { @{ $_->{progress} || [] } == 2 } @{ $r->{changes} }), 3,
        'progress for each message');
    my @order = map { sprintf '%04X', $_ >> 16 } @{ $r->{changes}[0]{order} };
    is("@order[0 .. 4]", '65E0 3008 65E2 65E3 67AA', 'the header in order');
    is(join(' ', sort @order[5 .. $#order]), '0E08 674A 67A4',
        'id, size and change number');
    $r = sync($m, $h, extra => 0);
    is(scalar @{ $r->{changes}[0]{order} }, 5, 'the bare header');
    is(scalar @{ $r->{changes} }, 4, 'both kinds');
    is(subjects(sync($m, $h, flags => 0x11)), 'fai', 'FAI alone');
    $r = sync($m, $h, flags => 0xA1, tags => [ PR('PR_IMPORTANCE') ]);
    ok(!(grep { exists $_->{props}{PR('PR_BODY')} } @{ $r->{changes} }),
        'only the properties that are named');
    ok((grep { exists $_->{props}{PR('PR_IMPORTANCE')} } @{ $r->{changes} }),
        'come');
    $r = sync($m, $h, flags => 0x40B1, tags => [ PR('PR_IMPORTANCE') ]);
    is(scalar(grep { exists $_->{props}{PR('PR_NORMALIZED_SUBJECT')} }
        @{ $r->{changes} }), 1, 'of FAI messages all come');

    my $s = sync($m, $h)->{state};
    $m->rop('DeleteMessages', { message_ids => [ $mid ] }, $h);
    $r = sync($m, $h, flags => 0x3B, state => $s);
    is(ids($r->{deleted}), '', 'NoDeletions');
    ok(given($r, $mid), 'still given');
    $r = sync($m, $h, state => $r->{state});
    is(ids($r->{deleted}), join('-', (counter($mid)) x 2), 'told later');
    $m->rop('SetReadFlags', { read_flags => 4, message_ids => [ $old ] }, $h);
    my $s2 = $r->{state};
    $r = sync($m, $h, flags => 0x31, state => $s2);
    is(ids($r->{unread}), '', 'without ReadState no read states');
    $r = sync($m, $h, state => $s2);
    is(ids($r->{unread}), join('-', (counter($old)) x 2), 'unread');
    is(scalar @{ $r->{changes} }, 0, 'and no change');
    is(length sync($m, $h, state => $r->{state})->{bytes},
        length sync($m, $h, state => $r->{state})->{bytes}, 'then nothing');
    $m->release($h);
};

subtest 'states' => sub {
    my ($h, $fid) = folder('states');
    my @mid = map { message($fid, { PR_SUBJECT => "m$_" }) } 1 .. 3;
    my $r = sync($m, $h, keep => 1);
    is_deeply(transfer_state($m, $r->{handle}), $r->{state},
        'the final state of a download');
    my $x = configure($m, $h, state => { given => idset_encode($guid,
        [ counter($mid[0]), counter($mid[0]) ]) });
    my $s = transfer_state($m, $x);
    is(ids(idset_decode($s->{given}, 1)->{$guid}),
        join('-', (counter($mid[0])) x 2), 'before it the initial one');
    fx_read($m, $x);
    is(ec_name($m->try('SynchronizationUploadStateStreamBegin',
        { state_property => 0x67960102, transfer_buffer_size => 1 }, $x)
        ->{ec}), 'ecError', 'no state after the first buffer');
    # a state of another server stays in it
    my $other = "\x77" x 16;
    $r = sync($m, $h, state => { seen => idset_encode($other, [ 5, 9 ]) });
    is(ids(idset_decode($r->{state}{seen}, 1)->{$other}), '5-9',
        'change numbers of another replica');
    $m->release($h);
};

subtest 'conflicts' => sub {
    my ($h, $fid) = folder('conflicts');
    my $mid = message($fid, { PR_SUBJECT => 'one' });
    my $r = sync($m, $h);
    my $head = $r->{changes}[0]{head};
    my $ck = $head->{PR('PR_CHANGE_KEY')};
    my $x = collector($m, $h, 1, $r->{state});
    my $later = (time + 11644473600 + 3600) * 10000000;
    my $own = xid();
    is(join(' ', upload($x, [ version(gid($m, $mid), $own, 0, $ck) ],
        { PR_SUBJECT => 'two' })), 'ecSuccess ecSuccess', 'a newer version');
    is(join(' ', upload($x, [ version(gid($m, $mid), $ck, 0) ],
        { PR_SUBJECT => 'no' })), 'SYNC_E_IGNORE ', 'an older one');
    my $foreign = xid('other guid 12345');
    is(join(' ', upload($x, [ version(gid($m, $mid), $foreign, $later) ],
        { PR_SUBJECT => 'no' }, 0x40)), 'SYNC_E_CONFLICT ',
        'one that does not know ours');
    is(join(' ', upload($x, [ version(gid($m, $mid), $foreign, $later) ],
        { PR_SUBJECT => 'three' })), 'ecSuccess ecSuccess', 'is resolved');
    my ($row) = $m->contents($h, ['PR_SUBJECT', 'PR_MSG_STATUS',
        'PR_CHANGE_KEY']);
    is($row->{PR_SUBJECT}, 'three', 'the later one');
    ok($row->{PR_MSG_STATUS} & 0x800, 'in conflict');
    is($row->{PR_CHANGE_KEY}, $foreign, 'its key');
    my $s = sync($m, $h, state => { %{ $r->{state} },
        %{ transfer_state($m, $x) }, given => $r->{state}{given} });
    is(subjects($s), 'three two', 'each version is told');
    is(join(' ', map { $_->{head}{PR('PR_CHANGE_KEY')} eq $foreign ? 'f'
        : $_->{head}{PR('PR_CHANGE_KEY')} eq $own ? 'o' : '?' }
        @{ $s->{changes} }), 'f o', 'with its key');
    is(ids($s->{deleted}), '', 'nothing is deleted');

    # FAI messages: the last writer
    my $fai = message($fid, { PR_SUBJECT => 'f1' }, associated => 1);
    is(join(' ', upload($x, [ version(gid($m, $fai), xid(), 1000) ],
        { PR_SUBJECT => 'f2' }, 0x10)), 'ecSuccess ecSuccess', 'FAI');
    is(join(' ', map { $_->{PR_SUBJECT} } $m->contents($h, ['PR_SUBJECT'],
        associated => 1)), 'f1', 'the server was later');
    is(join(' ', upload($x, [ version(gid($m, $fai), xid(), $later) ],
        { PR_SUBJECT => 'f2' })), 'ecInvalidParam ', 'not as a normal one');
    $m->release($x, $h);
};

subtest 'deleted here or there' => sub {
    my ($h, $fid) = folder('gone');
    my $x = collector($m, $h, 1);
    my $key = new_key();
    is(join(' ', upload($x, [ version($key, xid()) ],
        { PR_SUBJECT => 'up' })), 'ecSuccess ecSuccess', 'uploaded');
    my $r = sync($m, $h);
    is($r->{changes}[0]{head}{PR('PR_SOURCE_KEY')}, $key, 'its source key');
    my $mid = $r->{changes}[0]{head}{PR('PidTagMid')};
    $m->rop('DeleteMessages', { message_ids => [ $mid ] }, $h);
    is(join(' ', upload($x, [ version($key, xid()) ], {})),
        'SYNC_E_OBJECT_DELETED ', 'soft-deleted on the server');
    my $never = new_key();
    $m->rop('SynchronizationImportDeletes', { import_delete_flags => 0,
        props => [ [ 0x1102, [ $never ] ] ] }, $x);
    is(join(' ', upload($x, [ version($never, xid()) ], {})),
        'SYNC_E_OBJECT_DELETED ', 'deleted before it came');
    my $foreign = ("\x33" x 16) . "\0\0\0\0\0\1";
    is(join(' ', upload($x, [ version($foreign, xid()) ],
        { PR_SUBJECT => 'foreign' })), 'ecSuccess ecSuccess',
        'a key of another store');
    $r = sync($m, $h, flags => 0x39);
    is($r->{changes}[0]{head}{PR('PR_SOURCE_KEY')}, $foreign, 'is kept');
    $r = sync($m, $h, flags => 0x139);
    isnt($r->{changes}[0]{head}{PR('PR_SOURCE_KEY')}, $foreign,
        'NoForeignIdentifiers');
    $m->release($x, $h);
};

subtest 'hierarchy' => sub {
    my ($h, $fid) = folder('tree');
    my $a = $m->create_folder($h, 'a');
    my $b = $m->create_folder($a->{handle}, 'b');
    my $r = sync($m, $h, contents => 0);
    is(join(' ', map { $_->{head}{PR('PR_DISPLAY_NAME')} }
        @{ $r->{changes} }), 'a b', 'parents first');
    is($r->{changes}[0]{head}{PR('PR_PARENT_SOURCE_KEY')}, '',
        'the root has no key');
    is($r->{changes}[1]{head}{PR('PR_PARENT_SOURCE_KEY')},
        gid($m, $a->{folder_id}), 'the parent has');
    is(join(',', sort keys %{ $r->{state} }), 'given,seen', 'its state');
    my $s = $r->{state};
    $r = sync($m, $h, contents => 0, state => $s);
    is(scalar @{ $r->{changes} }, 0, 'nothing changed');
    my $out = $m->create_folder($work->{handle}, 'outside');
    $m->rop('MoveFolder', { use_unicode => 1, folder_id => $a->{folder_id},
        new_folder_name => 'a' }, [ $h, $out->{handle} ]);
    $r = sync($m, $h, contents => 0, state => $s);
    is(scalar(map { $_->[0] .. $_->[1] } @{ $r->{deleted} }), 2,
        'a folder that moves away takes the others along');
    my $x = collector($m, $h, 0);
    my $parent = new_key();
    is(ec_name($m->try('SynchronizationImportHierarchyChange',
        { hierarchy_values => [ [ PR('PR_PARENT_SOURCE_KEY'), $parent ],
            version(new_key(), xid()), [ PR('PR_DISPLAY_NAME'), 'x' ] ],
          property_values => [] }, $x)->{ec}), 'SYNC_E_NO_PARENT',
        'a folder without parent');
    $m->release($x, $h, $a->{handle}, $b->{handle}, $out->{handle});
};

$m->disconnect;
$t->stop;
done_testing();
