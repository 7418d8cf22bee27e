#!/usr/bin/perl

# Every ROP that the server handles, over MAPI/HTTP: what it does when all is
# well, and the error that the specification names when not.  The last test
# finds ROPs that have a handler and no test.

use strict;
use warnings;
use utf8;

use Test::More;

use Posthorn::Codec;
use Posthorn::FX qw(fx_source fx_read fx_write fx_dest);
use Posthorn::ICS qw(sync collector transfer_state gid xid version);
use Posthorn::MAPI qw(PR EC ec_name eid);
use Posthorn::Test;

my $t = Posthorn::Test->new(servers => [qw(directory exmdb nginx)]);
$t->start;

my $m = Posthorn::MAPI->new(url => $t->url, user => $t->address('alice'),
    password => $t->password('alice'));
$m->connect;
my $logon = $m->logon;
my %F = %{ $m->{folders} };
my $store = $m->{logon};

sub is_ec {
    my ($r, $want, $name) = @_;
    $r ||= { ec => -1 };
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is(ec_name($r->{ec}), $want, $name);
}

# a ROP that must end in this error (or ecSuccess)
sub rop_is {
    my ($want, $name, $fields, $h, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $r = $m->try($name, $fields, $h);
    is_ec($r, $want, $what || $name);
    return $r;
}

sub missing { ref $_[0] eq 'Posthorn::Codec::Missing' ? ec_name($_[0]{ec}) : '' }

my $work = $m->create_folder($m->open_folder('ipm_subtree'), 'rops');
my $folder = $work->{handle};
my $fid = $work->{folder_id};

sub subjects {
    my ($h, @tags) = @_;
    return join ' ', sort map { $_->{PR_SUBJECT} }
        $m->contents($h, ['PR_SUBJECT', @tags]);
}

sub new_message {
    my ($subject, %o) = @_;
    my $x = $m->create_message($o{fid} || $fid,
        { PR_SUBJECT => $subject, %{ $o{props} || {} } }, %o);
    $m->release($x->{handle}) unless $o{open};
    return $o{open} ? $x : $x->{message_id};
}

# ---- stores ----

subtest 'logon' => sub {
    is(scalar @{ $logon->{folder_ids} }, 13, '13 folders');
    is(scalar(grep { $_ } values %F), 13, 'all there');
    ok($logon->{response_flags} & 1, 'response flags');
    ok($logon->{response_flags} & 2, 'the owner');
    isnt($logon->{mailbox_guid}, "\0" x 16, 'a mailbox GUID');
    rop_is('ecUnknownUser', 'Logon', { logon_flags => 1,
        open_flags => 0x01000004, essdn => "/o=none/cn=nobody\0" }, undef,
        'an unknown DN');
    rop_is('ecInvalidParam', 'Logon', { logon_flags => 1, open_flags => 4,
        essdn => "$m->{dn}\0" }, undef, 'without per-mailbox replicas');
    # the failed logons above took logon id 0 with them
    $m->logon;
    $store = $m->{logon};
    $folder = $m->open_folder($fid);
};

subtest 'store' => sub {
    my $r = $m->rop('GetReceiveFolder', { message_class => 'IPM.Note' },
        $store);
    is($r->{folder_id}, $F{inbox}, 'IPM.Note goes to the Inbox');
    is($r->{explicit_message_class}, 'IPM', 'by the row of IPM');
    rop_is('ecSuccess', 'SetReceiveFolder', { folder_id => $fid,
        message_class => 'IPM.Rops' }, $store);
    $r = $m->rop('GetReceiveFolder', { message_class => 'ipm.rops.x' },
        $store);
    is($r->{folder_id}, $fid, 'the longest prefix, in any case');
    rop_is('ecSuccess', 'SetReceiveFolder', { folder_id => 0,
        message_class => 'IPM.Rops' }, $store, 'removes it');
    rop_is('ecError', 'SetReceiveFolder', { folder_id => 0,
        message_class => '' }, $store, 'the default stays');
    rop_is('ecAccessDenied', 'SetReceiveFolder', { folder_id => $fid,
        message_class => 'IPM' }, $store, 'IPM stays');
    rop_is('ecInvalidParam', 'SetReceiveFolder', { folder_id => $fid,
        message_class => 'IPM..Note' }, $store, 'a bad class');
    rop_is('ecInvalidParam', 'GetReceiveFolder',
        { message_class => '.x' }, $store, 'a bad class');
    $r = $m->rop('GetReceiveFolderTable', {}, $store);
    cmp_ok(scalar @{ $r->{rows} }, '>=', 3, 'rows of the table');

    $r = $m->rop('LongTermIdFromId', { object_id => $F{inbox} }, $store);
    my $ltid = $r->{long_term_id};
    $r = $m->rop('IdFromLongTermId', { long_term_id => $ltid }, $store);
    is($r->{object_id}, $F{inbox}, 'long term ids are inverse');
    rop_is('ecNotFound', 'LongTermIdFromId', { object_id => eid(77, 5) },
        $store, 'an unknown replica');
    rop_is('ecInvalidParam', 'IdFromLongTermId',
        { long_term_id => "\0" x 24 }, $store, 'a GUID of zeros');
    $r = $m->rop('IdFromLongTermId',
        { long_term_id => ("\x5A" x 16) . "\0\0\0\0\0\1\0\0" }, $store);
    ok(($r->{object_id} & 0xFFFF) > 5, 'an unknown GUID is registered');

    rop_is('ecNotSupported', 'GetOwningServers', { folder_id => $F{inbox} },
        $store, 'owning servers of a private folder: see access.t');

    $r = $m->rop('GetAddressTypes', {}, $store);
    is($r->{address_types}, "EX\0SMTP\0", 'address types');
    is($m->rop('GetTransportFolder', {}, $store)->{folder_id}, $F{outbox},
        'transport folder');
    $r = $m->rop('GetLocalReplicaIds', { id_count => 100 }, $store);
    my $second = $m->rop('GetLocalReplicaIds', { id_count => 1 }, $store);
    is($r->{repl_guid}, $second->{repl_guid}, 'one replica');
    cmp_ok(hex(unpack('H*', $second->{global_count})), '>=',
        hex(unpack('H*', $r->{global_count})) + 100, 'ids are not given twice');
    is($m->rop('PublicFolderIsGhosted', { folder_id => $F{inbox} }, $store)
        ->{ghost}{is_ghosted}, 0, 'nothing is ghosted here');
    is_ec($m->try('GetPerUserLongTermIds', { database_guid => 'x' x 16 },
        $store), 'ecSuccess', 'GetPerUserLongTermIds');
    rop_is('ecNotFound', 'GetPerUserGuid', { long_term_id => $ltid }, $store);
    my $u = $m->try('ReadPerUserInformation', { folder_id => $ltid,
        data_offset => 0, max_data_size => 0 }, $store);
    ok($u->{ec} == 0 || $u->{ec} == EC('ecNotFound'),
        'ReadPerUserInformation');
    ok(defined $m->try('WritePerUserInformation', { folder_id => $ltid,
        has_finished => 1, data_offset => 0, data => '' }, $store)->{ec},
        'WritePerUserInformation');
    rop_is('ecNotImplemented', 'GetStoreState', {}, $store);
    rop_is('ecSuccess', 'SetSpooler', {}, $store);
    $r = $m->rop('OptionsData', { address_type => 'SMTP' }, $store);
    is($r->{options_info}, '', 'no options');

    my $p = $m->get($store, qw(PR_DISPLAY_NAME PR_MAILBOX_OWNER_ENTRYID
        PR_USER_ENTRYID PR_MESSAGE_SIZE_EXTENDED PR_RECORD_KEY));
    is($p->{PR_RECORD_KEY}, $logon->{mailbox_guid}, 'the record key');
    is(substr($p->{PR_USER_ENTRYID}, 28), "$m->{dn}\0", 'who is asking');
    $m->set($store, PR_SORT_LOCALE_ID => 1031);
    is($m->get($store, 'PR_SORT_LOCALE_ID')->{PR_SORT_LOCALE_ID}, 1031,
        'a writable property of the store');
    my ($bad) = @{ $m->rop('SetProperties', { props => { v => [
        [ PR('PR_MESSAGE_SIZE'), 1 ] ] } }, $store)->{problems} };
    ok($bad && $bad->{error}, 'a computed one is a problem');
};

# ---- folders ----

subtest 'folders' => sub {
    rop_is('ecNotFound', 'OpenFolder', { folder_id => eid(1, 0xFFFFFF) },
        $store, 'an unknown folder');
    my $a = $m->create_folder($folder, 'Ärger');
    ok(!$a->{is_existing_folder}, 'a new folder');
    rop_is('ecDuplicateName', 'CreateFolder', { folder_type => 1,
        use_unicode => 1, display_name => 'äRGER', comment => '' }, $folder,
        'the same name in another case');
    my $again = $m->create_folder($folder, 'ärger', open_existing => 1);
    is($again->{folder_id}, $a->{folder_id}, 'or opened');
    is($again->{is_existing_folder}, 0, 'which only public stores say');
    rop_is('ecInvalidParam', 'CreateFolder', { folder_type => 9,
        use_unicode => 1, display_name => 'x', comment => '' }, $folder,
        'a bad type');
    my $ansi = $m->rop('CreateFolder', { folder_type => 1, use_unicode => 0,
        display_name => 'Büro', comment => 'ü' }, $folder);
    my $p = $m->get($ansi->{handle}, qw(PR_DISPLAY_NAME PR_COMMENT
        PR_CONTAINER_CLASS PR_SUBFOLDERS PR_FOLDER_TYPE));
    is($p->{PR_DISPLAY_NAME}, 'Büro', 'a name in the code page');
    is($p->{PR_COMMENT}, 'ü', 'and a comment');
    is($p->{PR_FOLDER_TYPE}, 1, 'generic');
    $m->set($ansi->{handle}, PR_DISPLAY_NAME => 'Büro 2',
        PR_CONTAINER_CLASS => 'IPF.Note');
    is($m->get($ansi->{handle}, 'PR_DISPLAY_NAME')->{PR_DISPLAY_NAME},
        'Büro 2', 'renamed');
    my $tags = $m->rop('GetPropertiesList', {}, $ansi->{handle});
    ok((grep { $_ == PR('PR_CONTAINER_CLASS') } @{ $tags->{tags} }),
        'GetPropertiesList');
    $m->rop('SetPropertiesNoReplicate', { props => { v => [
        [ PR('PR_COMMENT'), 'quiet' ] ] } }, $ansi->{handle});
    is($m->get($ansi->{handle}, 'PR_COMMENT')->{PR_COMMENT}, 'quiet',
        'SetPropertiesNoReplicate');
    is_deeply($m->rop('DeletePropertiesNoReplicate',
        { tags => ['PR_COMMENT'] }, $ansi->{handle})->{problems}, [],
        'DeletePropertiesNoReplicate');

    my $h = $m->rop('GetHierarchyTable', { table_flags => 0 }, $folder);
    is($h->{row_count}, 2, 'two folders in the table');
    is(join(' ', sort map { $_->{PR_DISPLAY_NAME} }
        $m->rows($h->{handle}, 'PR_DISPLAY_NAME')), 'Büro 2 Ärger',
        'their names');
    $m->release($h->{handle});

    my $sub = $m->create_folder($a->{handle}, 'inner');
    my $deep = $m->rop('GetHierarchyTable', { table_flags => 4 }, $folder);
    is(join(' ', sort map { "$_->{PR_DISPLAY_NAME}:$_->{PR_DEPTH}" }
        $m->rows($deep->{handle}, qw(PR_DISPLAY_NAME PR_DEPTH))),
        'Büro 2:1 inner:2 Ärger:1', 'the whole tree');
    $m->release($deep->{handle});

    is($m->rop('MoveFolder', { use_unicode => 1,
        folder_id => $sub->{folder_id}, new_folder_name => 'moved' },
        [ $a->{handle}, $ansi->{handle} ])->{partial_completion}, 0,
        'MoveFolder');
    my $cycle = $m->try('MoveFolder', { use_unicode => 1,
        folder_id => $ansi->{folder_id}, new_folder_name => 'x' },
        [ $folder, $sub->{handle} ]);
    ok($cycle->{ec}, 'not into itself: ' . ec_name($cycle->{ec}));
    new_message('in the tree', fid => $sub->{folder_id});
    is($m->rop('CopyFolder', { want_recursive => 1, use_unicode => 1,
        folder_id => $ansi->{folder_id}, new_folder_name => 'copy' },
        [ $folder, $a->{handle} ])->{partial_completion}, 0, 'CopyFolder');
    $deep = $m->rop('GetHierarchyTable', { table_flags => 4 }, $a->{handle});
    my @rows = $m->rows($deep->{handle}, qw(PR_DISPLAY_NAME PidTagFolderId
        PR_CONTENT_COUNT));
    is(join(' ', sort map { "$_->{PR_DISPLAY_NAME}:$_->{PR_CONTENT_COUNT}" }
        @rows), 'copy:0 moved:1', 'with what is inside');
    $m->release($deep->{handle});

    is($m->rop('DeleteFolder', { flags => 0, folder_id => $a->{folder_id} },
        $folder)->{partial_completion}, 1, 'a full folder stays');
    rop_is('ecInvalidParam', 'DeleteFolder', { flags => 0x80,
        folder_id => $a->{folder_id} }, $folder, 'bad flags');
    is($m->rop('DeleteFolder', { flags => 5, folder_id => $a->{folder_id} },
        $folder)->{partial_completion}, 0, 'unless it may go');
    rop_is('ecNotFound', 'OpenFolder', { folder_id => $a->{folder_id} },
        $store, 'it is gone');
    rop_is('ecAccessDenied', 'DeleteFolder', { flags => 5,
        folder_id => $F{inbox} }, $m->open_folder('ipm_subtree'),
        'the Inbox stays');
    rop_is('ecNotFound', 'DeleteFolder', { flags => 5,
        folder_id => eid(1, 0xABCDEF) }, $folder, 'an unknown one');

    new_message('one', fid => $ansi->{folder_id});
    new_message('fai', fid => $ansi->{folder_id}, associated => 1);
    is($m->rop('EmptyFolder', { want_delete_associated => 0 },
        $ansi->{handle})->{partial_completion}, 0, 'EmptyFolder');
    is(subjects($ansi->{handle}), '', 'is empty');
    is(scalar($m->contents($ansi->{handle}, ['PR_SUBJECT'],
        associated => 1)), 1, 'but for associated messages');
    is($m->rop('HardDeleteMessagesAndSubfolders',
        { want_delete_associated => 1 }, $ansi->{handle})
        ->{partial_completion}, 0, 'HardDeleteMessagesAndSubfolders');
    is(scalar($m->contents($ansi->{handle}, ['PR_SUBJECT'],
        associated => 1)), 0, 'is really empty');

    my $null = $m->try('MoveFolder', { use_unicode => 1, folder_id => 1,
        new_folder_name => 'x' }, [ $folder, 0xFFFFFFFF ]);
    is_ec($null, 'ecDstNullObject', 'no destination');
    ok(defined $null->{dest_handle_index}, 'says which');
};

# ---- tables ----

subtest 'tables' => sub {
    my $w = $m->create_folder($folder, 'tables');
    my $in = $w->{folder_id};
    for my $i (0 .. 9) {
        new_message("m$i", fid => $in, props => { PR_IMPORTANCE => $i % 3,
            PR_BODY => 'x' x ($i * 300) });
    }
    my $c = $m->rop('GetContentsTable', { table_flags => 0 }, $w->{handle});
    my $h = $c->{handle};
    is($c->{row_count}, 10, 'ten messages');
    rop_is('ecNullObject', 'QueryRows', { forward_read => 1,
        row_count => 5 }, $h, 'rows before columns');
    rop_is('ecInvalidParam', 'SetColumns', { tags => [] }, $h, 'no columns');
    rop_is('ecInvalidParam', 'SetColumns', { tags => [0x0037000A] }, $h,
        'a column of errors');
    $m->rop('SetColumns', { tags => [qw(PR_SUBJECT PR_IMPORTANCE
        PR_NICKNAME)] }, $h);
    is($m->rop('SortTable', { sorts => [ [ 'PR_IMPORTANCE', 1 ],
        [ 'PR_SUBJECT', 0 ] ] }, $h)->{table_status}, 0, 'sorted');
    my $r = $m->rop('QueryRows', { forward_read => 1, row_count => 4 }, $h);
    is(join(' ', map { $_->[0] } @{ $r->{rows} }), 'm2 m5 m8 m1', 'rows');
    is(missing($r->{rows}[0][2]), 'ecNotFound', 'an absent column');
    is($r->{origin}, 1, 'in the middle');
    is_deeply([ @{ $m->rop('QueryPosition', {}, $h) }
        {qw(numerator denominator)} ], [ 4, 10 ], 'position');
    $r = $m->rop('QueryRows', { flags => 1, forward_read => 1,
        row_count => 1 }, $h);
    is($r->{rows}[0][0], 'm4', 'a look ahead');
    $r = $m->rop('QueryRows', { forward_read => 0, row_count => 2 }, $h);
    is(join(' ', map { $_->[0] } @{ $r->{rows} }), 'm8 m1', 'backwards');
    $r = $m->rop('SeekRow', { origin => 1, row_count => -10,
        want_row_moved_count => 1 }, $h);
    is_deeply([ @$r{qw(has_sought_less rows_sought)} ], [ 1, -2 ],
        'not before the first');
    $r = $m->rop('SeekRow', { origin => 2, row_count => -1,
        want_row_moved_count => 1 }, $h);
    is($m->rop('QueryRows', { forward_read => 1, row_count => 9 }, $h)
        ->{rows}[0][0], 'm9', 'the last');
    is($m->rop('QueryRows', { forward_read => 1, row_count => 9 }, $h)
        ->{row_count}, 0, 'and no more');
    rop_is('ecSuccess', 'SeekRowFractional', { numerator => 1,
        denominator => 2 }, $h);
    is($m->rop('QueryPosition', {}, $h)->{numerator}, 5, 'half way');
    rop_is('ecInvalidBookmark', 'SeekRowFractional', { numerator => 1,
        denominator => 0 }, $h, 'of nothing');

    my $b = $m->rop('CreateBookmark', {}, $h)->{bookmark};
    $m->rop('SeekRow', { origin => 0 }, $h);
    $r = $m->rop('SeekRowBookmark', { bookmark => $b, row_count => 1,
        want_row_moved_count => 1 }, $h);
    is($m->rop('QueryPosition', {}, $h)->{numerator}, 6, 'one after it');
    rop_is('ecSuccess', 'FreeBookmark', { bookmark => $b }, $h);
    rop_is('ecInvalidBookmark', 'SeekRowBookmark', { bookmark => $b }, $h,
        'a freed bookmark');

    $r = $m->rop('FindRow', { restriction =>
        [ 'content', 0x10000, 'PR_SUBJECT', 'M7' ], origin => 0 }, $h);
    is($r->{row}[0], 'm7', 'FindRow');
    is($m->rop('QueryRows', { forward_read => 1, row_count => 1 }, $h)
        ->{rows}[0][0], 'm7', 'stands there');
    $r = $m->rop('FindRow', { flags => 1, origin => 2, restriction =>
        [ 'prop', '==', 'PR_IMPORTANCE', 1 ] }, $h);
    is($r->{row}[0], 'm7', 'from the end');
    rop_is('ecNotFound', 'FindRow', { restriction =>
        [ 'prop', '==', 'PR_SUBJECT', 'none' ], origin => 0 }, $h,
        'FindRow without a row');

    $m->rop('Restrict', { restriction => [ 'and',
        [ 'prop', '>', 'PR_IMPORTANCE', 0 ],
        [ 'not', [ 'content', 0x10001, 'PR_SUBJECT', '5' ] ] ] }, $h);
    is($m->rop('QueryPosition', {}, $h)->{denominator}, 5, 'restricted');
    $m->rop('Restrict', { restriction => [ 'size', '>', 'PR_BODY', 3000 ] },
        $h);
    is($m->rop('QueryPosition', {}, $h)->{denominator}, 4,
        'by a size in UTF-16');
    $m->rop('Restrict', {}, $h);
    is($m->rop('QueryPosition', {}, $h)->{denominator}, 10, 'no more');
    is($m->rop('GetStatus', {}, $h)->{table_status}, 0, 'status');
    rop_is('ecUnableToAbort', 'Abort', {}, $h);
    ok((grep { $_ == PR('PR_SUBJECT') }
        @{ $m->rop('QueryColumnsAll', {}, $h)->{tags} }), 'QueryColumnsAll');
    my $state = $m->try('GetCollapseState', { row_id => 0 }, $h);
    my $back = $m->try('SetCollapseState', { collapse_state =>
        $state->{collapse_state} || '' }, $h);
    is($back->{ec}, $state->{ec}, 'collapse state: '
        . ec_name($state->{ec}));
    ok($m->try('ExpandRow', { category_id => 7 }, $h)->{ec},
        'no category to expand');
    ok($m->try('CollapseRow', { category_id => 7 }, $h)->{ec},
        'nor to collapse');
    rop_is('ecSuccess', 'ResetTable', {}, $h);
    rop_is('ecNullObject', 'QueryRows', { forward_read => 1,
        row_count => 1 }, $h, 'rows after a reset');
    my $mid = new_message('late', fid => $in);
    is(scalar($m->rows($h, 'PR_SUBJECT')), 11, 'a new row');
    rop_is('ecNotSupported', 'SetColumns', { tags => ['PR_SUBJECT'] },
        $folder, 'a folder is no table');
    $m->release($h);
};

# ---- messages ----

subtest 'messages' => sub {
    my $x = $m->rop('CreateMessage', { cpid => 0xFFF, folder_id => $fid },
        $store);
    my $p = $m->get($x->{handle}, qw(PR_MESSAGE_CLASS PR_IMPORTANCE
        PR_MESSAGE_FLAGS PR_HASATTACH PR_SUBJECT));
    is($p->{PR_MESSAGE_CLASS}, 'IPM.Note', 'class of a new message');
    ok($p->{PR_MESSAGE_FLAGS} & 8, 'unsent');
    is(missing($p->{PR_SUBJECT}), 'ecNotFound', 'no subject');
    is(subjects($folder), '', 'not there before it is saved');
    $m->set($x->{handle}, PR_SUBJECT => 'RE: Straße €',
        PR_BODY => "first\r\nsecond", PR_SENSITIVITY => 1);
    $m->recipients($x->{handle}, [ 1, 'Bob', 'bob@example.test' ],
        [ 2, 'Cee', 'cee@example.test' ], [ 3, 'Dee', 'dee@example.test' ]);
    my $s = $m->rop('SaveChangesMessage', { save_flags => 2 },
        $x->{handle});
    my $mid = $s->{message_id};
    ok($mid, 'saved');
    $m->rop('ModifyRecipients', { columns => [], rows => [
        { row_id => 1, recipient_type => 2, row => '' } ] }, $x->{handle});
    $m->rop('SaveChangesMessage', { save_flags => 1 }, $x->{handle});
    $m->release($x->{handle});

    my $o = $m->open_message($fid, $mid);
    is($o->{info}{subject_prefix}, 'RE: ', 'prefix');
    is($o->{info}{normalized_subject}, 'Straße €', 'subject');
    is($o->{info}{recipient_count}, 2, 'recipients');
    is(join(' ', map { "$_->{type}:$_->{props}{PR_EMAIL_ADDRESS}" }
        @{ $o->{info}{rows} }),
        '1:bob@example.test 3:dee@example.test', 'who they are');
    my $rr = $m->rop('ReadRecipients', { row_id => 2 }, $o->{handle});
    is($rr->{rows}[0]{props}{PR_DISPLAY_NAME}, 'Dee', 'ReadRecipients');
    rop_is('ecNotFound', 'ReadRecipients', { row_id => 9 }, $o->{handle},
        'beyond the last');
    $p = $m->get($o->{handle}, qw(PR_DISPLAY_TO PR_DISPLAY_BCC PR_BODY
        PR_SEARCH_KEY PR_CHANGE_KEY PR_PREDECESSOR_CHANGE_LIST PR_SOURCE_KEY
        PR_CONVERSATION_TOPIC PR_ENTRYID));
    is($p->{PR_DISPLAY_TO}, 'Bob', 'PR_DISPLAY_TO');
    is($p->{PR_DISPLAY_BCC}, 'Dee', 'PR_DISPLAY_BCC');
    is($p->{PR_CONVERSATION_TOPIC}, 'Straße €', 'PR_CONVERSATION_TOPIC');
    is(length $p->{PR_SOURCE_KEY}, 22, 'PR_SOURCE_KEY');
    is(length $p->{PR_ENTRYID}, 70, 'PR_ENTRYID');
    is($p->{PR_PREDECESSOR_CHANGE_LIST}, chr(22) . $p->{PR_CHANGE_KEY},
        'one change');
    my $typed = $m->rop('GetPropertiesSpecific', { want_unicode => 1,
        tags => [ 0x00370000, PR('PR_SUBJECT', 0x1E) ] }, $o->{handle});
    is($typed->{row}[0], 'RE: Straße €', 'a property of any type');
    is($typed->{row}[1], 'RE: Straße €', 'or 8-bit');
    my $all = $m->rop('GetPropertiesAll', { want_unicode => 1 },
        $o->{handle});
    my ($body) = grep { $_->[0] == PR('PR_BODY') } @{ $all->{props} };
    is($body->[1], "first\r\nsecond", 'GetPropertiesAll');
    is($m->rop('ReloadCachedInformation', {}, $o->{handle})
        ->{info}{recipient_count}, 2, 'ReloadCachedInformation');
    my $ro = $m->try('SetProperties', { props => { v => [
        [ PR('PR_SUBJECT'), 'x' ] ] } }, $o->{handle});
    my $saved = $m->try('SaveChangesMessage', { save_flags => 0 },
        $o->{handle});
    ok($ro->{ec} || @{ $ro->{problems} } || $saved->{ec},
        'opened to read only');
    $m->release($o->{handle});

    rop_is('ecNotFound', 'OpenMessage', { cpid => 0xFFF, folder_id => $fid,
        message_id => eid(1, 0xFFFFFF) }, $store, 'an unknown message');
    my $one = $m->open_message($fid, $mid, 1)->{handle};
    my $two = $m->open_message($fid, $mid, 1)->{handle};
    $m->set($_, PR_SUBJECT => "by $_") for $one, $two;
    rop_is('ecSuccess', 'SaveChangesMessage', { save_flags => 2 }, $one);
    rop_is('ecObjectModified', 'SaveChangesMessage', { save_flags => 2 },
        $two, 'changed by another');
    rop_is('ecSuccess', 'SaveChangesMessage', { save_flags => 6 }, $two,
        'by force');
    is_ec($m->try('RemoveAllRecipients', {}, $two), 'ecSuccess',
        'RemoveAllRecipients');
    $m->rop('SaveChangesMessage', { save_flags => 2 }, $two);
    is_deeply($m->rop('DeleteProperties', { tags => [qw(PR_SENSITIVITY
        PR_NICKNAME)] }, $two)->{problems}, [], 'DeleteProperties');
    $m->rop('SaveChangesMessage', { save_flags => 2 }, $two);
    $m->release($one, $two);
    $o = $m->open_message($fid, $mid);
    is($o->{info}{recipient_count}, 0, 'no recipients');
    my $read = $m->rop('SetMessageReadFlag', { read_flags => 4 },
        $o->{handle});
    is_deeply([ @$read{qw(hindex read_status_changed)} ], [ 0, 0 ],
        'SetMessageReadFlag: only a public logon is told');
    $m->rop('SetMessageReadFlag', { read_flags => 1 }, $o->{handle});
    $m->release($o->{handle});

    my $flags = sub {
        my ($row) = $m->contents($folder, ['PR_MESSAGE_FLAGS']);
        return $row->{PR_MESSAGE_FLAGS} & 1;
    };
    is($m->rop('SetReadFlags', { read_flags => 4, message_ids => [$mid] },
        $folder)->{partial_completion}, 0, 'SetReadFlags');
    is($flags->(), 0, 'unread');
    is($m->get($m->open_folder($fid), 'PR_CONTENT_UNREAD')
        ->{PR_CONTENT_UNREAD}, 1, 'counted');
    $m->rop('SetReadFlags', { read_flags => 1, message_ids => [] }, $folder);
    is($flags->(), 1, 'all are read');
    is($m->rop('SetMessageStatus', { message_id => $mid,
        message_status_flags => 0x0F, message_status_mask => 0x05 },
        $folder)->{message_status_flags}, 0, 'SetMessageStatus');
    is($m->rop('GetMessageStatus', { message_id => $mid }, $folder)
        ->{message_status_flags}, 5, 'GetMessageStatus');

    my $dst = $m->create_folder($folder, 'dst');
    is($m->rop('MoveCopyMessages', { message_ids => [$mid], want_copy => 1 },
        [ $folder, $dst->{handle} ])->{partial_completion}, 0, 'copied');
    is(scalar($m->contents($dst->{handle}, ['PR_SUBJECT'])), 1, 'is there');
    is(scalar($m->contents($folder, ['PR_SUBJECT'])), 1, 'and here');
    is($m->rop('MoveCopyMessages', { message_ids => [ $mid, eid(1, 77777) ],
        want_copy => 0 }, [ $folder, $dst->{handle} ])
        ->{partial_completion}, 1, 'moved, but for an unknown one');
    is(scalar($m->contents($folder, ['PR_SUBJECT'])), 0, 'not here');
    my @there = map { $_->{PidTagMid} }
        $m->contents($dst->{handle}, ['PidTagMid']);
    is(scalar @there, 2, 'both there');
    is($m->rop('DeleteMessages', { message_ids => [ $there[0] ] },
        $dst->{handle})->{partial_completion}, 0, 'DeleteMessages');
    my $soft = $m->rop('GetContentsTable', { table_flags => 0x20 },
        $dst->{handle});
    is(scalar($m->rows($soft->{handle}, 'PR_SUBJECT')), 1, 'can come back');
    is($m->rop('HardDeleteMessages', { message_ids => [ $there[1] ] },
        $dst->{handle})->{partial_completion}, 0, 'HardDeleteMessages');
    is(scalar($m->contents($dst->{handle}, ['PR_SUBJECT'])), 0, 'empty');
    $m->rop('DeleteFolder', { flags => 0x15,
        folder_id => $dst->{folder_id} }, $folder);
};

# ---- properties ----

subtest 'properties' => sub {
    my $set = pack('H*', '2903020000000000C000000000000046');
    my $common = pack('H*', '0820060000000000C000000000000046');
    my @names = ([ $set, 'rops-text' ], [ $set, 'rops-list' ],
        [ $common, 0x8503 ]);
    my $r = $m->rop('GetPropertyIdsFromNames', { flags => 2,
        names => \@names }, $store);
    my @ids = @{ $r->{ids} };
    is(scalar(grep { $_ >= 0x8000 } @ids), 3, 'ids of names');
    is_deeply($m->rop('GetPropertyIdsFromNames', { flags => 0,
        names => \@names }, $store)->{ids}, \@ids, 'always the same');
    $r = $m->try('GetPropertyIdsFromNames', { flags => 0,
        names => [ [ $set, 'rops-unknown' ] ] }, $store);
    is_ec($r, 'ecWarnWithErrors', 'an unknown name');
    is_deeply($r->{ids}, [0], 'has no id');
    is_deeply($m->rop('GetNamesFromPropertyIds', { ids => \@ids }, $store)
        ->{names}, \@names, 'names of ids');

    my ($text, $list) = ($ids[0] << 16 | 0x1F, $ids[1] << 16 | 0x101F);
    my $bool = $ids[2] << 16 | 0x0B;
    my $x = new_message('props', open => 1, props => { $text => 'näme',
        $list => [ 'b', 'a', '€' ], $bool => 1,
        0x30070040 => 133000000000000000, 0x70010005 => 1.5,
        0x70020014 => -5, 0x70030048 => 'g' x 16, 0x70040102 => "\0\1",
        0x70051003 => [ 1, -2 ], 0x70061102 => [ 'x', '' ] });
    my $h = $x->{handle};
    my $p = $m->get($h, $text, $list, $bool, 0x70010005, 0x70020014,
        0x70030048, 0x70040102, 0x70051003, 0x70061102);
    is($p->{$text}, 'näme', 'a named text');
    is_deeply($p->{$list}, [ 'b', 'a', '€' ], 'a list');
    is($p->{$bool}, 1, 'a boolean');
    is($p->{ 0x70010005 }, 1.5, 'a double');
    is($p->{ 0x70020014 }, -5, 'a 64-bit number');
    is($p->{ 0x70030048 }, 'g' x 16, 'a GUID');
    is($p->{ 0x70040102 }, "\0\1", 'binary');
    is_deeply($p->{ 0x70051003 }, [ 1, -2 ], 'numbers');
    is_deeply($p->{ 0x70061102 }, [ 'x', '' ], 'binaries');
    my $q = $m->rop('QueryNamedProperties', { query_flags => 0,
        has_guid => 1, guid => $set }, $h);
    ok($q->{count} >= 2 && (grep { ($_->[1] || '') eq 'rops-list' }
        @{ $q->{names} }), 'QueryNamedProperties');

    my $y = new_message('other', open => 1);
    is_deeply($m->rop('CopyProperties', { tags => [ $text, 'PR_SUBJECT' ] },
        [ $h, $y->{handle} ])->{problems}, [], 'CopyProperties');
    is($m->get($y->{handle}, 'PR_SUBJECT')->{PR_SUBJECT}, 'props',
        'are copied');
    is_deeply($m->rop('CopyTo', { want_sub_objects => 1,
        excluded_tags => ['PR_SUBJECT'] }, [ $h, $y->{handle} ])
        ->{problems}, [], 'CopyTo');
    is_deeply($m->get($y->{handle}, $list)->{$list}, [ 'b', 'a', '€' ],
        'takes all');
    my $null = $m->try('CopyTo', {}, [ $h, 0xFFFFFFFF ]);
    is_ec($null, 'ecDstNullObject', 'CopyTo nowhere');
    rop_is('ecInvalidParam', 'CopyProperties', { copy_flags => 0x80,
        tags => ['PR_SUBJECT'] }, [ $h, $y->{handle} ], 'bad flags');
    my $progress = rop_is('ecSuccess', 'Progress', {}, $folder);
    is_deeply([ @$progress{qw(completed_task_count total_task_count)} ],
        [ 1, 1 ], 'all is done when it is answered');
    $m->release($h, $y->{handle});
    $m->rop('EmptyFolder', {}, $folder);
};

# ---- streams ----

subtest 'streams' => sub {
    my $x = new_message('streams', open => 1);
    my $h = $x->{handle};
    my $big = join '', map { chr(($_ * 31 + ($_ >> 8)) & 255) } 1 .. 150_000;
    rop_is('ecNotFound', 'OpenStream', { tag => 'PR_HTML' }, $h,
        'no such property');
    $m->write_stream($h, 'PR_HTML', $big);
    is($m->read_stream($h, 'PR_HTML'), $big, '150,000 bytes');
    my $s = $m->rop('OpenStream', { tag => 'PR_HTML', open_mode_flags => 1 },
        $h);
    is($s->{stream_size}, 150_000, 'size');
    my $sh = $s->{handle};
    is($m->rop('GetStreamSize', {}, $sh)->{stream_size}, 150_000,
        'GetStreamSize');
    is($m->rop('SeekStream', { origin => 2, offset => -10 }, $sh)
        ->{new_position}, 149_990, 'SeekStream');
    is($m->rop('ReadStream', { byte_count => 100 }, $sh)->{data},
        substr($big, -10), 'the end');
    is($m->rop('ReadStream', { byte_count => 100 }, $sh)->{data}, '',
        'and no more');
    rop_is('ecStreamSeekError', 'SeekStream', { origin => 0, offset => -1 },
        $sh, 'before the beginning');
    $m->rop('SeekStream', { origin => 0, offset => 5 }, $sh);
    is($m->rop('WriteStream', { data => 'HELLO' }, $sh)->{written_size}, 5,
        'WriteStream');
    is($m->rop('WriteStreamExtended', { data => 'X' }, $sh)
        ->{written_size}, 1, 'WriteStreamExtended');
    my $clone = $m->rop('CloneStream', {}, $sh)->{handle};
    $m->rop('SeekStream', { origin => 0, offset => 0 }, $clone);
    is($m->rop('ReadStream', { byte_count => 0xBABE,
        maximum_byte_count => 12 }, $clone)->{data},
        substr($big, 0, 5) . 'HELLOX' . substr($big, 11, 1), 'CloneStream');
    rop_is('ecSuccess', 'SetStreamSize', { stream_size => 20 }, $sh);
    is($m->rop('GetStreamSize', {}, $sh)->{stream_size}, 20, 'cut');
    rop_is('ecSuccess', 'CommitStream', {}, $sh);
    for my $lock (qw(LockRegionStream UnlockRegionStream)) {
        my $r = $m->try($lock, { region_size => 5 }, $sh);
        ok($r->{ec} == 0 || $r->{ec} == EC('ecNotImplemented'), $lock);
    }
    my $t2 = $m->rop('OpenStream', { tag => 'PR_BODY', open_mode_flags => 2 },
        $h)->{handle};
    is($m->rop('WriteAndCommitStream', { data => "a\0\xAC\x20" }, $t2)
        ->{written_size}, 4, 'WriteAndCommitStream');
    $m->release($sh, $clone, $t2);
    is($m->get($h, 'PR_BODY')->{PR_BODY}, 'a€', 'a text by its stream');

    $m->write_stream($h, 0x70010102, 'source of a copy');
    $m->write_stream($h, 0x70020102, '');
    my $from = $m->rop('OpenStream', { tag => 0x70010102 }, $h)->{handle};
    my $to = $m->rop('OpenStream', { tag => 0x70020102,
        open_mode_flags => 1 }, $h)->{handle};
    my $c = $m->rop('CopyToStream', { byte_count => 6 }, [ $from, $to ]);
    is_deeply([ @$c{qw(read_byte_count written_byte_count)} ], [ 6, 6 ],
        'CopyToStream');
    rop_is(ec_name(0x80030005), 'WriteStream', { data => 'x' }, $from,
        'a stream to read only');
    $m->rop('CommitStream', {}, $to);
    $m->release($from, $to);
    is($m->read_stream($h, 0x70020102), 'source', 'copied');
    $m->rop('SaveChangesMessage', { save_flags => 0 }, $h);
    $m->release($h);
    my $o = $m->open_message($fid, $x->{message_id});
    is($m->read_stream($o->{handle}, 0x70020102), 'source', 'and kept');
    rop_is('ecNotSupported', 'OpenStream', { tag => 'PR_IMPORTANCE' },
        $o->{handle}, 'a number has no stream');
    $m->release($o->{handle});
    $m->rop('EmptyFolder', {}, $folder);
};

# ---- attachments ----

subtest 'attachments' => sub {
    my $x = $m->rop('CreateMessage', { cpid => 0xFFF, folder_id => $fid },
        $store);
    my $h = $x->{handle};
    $m->set($h, PR_SUBJECT => 'with attachments');
    my $data = 'file ' x 20000;
    for my $i (0 .. 2) {
        my $a = $m->rop('CreateAttachment', {}, $h);
        is($a->{attachment_id}, $i, "attachment $i");
        $m->set($a->{handle}, PR_ATTACH_METHOD => 1,
            PR_ATTACH_LONG_FILENAME => "fïle$i.txt");
        $m->write_stream($a->{handle}, 'PR_ATTACH_DATA_BIN', "$i$data");
        rop_is('ecSuccess', 'SaveChangesAttachment', { save_flags => 2 },
            $a->{handle});
        $m->release($a->{handle});
    }
    my $e = $m->rop('CreateAttachment', {}, $h);
    $m->set($e->{handle}, PR_ATTACH_METHOD => 5);
    my $inner = $m->rop('OpenEmbeddedMessage', { cpid => 0xFFF,
        open_mode_flags => 2 }, $e->{handle});
    $m->set($inner->{handle}, PR_SUBJECT => 'inner');
    $m->recipients($inner->{handle}, [ 1, 'X', 'x@example.test' ]);
    $m->rop('SaveChangesMessage', { save_flags => 2 }, $inner->{handle});
    $m->rop('SaveChangesAttachment', { save_flags => 2 }, $e->{handle});
    rop_is('ecSuccess', 'DeleteAttachment', { attachment_id => 1 }, $h);
    rop_is('ecNotFound', 'DeleteAttachment', { attachment_id => 1 }, $h,
        'only once');
    my $mid = $m->rop('SaveChangesMessage', { save_flags => 0 }, $h)
        ->{message_id};
    $m->release($inner->{handle}, $e->{handle}, $h);

    my $o = $m->open_message($fid, $mid);
    is_deeply($m->rop('GetValidAttachments', {}, $o->{handle})
        ->{attachment_ids}, [ 0, 2, 3 ], 'GetValidAttachments');
    my $t2 = $m->rop('GetAttachmentTable', { table_flags => 0x40 },
        $o->{handle})->{handle};
    my @rows = $m->rows($t2, qw(PR_ATTACH_NUM PR_ATTACH_METHOD
        PR_ATTACH_LONG_FILENAME PR_ATTACH_SIZE));
    is(join(' ', map { "$_->{PR_ATTACH_NUM}:$_->{PR_ATTACH_METHOD}" } @rows),
        '0:1 2:1 3:5', 'the table');
    is($rows[1]{PR_ATTACH_LONG_FILENAME}, 'fïle2.txt', 'a name');
    cmp_ok($rows[0]{PR_ATTACH_SIZE}, '>=', length $data, 'a size');
    ok($m->get($o->{handle}, 'PR_HASATTACH')->{PR_HASATTACH},
        'PR_HASATTACH');
    my $a = $m->rop('OpenAttachment', { attachment_id => 2 }, $o->{handle});
    is($m->read_stream($a->{handle}, 'PR_ATTACH_DATA_BIN'), "2$data",
        'the content');
    rop_is('ecNotFound', 'OpenAttachment', { attachment_id => 1 },
        $o->{handle}, 'the deleted one');
    rop_is('ecNotFound', 'OpenEmbeddedMessage', { cpid => 0xFFF },
        $a->{handle}, 'a file is no message');
    my $b = $m->rop('OpenAttachment', { attachment_id => 3 }, $o->{handle});
    my $i2 = $m->rop('OpenEmbeddedMessage', { cpid => 0xFFF },
        $b->{handle});
    is($i2->{info}{normalized_subject}, 'inner', 'the message inside');
    is($i2->{info}{rows}[0]{props}{PR_EMAIL_ADDRESS}, 'x@example.test',
        'its recipient');
    $m->release($i2->{handle}, $b->{handle}, $a->{handle}, $t2,
        $o->{handle});
    $m->rop('EmptyFolder', {}, $folder);
};

# ---- permissions, notifications, transport ----

subtest 'permissions' => sub {
    my $t2 = $m->rop('GetPermissionsTable', { table_flags => 0 }, $folder)
        ->{handle};
    my @rows = $m->rows($t2, qw(PR_MEMBER_ID PR_MEMBER_NAME
        PR_MEMBER_RIGHTS));
    is($rows[0]{PR_MEMBER_ID}, 0, 'the default comes first');
    rop_is('ecSuccess', 'ModifyPermissions', { modify_flags => 0, rows => [
        { flags => 2, props => [ [ PR('PR_MEMBER_ID'), 0 ],
          [ PR('PR_MEMBER_RIGHTS'), 0x401 ] ] } ] }, $folder);
    $m->release($t2);
    $t2 = $m->rop('GetPermissionsTable', { table_flags => 0 }, $folder)
        ->{handle};
    @rows = $m->rows($t2, qw(PR_MEMBER_ID PR_MEMBER_RIGHTS));
    is($rows[0]{PR_MEMBER_RIGHTS} & 0x401, 0x401, 'has new rights');
    $m->release($t2);
};

subtest 'notifications' => sub {
    my $n = $m->rop('RegisterNotification', { notification_types => 0x1E,
        want_whole_store => 0, folder_id => $fid, message_id => 0 },
        $store)->{handle};
    my $c = $m->rop('GetContentsTable', { table_flags => 0 }, $folder)
        ->{handle};
    $m->rows($c, 'PR_SUBJECT');
    $m->poll;
    $m->wait_start;
    is($m->wait_finish(0.3), undef, 'nothing yet');
    my $other = Posthorn::MAPI->new(url => $t->url,
        user => $t->address('alice'), password => $t->password('alice'),
        dn => $m->{dn});
    $other->connect;
    $other->logon;
    my $mid = $other->create_message($fid, { PR_SUBJECT => 'wake up' })
        ->{message_id};
    is($m->wait_finish(10), 1, 'a change wakes the waiter');
    my @all;
    $t->wait_for('notifications', 10, sub {
        push @all, $m->poll;
        return (grep { $_->{flags} & 0x100 } @all)
            && (grep { ($_->{flags} & 0xFFF) == 4 } @all);
    });
    my ($created) = grep { ($_->{flags} & 0xFFF) == 4 } @all;
    is($created->{message_id}, $mid, 'the new message');
    is($created->{notification_handle}, $n, 'to its subscription');
    my ($row) = grep { $_->{flags} & 0x100 } @all;
    is($row->{notification_handle}, $c, 'and a table event');
    $m->release($n, $c);
    $other->disconnect;
};

subtest 'read receipts' => sub {
    my $mid = new_message('tell me', props => { PR_MESSAGE_FLAGS => 8,
        PR_READ_RECEIPT_REQUESTED => 1, PR_SENT_REPRESENTING_NAME => 'Asker',
        PR_SENT_REPRESENTING_SMTP_ADDRESS => 'asker@example.net' });
    my $sent = sub {
        return grep { $_->{PR_SUBJECT} eq 'Read: tell me' }
            $m->contents($m->open_folder('outbox'),
                [qw(PR_SUBJECT PR_MESSAGE_CLASS PidTagMid)]);
    };
    my $o = $m->open_message($fid, $mid, 1)->{handle};
    rop_is('ecSuccess', 'SetMessageReadFlag', { read_flags => 4 }, $o,
        'unread');
    is(scalar($sent->()), 0, 'no receipt for an unread message');
    rop_is('ecSuccess', 'SetMessageReadFlag', { read_flags => 0 }, $o,
        'read');
    my @r = $sent->();
    is(scalar @r, 1, 'a receipt in the queue');
    is($r[0]{PR_MESSAGE_CLASS}, 'REPORT.IPM.Note.IPNRN', 'its class');
    my $report = $m->open_message($F{outbox}, $r[0]{PidTagMid}, 0);
    is($report->{info}{recipient_count}, 1, 'to who asked');
    $m->release($report->{handle});
    $m->rop('SetMessageReadFlag', { read_flags => $_ }, $o) for 4, 0;
    is(scalar($sent->()), 1, 'only once');
    $m->release($o);
};

subtest 'transport' => sub {
    my $x = $m->create_message($F{outbox}, { PR_SUBJECT => 'later',
        PR_DEFERRED_SEND_TIME => Posthorn::MAPI::filetime(time() + 3600) },
        recipients => [ [ 1, 'Bob', 'bob@example.test' ] ]);
    my $h = $x->{handle};
    my $mid = $x->{message_id};
    rop_is('ecSuccess', 'SubmitMessage', { submit_flags => 0 }, $h);
    $m->release($h);
    rop_is('ecSuccess', 'AbortSubmit', { folder_id => $F{outbox},
        message_id => $mid }, $store);
    my $again = $m->try('AbortSubmit', { folder_id => $F{outbox},
        message_id => $mid }, $store);
    ok($again->{ec}, 'only once: ' . ec_name($again->{ec}));
    my $y = $m->create_message($F{outbox}, { PR_SUBJECT => 'to nobody' });
    rop_is('MAPI_E_NO_RECIPIENTS', 'SubmitMessage', { submit_flags => 0 },
        $y->{handle}, 'without recipients');
    rop_is('ecSuccess', 'SpoolerLockMessage', { message_id => $mid,
        lock_state => $_ }, $store, "SpoolerLockMessage $_") for 0 .. 2;
    rop_is('ecInvalidParam', 'SpoolerLockMessage', { message_id => $mid,
        lock_state => 3 }, $store, 'an unknown state');
    rop_is('ecNotFound', 'SpoolerLockMessage', { message_id => eid(1, 0xFFFF),
        lock_state => 0 }, $store, 'an unknown message');
    rop_is('ecNotSupported', 'SpoolerLockMessage', { message_id => $mid,
        lock_state => 0 }, $folder, 'a lock needs the logon');
    my %mail = (folder_id => $F{outbox}, message_class => 'IPM.Note');
    rop_is('ecSuccess', 'TransportNewMail', { message_id => $mid, %mail },
        $store, 'TransportNewMail');
    rop_is('ecNotFound', 'TransportNewMail', { message_id => $mid, %mail,
        folder_id => $fid }, $store, 'a message of another folder');
    rop_is('ecNotSupported', 'TransportNewMail', { message_id => $mid, %mail },
        $folder, 'new mail needs the logon');
    rop_is('MAPI_E_NO_RECIPIENTS', 'TransportSend', {}, $y->{handle},
        'TransportSend without recipients');
    rop_is('ecNotSupported', 'TransportSend', {}, $folder,
        'TransportSend of a folder');
    $m->recipients($y->{handle}, [ 1, 'Bob', 'bob@example.test' ]);
    $m->set($y->{handle}, PR_DEFERRED_SEND_TIME =>
        Posthorn::MAPI::filetime(time() + 3600));
    is(rop_is('ecSuccess', 'TransportSend', {}, $y->{handle})
        ->{no_properties_returned}, 1, 'nothing to tell');
    rop_is('ecSuccess', 'AbortSubmit', { folder_id => $F{outbox},
        message_id => $y->{message_id} }, $store, 'it waits in the queue');
    $m->release($y->{handle});
};

subtest 'rules' => sub {
    my @cols = qw(PR_RULE_ID PR_RULE_SEQUENCE PR_RULE_NAME PR_RULE_STATE);
    my $rules = sub {
        my $h = $m->rop('GetRulesTable', { table_flags => 0x40 },
            $folder)->{handle};
        my @rows = $m->rows($h, @cols);
        $m->release($h);
        return @rows;
    };
    my $action = pack('v/a*', pack('C V V', 10, 0, 0));      # delete
    my $rule = sub {
        my ($name, %o) = @_;
        return { flags => $o{flags} // 1, props => [
            [ 'PR_RULE_NAME', $name ], [ PR_RULE_STATE => 1 ],
            [ 'PR_RULE_SEQUENCE', $o{sequence} // 1 ],
            [ 'PR_RULE_PROVIDER', 'test' ],
            [ 'PR_RULE_CONDITION', [ 'exist', 'PR_SUBJECT' ] ],
            [ 'PR_RULE_ACTIONS', $o{actions} // pack('v', 1) . $action ],
            @{ $o{props} || [] } ] };
    };
    my $modify = sub {
        my ($want, $what, $flags, @rows) = @_;
        local $Test::Builder::Level = $Test::Builder::Level + 1;
        rop_is($want, 'ModifyRules', { modify_rules_flags => $flags,
            rows => \@rows }, $folder, $what);
    };
    $modify->('ecSuccess', 'rules are added', 0,
        $rule->('b', sequence => 9), $rule->('a', sequence => -1));
    my @rows = $rules->();
    is(join(' ', map { $_->{PR_RULE_NAME} } @rows), 'a b',
        'they come in their order');
    $modify->('ecInvalidParam', 'one bad row', 0, $rule->('c'),
        $rule->('d', actions => pack('v', 1)
            . pack('v/a*', pack('C V V V', 6, 0, 0, 0x99))));
    is(scalar($rules->()), 2, 'adds none');
    $modify->('ecInvalidParam', 'flags that are none', 2);
    $modify->('ecInvalidParam', 'a row that is nothing', 0,
        $rule->('e', flags => 3));
    $modify->('ecInvalidParam', 'a removal in a replacement', 1,
        { flags => 4, props => [ [ 'PR_RULE_ID', $rows[0]{PR_RULE_ID} ] ] });
    $modify->('ecNotFound', 'a rule that is not there', 0,
        { flags => 4, props => [ [ 'PR_RULE_ID', eid(1, 0xFFFFFF) ] ] });
    my @big = map { $m->try('ModifyRules', { rows => [ $rule->('big',
        sequence => 100, props => [ [ 'PR_RULE_PROVIDER_DATA',
        'x' x 28000 ] ]) ] }, $folder)->{ec} } 1 .. 10;
    is(join(' ', map { ec_name($_) } @big[0, 9]), 'ecSuccess ecMAPIOOM',
        '256 KiB of rules and no more');
    $modify->('ecSuccess', 'one is changed', 0, { flags => 2, props => [
        [ 'PR_RULE_ID', $rows[0]{PR_RULE_ID} ], [ PR_RULE_STATE => 0 ] ] });
    is_deeply([ map { $_->{PR_RULE_STATE} } ($rules->())[0, 1] ], [ 0, 1 ],
        'only that one');
    my $r = $m->rop('OpenFolder', { folder_id => $fid }, $store);
    is($r->{has_rules}, 1, 'the folder has rules');
    $m->release($r->{handle});
    $modify->('ecSuccess', 'all are replaced by none', 1);
    is(scalar($rules->()), 0, 'no rules');
    rop_is('ecNotSupported', 'GetRulesTable', { table_flags => 1 }, $folder,
        'flags that are reserved');
    rop_is('ecNotSupported', 'GetRulesTable', {}, $store, 'not of a store');
    rop_is('ecNotSupported', 'ModifyRules', {}, $store, 'nor there');
    rop_is('ecNotSupported', 'UpdateDeferredActionMessages', {
        server_entry_id => 'a', client_entry_id => 'b' }, $folder,
        'deferred actions of a folder');
    rop_is('ecInvalidParam', 'UpdateDeferredActionMessages', {}, $store,
        'without entry ids');

    my $dam = $m->create_message($F{deferred_action}, { PR_MESSAGE_CLASS =>
        'IPC.Microsoft Exchange 4.0.Deferred Action',
        PR_DAM_ORIGINAL_ENTRYID => 'server' });
    $m->release($dam->{handle});
    rop_is('ecSuccess', 'UpdateDeferredActionMessages', {
        server_entry_id => 'server', client_entry_id => 'client' }, $store,
        'a deferred action is patched');
    my $h = $m->open_message($F{deferred_action}, $dam->{message_id})
        ->{handle};
    my $got = $m->get($h, qw(PR_DAM_ORIGINAL_ENTRYID PR_DAM_BACK_PATCHED));
    is($got->{PR_DAM_ORIGINAL_ENTRYID}, 'client', 'with the new entry id');
    is($got->{PR_DAM_BACK_PATCHED}, 1, 'and marked so');
    $m->release($h);
};

# t/search.t has more
subtest 'search criteria' => sub {
    my $h = $m->create_folder($m->open_folder('finder'), 'rops search',
        folder_type => 2)->{handle};
    rop_is('ecNotSearchFolder', 'SetSearchCriteria', { search_flags => 2 },
        $folder);
    rop_is('ecNotInitialized', 'GetSearchCriteria', {}, $h);
    rop_is('ecNotInitialized', 'SetSearchCriteria', { search_flags => 2,
        restriction => [ 'exist', 'PR_SUBJECT' ] }, $h, 'without folders');
    $m->rop('SetSearchCriteria', { search_flags => 2, folder_ids => [ $fid ],
        restriction => [ 'exist', 'PR_SUBJECT' ] }, $h);
    my $r = $m->rop('GetSearchCriteria', { use_unicode => 1,
        include_restriction => 1, include_folders => 1 }, $h);
    is($r->{folder_ids}[0], $fid, 'GetSearchCriteria');
    $m->release($h);
};

# ---- the frame ----

subtest 'handles' => sub {
    rop_is('ecNullObject', 'GetPropertiesList', {}, 0xFFFFFFFF, 'no object');
    my $h = $m->open_folder($fid);
    $m->release($h);
    my $r = $m->try('GetPropertiesList', {}, $h);
    ok($r->{ec} == EC('ecNullObject') || $r->{ec} == EC('ecInvalidObject'),
        'a released object');
    my @r = $m->batch([ 'OpenFolder', { folder_id => eid(1, 0xFFFFFF) },
        $store ], [ 'GetContentsTable', {}, \0 ],
        [ 'GetTransportFolder', {}, $store ]);
    is(join(' ', map { ec_name($_->{ec}) } @r),
        'ecNotFound ecNullObject ecSuccess', 'a failure does not stop');
    my $big = new_message('big', open => 1, props => {
        0x70010102 => 'z' x 20000, 0x70020102 => 'y' x 20000 });
    $r = $m->try('GetPropertiesSpecific', { tags => [ 0x70010102,
        0x70020102, 'PR_SUBJECT' ] }, $big->{handle});
    is_ec($r, 'ecSuccess', 'values that do not fit');
    is($r->{row}[2], 'big', 'do not keep the others away');
    $m->release($big->{handle});
    my $bad = $m->execute_raw(Posthorn::ROP::wrap("\4\0\x62\0"));
    is(ec_name($bad->{error_code}), 'ecRpcFormat', 'an unknown ROP');
    $bad = $m->execute_raw(Posthorn::ROP::wrap("\7\0\x02\0\0\0\1" . "\0" x 4));
    is(ec_name($bad->{error_code}), 'ecRpcFormat', 'half a ROP');
    is_ec($m->try('GetTransportFolder', {}, $store), 'ecSuccess',
        'and life goes on');
    for my $flags (0, 1, 2, 3) {
        my ($x) = $m->batch({ flags => $flags },
            [ 'GetPropertiesAll', {}, $store ]);
        ok(@{ $x->{props} } > 5, "Execute with flags $flags");
    }
};

# the rest is in t/fasttransfer.t
subtest 'fast transfer' => sub {
    my $x = new_message('transferred', open => 1);
    my $h = $m->rop('FastTransferSourceCopyTo', { level => 0,
        copy_flags => 0, send_options => 1, excluded_tags => [] },
        $x->{handle})->{handle};
    rop_is('ecSuccess', 'TellVersion', {}, $h);
    my $data = fx_read($m, $h);
    my $to = new_message('', open => 1);
    fx_write($m, fx_dest($m, 1, $to->{handle}), $data);
    fx_write($m, fx_dest($m, 1, $to->{handle}), $data, 50,
        'FastTransferDestinationPutBufferExtended');
    is($m->get($to->{handle}, 'PR_SUBJECT')->{PR_SUBJECT}, 'transferred',
        'there and back');
    for (['CopyTo', $folder], ['CopyProperties', $folder],
        ['CopyFolder', $folder],
        ['CopyMessages', $folder, message_ids => [ $x->{message_id} ] ])
    {
        my ($kind, $on, %f) = @$_;
        ok(length fx_read($m, fx_source($m, $kind, $on, %f)), $kind);
        $f{tags} = [] if $kind eq 'CopyProperties';
        $f{excluded_tags} = [] if $kind eq 'CopyTo';
        rop_is('ecNotSupported', "FastTransferSource$kind", { %f }, $store,
            "$kind of a logon");
        rop_is('ecInvalidParam', "FastTransferSource$kind",
            { %f, send_options => 0x80 }, $on, "$kind: unknown options");
        rop_is('ecInvalidParam', "FastTransferSource$kind",
            { %f, copy_flags => 0x80 }, $on, "$kind: unknown flags");
    }
    rop_is('ecNotSupported', 'FastTransferSourceGetBuffer',
        { buffer_size => 0x100 }, $folder, 'GetBuffer of a folder');
    rop_is('ecNotSupported', 'FastTransferDestinationPutBuffer',
        { data => 'x' }, $folder, 'PutBuffer to a folder');
    rop_is('ecNotSupported', 'FastTransferDestinationPutBufferExtended',
        { data => 'x' }, $folder, 'PutBufferExtended to a folder');
    rop_is('ecInvalidParam', 'FastTransferDestinationConfigure',
        { source_operation => 5 }, $folder, 'an unknown operation');
    rop_is('ecNotSupported', 'FastTransferDestinationConfigure',
        { source_operation => 1 }, $store, 'into a logon');
    $m->release($x->{handle}, $to->{handle}, $h);
};

# the rest is in t/ics.t
subtest 'synchronization' => sub {
    my $f = $m->create_folder($folder, 'synchronized');
    my $h = $f->{handle};
    my $mid = $m->create_message($f->{folder_id}, { PR_SUBJECT => 'one' })
        ->{message_id};
    my $r = sync($m, $h);
    is(join(' ', map { $_->{props}{PR('PR_NORMALIZED_SUBJECT')} // 'none' }
        @{ $r->{changes} }), 'one', 'a first synchronization');
    is(scalar @{ sync($m, $h, state => $r->{state})->{changes} }, 0,
        'and nothing behind it');
    rop_is('ecInvalidParam', 'SynchronizationConfigure',
        { synchronization_type => 4, send_options => 0,
          synchronization_flags => 0x30, synchronization_extra_flags => 0,
          tags => [] }, $h, 'an unknown type');
    rop_is('ecInvalidParam', 'SynchronizationConfigure',
        { synchronization_type => 1, send_options => 0,
          synchronization_flags => 0x1030, synchronization_extra_flags => 0,
          tags => [] }, $h, 'the reserved flag');
    rop_is('ecInvalidParam', 'SynchronizationConfigure',
        { synchronization_type => 1, send_options => 0,
          synchronization_flags => 0x31, synchronization_extra_flags => 0,
          tags => [] }, $h, 'Unicode here and not there');
    rop_is('ecNotSupported', 'SynchronizationOpenCollector',
        { is_contents_collector => 1 }, $store, 'a collector on a logon');

    my $x = collector($m, $h, 1, $r->{state});
    rop_is('ecInvalidParam', 'SynchronizationUploadStateStreamBegin',
        { state_property => 0x3001001F, transfer_buffer_size => 1 }, $x,
        'a state that is none');
    rop_is('ecError', 'SynchronizationUploadStateStreamContinue',
        { data => 'x' }, $x, 'Continue without Begin');
    rop_is('ecError', 'SynchronizationUploadStateStreamEnd', {}, $x,
        'End without Begin');
    my $ids = $m->rop('GetLocalReplicaIds', { id_count => 16 }, $store);
    my $n = 0;
    my $key = sub { my $c = unpack('Q>', "\0\0$ids->{global_count}") + $n++;
        return $ids->{repl_guid} . substr(pack('Q>', $c), 2) };
    my $own = $key->();
    $r = rop_is('ecSuccess', 'SynchronizationImportMessageChange',
        { import_flag => 0, props => [ version($own, xid()) ] }, $x);
    is($r->{message_id}, 0, 'no id yet');
    $m->set($r->{handle}, PR_SUBJECT => 'uploaded');
    ok($m->rop('SaveChangesMessage', { save_flags => 0 }, $r->{handle})
        ->{message_id}, 'saved');
    is(subjects($h), 'one uploaded', 'a message from the client');
    rop_is('ecNotSupported', 'SynchronizationImportHierarchyChange',
        { hierarchy_values => [], property_values => [] }, $x,
        'folders into a contents collector');
    rop_is('ecSuccess', 'SynchronizationImportReadStateChanges',
        { changes => pack('v', 22) . gid($m, $mid) . "\0" }, $x);
    rop_is('ecInvalidParam', 'SynchronizationImportReadStateChanges',
        { changes => "\x16\0short" }, $x, 'read states cut off');
    my $to = $m->create_folder($folder, 'moved to');
    my $y = collector($m, $to->{handle}, 1);
    my @v = version('', xid());
    rop_is('SYNC_W_CLIENT_CHANGE_NEWER', 'SynchronizationImportMessageMove', {
        source_folder_id => gid($m, $f->{folder_id}),
        source_message_id => $own, predecessor_change_list => $v[3][1],
        destination_message_id => $key->(), change_number => $v[2][1] }, $y);
    is(subjects($to->{handle}), 'uploaded', 'moved');
    rop_is('ecSuccess', 'SynchronizationImportDeletes',
        { import_delete_flags => 2,
          props => [ [ 0x1102, [ gid($m, $mid) ] ] ] }, $x);
    is(subjects($h), '', 'deleted');
    rop_is('ecInvalidParam', 'SynchronizationImportDeletes',
        { import_delete_flags => 4, props => [ [ 0x1102, [] ] ] }, $x,
        'an unknown flag');
    ok(transfer_state($m, $x)->{seen}, 'the state of a collector');
    rop_is('ecNotSupported', 'SynchronizationGetTransferState', {}, $h,
        'the state of a folder');

    my $z = collector($m, $h, 0);
    rop_is('ecSuccess', 'SynchronizationImportHierarchyChange',
        { hierarchy_values => [ [ PR('PR_PARENT_SOURCE_KEY'), '' ],
            version($key->(), xid()), [ PR('PR_DISPLAY_NAME'), 'below' ] ],
          property_values => [] }, $z);
    $r = sync($m, $h, contents => 0);
    is(join(' ', map { $_->{head}{PR('PR_DISPLAY_NAME')} }
        @{ $r->{changes} }), 'below', 'a folder from the client');
    my $gone = $key->();
    rop_is('ecSuccess', 'SetLocalReplicaMidsetDeleted', { deleted =>
        { ranges => [ { min => "$gone\0\0", max => "$gone\0\0" } ] } }, $h);
    rop_is('SYNC_E_OBJECT_DELETED', 'SynchronizationImportMessageChange',
        { import_flag => 0, props => [ version($gone, xid()) ] }, $x,
        'an id that was given up');
    $m->release($x, $y, $z, $h, $to->{handle});
};

subtest 'unhandled' => sub {
    my $codec = Posthorn::ROP::codec();
    my $un = $codec->{file}{unhandled};
    for my $name (sort keys %$un) {
        my $r = $m->try($name, {}, [ $folder, $folder ]);
        is($r->{ec}, hex $un->{$name}{code}, "$name is refused");
    }
    for my $rop (@{ $codec->rops }) {
        next if $un->{ $rop->{name} } || $rop->{flags}{silent}
            || $rop->{handles}[0] eq 'server';
        ok($Posthorn::ROP::SEEN{ $rop->{name} }, "$rop->{name} is tested");
    }
};

$m->disconnect;
$t->stop;
done_testing();
