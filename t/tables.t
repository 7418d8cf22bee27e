#!/usr/bin/perl

# Tables over MAPI/HTTP: which ROP is for which table, categories, conversation
# tables, and each event that the watcher of a table is told.

use strict;
use warnings;
use utf8;

use Test::More;

use Posthorn::MAPI qw(PR EC ec_name eid);
use Posthorn::Test;

my $t = Posthorn::Test->new(servers => [qw(directory exmdb nginx)],
    users => ['alice']);
$t->start;

sub client {
    my ($m) = @_;
    my $c = Posthorn::MAPI->new(url => $t->url, user => $t->address('alice'),
        password => $t->password('alice'), $m ? (dn => $m->{dn}) : ());
    $c->connect;
    $c->logon;
    return $c;
}

my $m = client();
my $other = client($m);
my $store = $m->{logon};
my $work = $m->create_folder($m->open_folder('ipm_subtree'), 'tables');
my ($folder, $fid) = @$work{qw(handle folder_id)};
my $fid_h = $other->open_folder($fid);

sub rop_is {
    my ($want, $name, $fields, $h, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $r = $m->try($name, $fields, $h);
    is(ec_name($r->{ec}), $want, $what || $name);
    return $r;
}

sub add {
    my ($subject, %o) = @_;
    my $in = delete $o{fid} || $fid;
    my $associated = delete $o{associated} || 0;
    my $x = $other->create_message($in, { PR_SUBJECT => $subject, %o },
        associated => $associated);
    $other->release($x->{handle});
    return $x->{message_id};
}

sub table {
    my ($h, $name, %o) = @_;
    return $m->rop($name, { table_flags => $o{flags} || 0 }, $h)->{handle};
}

my @seen;

# row events of a table, as [ event, notification ], when n of them are there
sub events {
    my ($h, $n) = @_;
    my @e;
    $t->wait_for("$n events", 10, sub {
        push @seen, $m->poll;
        @e = grep { $_->{notification_handle} == $h
            && $_->{flags} & 0x100 } @seen;
        return @e >= $n;
    });
    @seen = grep { $_->{notification_handle} != $h } @seen;
    return @e;
}

# A change elsewhere, which is told: what was queued before it is there too.
sub none {
    my ($h, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $sub = $m->rop('RegisterNotification', { notification_types => 4,
        want_whole_store => 0, folder_id => $m->{folders}{drafts}
            || $m->{folders}{outbox}, message_id => 0 }, $store)->{handle};
    add('fence', fid => $m->{folders}{drafts} || $m->{folders}{outbox});
    my @e;
    $t->wait_for('the fence', 10, sub {
        push @e, $m->poll;
        return grep { $_->{notification_handle} == $sub } @e;
    });
    $m->release($sub);
    is(scalar(grep { $_->{notification_handle} == $h } @e), 0, $what);
}

my %EVENT = (1 => 'changed', 3 => 'added', 4 => 'deleted', 5 => 'modified');
sub names { return join ' ', map { $EVENT{ $_->{table_event} } } @_ }

# ---- which ROP for which table ----

subtest 'kinds' => sub {
    my $msg = $other->create_message($fid, { PR_SUBJECT => 'kinds' });
    my $own = $m->open_message($fid, $msg->{message_id}, 1)->{handle};
    my %h = (contents => table($folder, 'GetContentsTable'),
        hierarchy => table($folder, 'GetHierarchyTable'),
        rules => table($folder, 'GetRulesTable'),
        permissions => table($folder, 'GetPermissionsTable'),
        attachments => table($own, 'GetAttachmentTable'));
    my %cols = (rules => 'PR_RULE_NAME', permissions => 'PR_MEMBER_NAME',
        attachments => 'PR_ATTACH_NUM');

    # ecSuccess for these, ecNotSupported for the rest
    my %for = (
        SortTable => 'contents', ResetTable => 'contents',
        Restrict => 'contents hierarchy rules',
        FindRow => 'contents hierarchy rules',
        CreateBookmark => 'contents hierarchy',
        GetCollapseState => 'contents',
        map { $_ => 'contents hierarchy rules permissions attachments' }
            qw(QueryRows QueryPosition SeekRow SeekRowFractional GetStatus
            QueryColumnsAll));
    my %fields = (SortTable => { sorts => [ [ 'PR_SUBJECT', 0 ] ] },
        QueryRows => { forward_read => 1, row_count => 1 },
        SeekRow => { origin => 0 },
        SeekRowFractional => { numerator => 0, denominator => 1 },
        FindRow => { origin => 0 }, GetCollapseState => { row_id => 0 });
    for my $kind (sort keys %h) {
        rop_is('ecInvalidParam', 'SetColumns', { tags => [] }, $h{$kind},
            "$kind: no columns");
        rop_is('ecNullObject', 'QueryRows', { forward_read => 1,
            row_count => 1 }, $h{$kind}, "$kind: rows without columns");
        $m->rop('SetColumns', { tags => [ $cols{$kind} || 'PR_DISPLAY_NAME' ]
            }, $h{$kind});
        for my $name (sort keys %for) {
            next if $name eq 'ResetTable';
            my $r = $m->try($name, $fields{$name} || {}, $h{$kind});
            my $ec = ec_name($r->{ec});
            my $want = (grep { $_ eq $kind } split ' ', $for{$name})
                ? 'ecSuccess' : 'ecNotSupported';
            $ec = 'ecSuccess' if $name eq 'FindRow' && $ec eq 'ecNotFound';
            is($ec, $want, "$name of $kind");
        }
        rop_is($kind =~ /contents|hierarchy/ ? 'ecUnableToAbort'
            : 'ecNotSupported', 'Abort', {}, $h{$kind}, "Abort of $kind");
        rop_is($kind =~ /contents|hierarchy/ ? 'ecInvalidBookmark'
            : 'ecNotSupported', 'FreeBookmark', { bookmark => 'abcd' },
            $h{$kind}, "FreeBookmark of $kind");
        rop_is($kind eq 'contents' ? 'ecNotFound' : 'ecNotSupported', $_,
            { category_id => 1 }, $h{$kind}, "$_ of $kind")
            for qw(ExpandRow CollapseRow);
        rop_is($kind eq 'contents' ? 'ecSuccess' : 'ecNotSupported',
            'ResetTable', {}, $h{$kind}, "ResetTable of $kind");
    }
    my %after = (ExpandRow => { category_id => 1 },
        CollapseRow => { category_id => 1 }, GetCollapseState => {},
        FreeBookmark => { bookmark => 'abcd' },
        SeekRowBookmark => { bookmark => 'abcd' });
    rop_is('ecNullObject', $_, $after{$_}, $h{contents}, "$_ after a reset")
        for sort keys %after;
    $m->release(values %h, $own);
    $other->rop('DeleteMessages', { message_ids => [ $msg->{message_id} ] },
        $fid_h);
    $m->poll;
};

# ---- categories ----

my @CAT = qw(PR_ROW_TYPE PR_DEPTH PidTagInstID PR_CONTENT_COUNT
    PR_CONTENT_UNREAD PR_IMPORTANCE PR_SUBJECT);

subtest 'categories' => sub {
    my $w = $m->create_folder($folder, 'categories');
    my $in = $w->{folder_id};
    my @unread = (PR_MESSAGE_FLAGS => 8);
    my $mid = add('b1', fid => $in, PR_IMPORTANCE => 1, @unread);
    add('a2', fid => $in, PR_IMPORTANCE => 2);
    add('a1', fid => $in, PR_IMPORTANCE => 1, @unread);
    my $h = table($w->{handle}, 'GetContentsTable');
    my $look = sub {
        $m->rop('SeekRow', { origin => 0 }, $h);
        return map { [ @$_{@CAT} ] } $m->rows($h, @CAT);
    };
    my $show = sub { join ' ', map { $_->[0] == 1 ? $_->[6]
        : ($_->[0] == 3 ? '+' : '-') . "$_->[5]:$_->[3]/$_->[4]" } @_ };
    $m->rop('SetColumns', { tags => \@CAT }, $h);
    $m->rop('SortTable', { sorts => { categories => 1, expanded => 1,
        sort => [ [ 'PR_IMPORTANCE', 0 ], [ 'PR_SUBJECT', 0 ] ] } }, $h);
    my @rows = $look->();
    is($show->(@rows), '+1:2/2 a1 b1 +2:1/0 a2', 'headers and rows');
    my $cat = $rows[0][2];

    # a new row, and its header's count
    add('c1', fid => $in, PR_IMPORTANCE => 1);
    my @e = events($h, 2);
    is(names(@e), 'modified added', 'the header changes, a row comes');
    is($e[0]{row_message_id}, $cat, 'the header');
    is($e[0]{row}[3], 3, 'counts one more');
    is($e[1]{after_message_id}, $mid, 'the row is behind b1');
    is($e[1]{row}[6], 'c1', 'and this');

    # a new category
    my $high = add('x0', fid => $in, PR_IMPORTANCE => 0);
    @e = events($h, 2);
    is(names(@e), 'added added', 'a header and its row');
    is($e[0]{after_message_id}, eid(0, 0), 'at the beginning');
    is($e[1]{after_message_id}, $e[0]{row_message_id}, 'one behind the other');
    $other->rop('DeleteMessages', { message_ids => [$high] },
        $other->open_folder($in));
    is(names(events($h, 2)), 'deleted deleted', 'and both go');

    # collapsed: only the header is told of
    is($m->rop('CollapseRow', { category_id => $cat }, $h)
        ->{collapsed_row_count}, 3, 'collapsed');
    my $state = $m->rop('GetCollapseState', { row_id => $cat }, $h)
        ->{collapse_state};
    add('d1', fid => $in, PR_IMPORTANCE => 1, @unread);
    @e = events($h, 1);
    is(names(@e), 'modified', 'below a collapsed header');
    is_deeply([ @{ $e[0]{row} }[0, 3, 4] ], [ 4, 4, 3 ], 'its counts');
    is($show->($look->()), '-1:4/3 +2:1/0 a2', 'as it is shown');
    my $r = $m->rop('ExpandRow', { category_id => $cat, max_row_count => 2 },
        $h);
    is_deeply([ $r->{expanded_row_count}, map { $_->[6] } @{ $r->{rows} } ],
        [ 4, 'a1', 'b1' ], 'expanded, with the first rows');
    my $mark = $m->rop('SetCollapseState', { collapse_state => $state }, $h)
        ->{bookmark};
    is($show->($look->()), '-1:4/3 +2:1/0 a2', 'the state is back');
    rop_is('ecSuccess', 'FreeBookmark', { bookmark => $mark }, $h,
        'its bookmark');
    $m->release($h);
};

# ---- rows of other tables ----

subtest 'rows' => sub {
    my $w = $m->create_folder($folder, 'rows');
    my $in = $w->{folder_id};
    my $in_h = $other->open_folder($in);
    my $mid = add('b', fid => $in, PR_IMPORTANCE => 1);
    my $open = sub {
        my ($sort, $restriction, %o) = @_;
        my $h = table($w->{handle}, 'GetContentsTable', %o);
        $m->rop('SetColumns', { tags => [qw(PR_SUBJECT PR_IMPORTANCE)] },
            $h);
        $m->rop('SortTable', { sorts => $sort }, $h) if $sort;
        $m->rop('Restrict', { restriction => $restriction }, $h)
            if $restriction;
        return $h;
    };
    my $keyed = $open->([ [ 'PR_NORMALIZED_SUBJECT', 0 ] ]);
    my $list = $open->([ [ 'PR_IMPORTANCE', 1 ], [ 'PR_SUBJECT', 0 ] ],
        [ 'prop', '>', 'PR_IMPORTANCE', 0 ]);
    my $fai = $open->(undef, undef, flags => 2);
    my $silent = $open->(undef, undef, flags => 0x10);
    $m->rop('QueryPosition', {}, $_) for $keyed, $list, $fai, $silent;
    $m->poll;

    my $c = add('c', fid => $in, PR_IMPORTANCE => 0);
    my @e = events($keyed, 1);
    is(names(@e), 'added', 'a row of the sorted table');
    is($e[0]{after_message_id}, $mid, 'behind the other');
    is($e[0]{row_folder_id}, $in, 'its folder');
    none($list, 'one that does not match is not told');

    my $x = $other->open_message($in, $c, 1)->{handle};
    $other->set($x, PR_IMPORTANCE => 2);
    $other->rop('SaveChangesMessage', { save_flags => 0 }, $x);
    @e = events($list, 1);
    is(names(@e), 'added', 'it begins to match');
    is($e[0]{after_message_id}, eid(0, 0), 'as the first');
    is(names(events($keyed, 1)), 'modified', 'and is modified elsewhere');

    $x = $other->open_message($in, $c, 1)->{handle};
    $other->set($x, PR_IMPORTANCE => 0);
    $other->rop('SaveChangesMessage', { save_flags => 0 }, $x);
    @e = events($list, 1);
    is(names(@e), 'deleted', 'it ceases to match');
    is($e[0]{row_message_id}, $c, 'the same');
    events($keyed, 1);

    my $a = add('fai', fid => $in, associated => 1);
    @e = events($fai, 1);
    is("@{[ names(@e), $e[0]{row_message_id} ]}", "added $a",
        'a row of associated contents');
    none($keyed, 'no row of the others');

    $other->rop('MoveCopyMessages', { message_ids => [$mid], want_copy => 0 },
        [ $in_h, $fid_h ]);
    is(names(events($keyed, 1)), 'deleted', 'moved away');
    is(names(events($list, 1)), 'deleted', 'from both');

    rop_is('ecSuccess', 'ResetTable', {}, $keyed);
    add('d', fid => $in);
    none($keyed, 'nothing after ResetTable');
    $m->rows($keyed, 'PR_SUBJECT');
    add('e', fid => $in);
    is(names(events($keyed, 1)), 'added', 'until it is read');

    $m->poll;
    @seen = ();
    add("many$_", fid => $in, PR_IMPORTANCE => 2) for 1 .. 15;
    is(names(events($list, 1)), 'changed', 'many changes are one');
    is(names(events($keyed, 1)), 'changed', 'for both');
    is(scalar(grep { $_->{notification_handle} == $silent } @seen), 0,
        'NoNotifications');
    $m->release($keyed, $list, $fai, $silent);
};

subtest 'folders' => sub {
    my $w = $m->create_folder($folder, 'folders');
    my $h = table($w->{handle}, 'GetHierarchyTable');
    my $deep = table($folder, 'GetHierarchyTable', flags => 4);
    my $quiet = table($w->{handle}, 'GetHierarchyTable', flags => 0x80);
    $m->rows($_, 'PR_DISPLAY_NAME') for $h, $deep, $quiet;
    $m->poll;
    my $parent = $other->open_folder($w->{folder_id});
    my $sub = $other->create_folder($parent, 'one');
    my @e = events($h, 1);
    is(names(@e), 'added', 'a folder');
    is_deeply([ $e[0]{row_folder_id}, $e[0]{row}[0] ],
        [ $sub->{folder_id}, 'one' ], 'this');
    ok(!($e[0]{flags} & 0x8000), 'not a message');
    @e = grep { $_->{row_folder_id} eq $sub->{folder_id} } events($deep, 1);
    is(names(@e), 'added', 'in the deep table too');
    is(names(events($quiet, 1)), 'added', 'of another session');

    my $mine = $m->create_folder($w->{handle}, 'two');
    is(names(events($h, 1)), 'added', 'a folder of our own');
    none($quiet, 'SuppressesNotifications');
    $other->set($sub->{handle}, PR_DISPLAY_NAME => 'uno');
    @e = events($h, 1);
    is("@{[ names(@e), $e[0]{row}[0] ]}", 'modified uno', 'renamed');
    $other->rop('DeleteFolder', { flags => 5,
        folder_id => $sub->{folder_id} }, $parent);
    is(names(events($h, 1)), 'deleted', 'deleted');
    $m->release($h, $deep, $quiet);
};

# ---- conversations ----

subtest 'conversations' => sub {
    my $w = $m->create_folder($folder, 'elsewhere');
    my $index = sub { "\1" . pack('C5', 0x2C, 1, 2, 3, 4) . ('K' x 16) };
    my @mids = map { add("talk $_", PR_CONVERSATION_INDEX => $index->(),
        PR_CONVERSATION_TOPIC => 'talk', fid => $_ ? $w->{folder_id} : $fid) }
        0, 1;
    my $id = $m->get($m->open_message($fid, $mids[0])->{handle},
        'PR_CONVERSATION_ID')->{PR_CONVERSATION_ID};
    my $root = $m->open_folder('root');
    rop_is('ecNotSupported', 'GetContentsTable', { table_flags => 0x80 },
        $folder, 'only from the root');
    my $h = table($root, 'GetContentsTable', flags => 0xC8);
    rop_is('ecConversationNotFound', 'Restrict', { restriction =>
        [ 'prop', '==', 'PR_CONVERSATION_ID', 'x' x 16 ] }, $h,
        'an unknown conversation');
    rop_is('ecSuccess', 'Restrict', { restriction =>
        [ 'prop', '==', 'PR_CONVERSATION_ID', $id ] }, $h, 'a known one');
    my @rows = $m->rows($h, qw(PidTagMid PidTagFolderId));
    is_deeply([ sort map { $_->{PidTagMid} } @rows ], [ sort @mids ],
        'its messages in all folders');
    $m->release($h);
};

$m->disconnect;
$other->disconnect;
$t->stop;
done_testing();
