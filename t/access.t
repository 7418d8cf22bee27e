#!/usr/bin/perl

# Other people's mailboxes, public folders, delegates: end to end, with
# mailboxes spread over several workers, so that logons cross from one to
# another.

use strict;
use warnings;
use utf8;

use JSON::PP qw(decode_json);
use Test::More;

use Posthorn::Codec;
use Posthorn::MAPI qw(PR EC ec_name eid);
use Posthorn::Test;

my @USERS = qw(alice bob carol dave);
my $t = Posthorn::Test->new(servers => [qw(directory exmdb delivery nginx)],
    users => \@USERS, conf => { exmdb => { workers => 4 } });
$t->start;

sub client {
    my ($name) = @_;
    my $m = Posthorn::MAPI->new(url => $t->url, user => $t->address($name),
        password => $t->password($name));
    $m->connect;
    return $m;
}

sub rop_is {
    my ($m, $want, $name, $fields, $h, $what, %o) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $r = $m->try($name, $fields, $h, %o);
    is(ec_name(($r || { ec => -1 })->{ec}), $want, $what || $name);
    return $r;
}

# a logon of somebody to another one's mailbox, with an id of its own
sub logon_to {
    my ($m, $dn, $id, %o) = @_;
    return $m->try('Logon', { logon_flags => $o{public} ? 0 : 1,
        open_flags => $o{open_flags} // ($o{public} ? 2 : 0x01000004),
        essdn => $o{public} ? '' : "$dn\0" }, undef, logon_id => $id);
}

sub open_at {
    my ($m, $l, $id, $fid) = @_;
    return $m->try('OpenFolder', { folder_id => $fid, open_mode_flags => 0 },
        $l, logon_id => $id);
}

my %m = map { $_ => client($_) } @USERS, 'admin';
$_->logon for values %m;
my %F = %{ $m{alice}{folders} };
my $dn = $m{alice}{dn};
my $work = $m{alice}->create_folder($m{alice}->open_folder('ipm_subtree'),
    'shared');
my $fid = $work->{folder_id};

sub rights {
    my ($who, $rights) = @_;
    $t->phctl_ok('permission', 'set', $t->address('alice'), 'shared',
        $who =~ /^(?:default|anonymous)$/ ? $who : $t->address($who),
        $rights);
}

# ---- somebody else's mailbox ----

subtest 'a folder of another mailbox' => sub {
    my $mid = $m{alice}->create_message($fid,
        { PR_SUBJECT => 'of alice' })->{message_id};

    for my $name (qw(bob carol dave)) {
        my $m = $m{$name};
        my $r = logon_to($m, $dn, 5);
        is(ec_name($r->{ec}), 'ecSuccess', "$name: logon");
        my $l = $r->{handle};
        is($r->{response_flags} & 6, 0, "$name: neither owner nor sender");
        is($r->{folder_ids}[4], $F{inbox}, "$name: alice's folders");
        is(ec_name(open_at($m, $l, 5, $fid)->{ec}), 'ecNotFound',
            "$name: nothing to see");

        rights($name, 'reviewer');
        $r = open_at($m, $l, 5, $fid);
        is(ec_name($r->{ec}), 'ecSuccess', "$name: the reviewer opens it");
        my $h = $r->{handle};
        my $table = $m->rop('GetContentsTable', { table_flags => 0 }, $h,
            logon_id => 5)->{handle};
        $m->rop('SetColumns', {
            tags => [ PR('PR_SUBJECT'), PR('PR_ACCESS') ] }, $table,
            logon_id => 5);
        $r = $m->rop('QueryRows', { flags => 0, forward_read => 1,
            row_count => 10 }, $table, logon_id => 5);
        is($r->{row_count}, 1, "$name: one row");
        $r = rop_is($m, 'ecSuccess', 'OpenMessage', { cpid => 0xFFF,
            folder_id => $fid, open_mode_flags => 0, message_id => $mid },
            $l, "$name: reads it", logon_id => 5);
        rop_is($m, 'ecAccessDenied', 'OpenMessage', { cpid => 0xFFF,
            folder_id => $fid, open_mode_flags => 1, message_id => $mid },
            $l, "$name: does not write it", logon_id => 5);
        rop_is($m, 'ecAccessDenied', 'CreateMessage', { cpid => 0xFFF,
            folder_id => $fid, associated_flag => 0 }, $l,
            "$name: puts nothing in", logon_id => 5);
        rop_is($m, 'ecAccessDenied', 'DeleteMessages', { want_asynchronous =>
            0, notify_non_read => 0, message_ids => [ $mid ] }, $h,
            "$name: deletes nothing", logon_id => 5);

        rights($name, 'author');
        $r = rop_is($m, 'ecSuccess', 'CreateMessage', { cpid => 0xFFF,
            folder_id => $fid, associated_flag => 0 }, $l,
            "$name: the author writes", logon_id => 5);
        my $new = $r->{handle};
        $m->rop('SetProperties', { props => { v => [ [ PR('PR_SUBJECT'),
            "of $name" ] ] } }, $new, logon_id => 5);
        $r = rop_is($m, 'ecSuccess', 'SaveChangesMessage', { save_flags => 2 },
            $new, "$name: and saves", logon_id => 5);
        my $own = $r->{message_id};
        $m->batch([ 'Release', {}, $new, { logon_id => 5 } ]);
        rop_is($m, 'ecSuccess', 'OpenMessage', { cpid => 0xFFF,
            folder_id => $fid, open_mode_flags => 1, message_id => $own },
            $l, "$name: changes his own", logon_id => 5);
        $r = rop_is($m, 'ecSuccess', 'DeleteMessages', { want_asynchronous =>
            0, notify_non_read => 0, message_ids => [ $mid, $own ] }, $h,
            "$name: deletes", logon_id => 5);
        is($r->{partial_completion}, 1, "$name: of two his own");

        # his open handles notice that the right is gone
        rights($name, 'none');
        rop_is($m, 'ecAccessDenied', 'QueryRows', { flags => 0,
            forward_read => 1, row_count => 10 }, $table,
            "$name: no more rows", logon_id => 5);
    }
};

subtest 'two logons in one Execute' => sub {
    rights('bob', 'editor');
    my $m = $m{bob};
    my $r = logon_to($m, $dn, 7);
    my $l = $r->{handle};
    my @r = $m->batch(
        [ 'OpenFolder', { folder_id => $m->{folders}{inbox},
          open_mode_flags => 0 }, $m->{logon} ],
        [ 'OpenFolder', { folder_id => $fid, open_mode_flags => 0 }, $l,
          { logon_id => 7 } ],
        [ 'GetContentsTable', { table_flags => 0 }, \0 ],
        [ 'GetContentsTable', { table_flags => 0 }, \1, { logon_id => 7 } ],
        [ 'OpenFolder', { folder_id => $fid, open_mode_flags => 0 },
          $m->{logon} ]);
    is(join(' ', map { ec_name($_->{ec}) } @r[0 .. 3]),
        'ecSuccess ecSuccess ecSuccess ecSuccess', 'each in its mailbox');
    is($r[3]{row_count}, 1, 'rows of the other mailbox');
    rop_is($m, 'ecAccessDenied', 'GetContentsTable', { table_flags => 0 },
        $r[1]{handle}, 'a handle of the other logon');
    $m->batch([ 'Release', {}, $l, { logon_id => 7 } ]);
    my ($gone) = $m->batch([ 'GetContentsTable', { table_flags => 0 },
        $r[1]{handle}, { logon_id => 7 } ]);
    is(ec_name($gone->{ec}), 'ecNullObject', 'gone with its logon');
};

subtest 'notifications from the other mailbox' => sub {
    my $m = $m{dave};
    rights('dave', 'reviewer');
    my $l = logon_to($m, $dn, 9)->{handle};
    my $r = $m->rop('RegisterNotification', { notification_types => 4,
        reserved => 0, want_whole_store => 0, folder_id => $fid,
        message_id => 0 }, $l, logon_id => 9);
    $m->poll;
    $m->wait_start;
    $m{alice}->create_message($fid, { PR_SUBJECT => 'news' });
    my $pending;
    for (1 .. 50) {
        $pending = $m->wait_finish(0.2);
        last if defined $pending;
    }
    is($pending, 1, 'the waiter wakes');
    my @n = $m->poll;
    @n = $m->poll unless grep { $_->{name} eq 'Notify' } @n;
    @n = grep { $_->{name} eq 'Notify' && $_->{logon_id} == 9 } @n;
    is(scalar(@n), 1, 'one notification')
        or diag(explain(\@n));
    is($n[0]{notification_handle}, $r->{handle}, 'of that subscription');
};

subtest 'the mailbox as a whole' => sub {
    $t->phctl_ok('delegate', 'set', $t->address('alice'), $t->address('carol'),
        '--full', '--send-as');
    my $r = logon_to($m{carol}, $dn, 3);
    is($r->{response_flags} & 6, 6, 'owner, and may send');
    my $h = open_at($m{carol}, $r->{handle}, 3, $F{inbox});
    is(ec_name($h->{ec}), 'ecSuccess', 'opens the Inbox');
    $t->phctl_ok('delegate', 'remove', $t->address('alice'),
        $t->address('carol'));
    $r = logon_to($m{admin}, $dn, 3, open_flags => 0x01000005);
    is($r->{response_flags} & 2, 2, 'the administrator opens all');
    is(ec_name(logon_to($m{bob}, $m{bob}{dn} . 'x', 4)->{ec}),
        'ecUnknownUser', 'nobody');
    my $list = decode_json($t->phctl_ok('--json', 'permission', 'list',
        $t->address('alice'), 'shared'));
    is((grep { $_->{member} eq $t->address('bob') } @$list)[0]{role},
        'editor', 'phctl permission list');
};

subtest 'members of groups' => sub {
    $t->phctl_ok('group', 'create', $t->address('team'));
    $t->phctl_ok('group', 'create', $t->address('inner'));
    $t->phctl_ok('group', 'add', $t->address('team'), $t->address('inner'));
    $t->phctl_ok('permission', 'remove', $t->address('alice'), 'shared',
        $t->address('carol'));
    rights('team', 'reviewer');
    my $l = logon_to($m{carol}, $dn, 6)->{handle};
    is(ec_name(open_at($m{carol}, $l, 6, $fid)->{ec}), 'ecNotFound',
        'not a member');
    $t->phctl_ok('group', 'add', $t->address('inner'), $t->address('carol'));
    # the directory tells its watchers after it has answered
    my $ec = '';
    for (1 .. 100) {
        $ec = ec_name(open_at($m{carol}, $l, 6, $fid)->{ec});
        last if $ec eq 'ecSuccess';
        select(undef, undef, undef, 0.05);
    }
    is($ec, 'ecSuccess', 'a member of a member, in an open session');
};

subtest 'private items' => sub {
    my $p = $m{alice}->create_message($fid, { PR_SUBJECT => 'secret',
        PR_SENSITIVITY => 2 })->{message_id};
    rights('bob', 'editor');
    my $l = logon_to($m{bob}, $dn, 8)->{handle};
    rop_is($m{bob}, 'ecAccessDenied', 'OpenMessage', { cpid => 0xFFF,
        folder_id => $fid, open_mode_flags => 0, message_id => $p }, $l,
        'a private item', logon_id => 8);
    my $h = open_at($m{bob}, $l, 8, $fid)->{handle};
    my $n = $m{bob}->rop('GetContentsTable', { table_flags => 0 }, $h,
        logon_id => 8)->{row_count};
    $t->phctl_ok('delegate', 'set', $t->address('alice'), $t->address('bob'),
        '--private');
    $l = logon_to($m{bob}, $dn, 8)->{handle};
    $h = open_at($m{bob}, $l, 8, $fid)->{handle};
    is($m{bob}->rop('GetContentsTable', { table_flags => 0 }, $h,
        logon_id => 8)->{row_count}, $n + 1, 'with the delegate\'s flag');
};

subtest 'in the name of another' => sub {
    my ($m, $mid) = ($m{bob});
    my $send = sub {
        my $x = $m->create_message($m->{folders}{outbox}, {
            PR_SUBJECT => $_[0], PR_BODY => 'x',
            PR_SENT_REPRESENTING_ADDRTYPE => 'EX',
            PR_SENT_REPRESENTING_EMAIL_ADDRESS => $dn },
            recipients => [ [ 1, 'carol', $t->address('carol') ] ]);
        my $r = $m->try('SubmitMessage', { submit_flags => 0 }, $x->{handle});
        my $p = $m->get($x->{handle}, PR('PR_SENDER_SMTP_ADDRESS'),
            PR('PR_SENT_REPRESENTING_SMTP_ADDRESS'));
        return (ec_name($r->{ec}), values %$p);
    };
    is(($send->('not allowed'))[0], 'ecAccessDenied', 'a stranger');
    $t->phctl_ok('delegate', 'set', $t->address('alice'), $t->address('bob'),
        '--on-behalf');
    my ($ec, @who) = $send->('on behalf');
    is($ec, 'ecSuccess', 'on behalf');
    is(join(' ', sort @who), $t->address('alice') . ' ' . $t->address('bob'),
        'both are named');
    $t->phctl_ok('delegate', 'set', $t->address('alice'), $t->address('bob'),
        '--send-as');
    ($ec, @who) = $send->('as alice');
    is($ec, 'ecSuccess', 'send as');
    is(join(' ', sort @who), join(' ', ($t->address('alice')) x 2),
        'alice alone');
    $t->phctl_ok('delegate', 'remove', $t->address('alice'),
        $t->address('bob'));
    is(($send->('no more'))[0], 'ecAccessDenied', 'taken away');
};

# ---- public folders ----

is(ec_name(logon_to($m{bob}, '', 20, public => 1)->{ec}), 'ecLoginFailure',
    'no public folders yet');
$t->phctl_ok('public', 'create', $t->domain);
$t->phctl_ok('public', 'create', $t->domain);
$t->phctl_ok('public', 'folder', $t->domain, 'News');

subtest 'public folders' => sub {
    my (%l, $news);
    for my $name (qw(alice bob)) {
        my $m = $m{$name};
        my $r = logon_to($m, '', 20, public => 1);
        is(ec_name($r->{ec}), 'ecSuccess', "$name: public logon");
        is(scalar(grep { $_ } @{ $r->{folder_ids} }), 4, "$name: four ids");
        $l{$name} = $r->{handle};
        my $h = $m->rop('OpenFolder', { folder_id => $r->{folder_ids}[1],
            open_mode_flags => 0 }, $l{$name}, logon_id => 20)->{handle};
        my $table = $m->rop('GetHierarchyTable', { table_flags => 0 }, $h,
            logon_id => 20)->{handle};
        $m->rop('SetColumns', {
            tags => [ PR('PidTagFolderId') ] }, $table, logon_id => 20);
        my $rows = $m->rop('QueryRows', { flags => 0, forward_read => 1,
            row_count => 10 }, $table, logon_id => 20);
        is($rows->{row_count}, 1, "$name: one folder");
        $news = $rows->{rows}[0][0];
    }
    my $new = sub {
        my ($name, $subject) = @_;
        my $h = $m{$name}->rop('CreateMessage', { cpid => 0xFFF,
            folder_id => $news, associated_flag => 0 }, $l{$name},
            logon_id => 20)->{handle};
        $m{$name}->rop('SetProperties', { props => { v => [ [ PR('PR_SUBJECT'),
            $subject ] ] } }, $h, logon_id => 20);
        return $m{$name}->rop('SaveChangesMessage', { save_flags => 2 }, $h,
            logon_id => 20)->{message_id};
    };
    my $unread = sub {
        my ($name) = @_;
        my $h = open_at($m{$name}, $l{$name}, 20, $news)->{handle};
        my $r = $m{$name}->rop('GetPropertiesSpecific', {
            property_size_limit => 0, want_unicode => 1,
            tags => [ PR('PR_CONTENT_UNREAD') ] }, $h, logon_id => 20);
        return $r->{row}[0];
    };
    my $one = $new->('alice', 'one');
    my $two = $new->('alice', 'two');
    is($unread->('alice'), 0, 'her own are read');
    is($unread->('bob'), 2, 'he has read nothing');
    my $h = open_at($m{bob}, $l{bob}, 20, $news)->{handle};
    my $r = rop_is($m{bob}, 'ecSuccess', 'SetReadFlags', {
        want_asynchronous => 0, read_flags => 1, message_ids => [ $one ] },
        $h, 'he reads one', logon_id => 20);
    is($r->{partial_completion}, 0, 'wholly');
    is($unread->('bob'), 1, 'one is left');
    is($unread->('alice'), 0, 'of hers nothing changed');
    rop_is($m{bob}, 'ecAccessDenied', 'OpenMessage', { cpid => 0xFFF,
        folder_id => $news, open_mode_flags => 1, message_id => $two },
        $l{bob}, 'an author changes his own alone', logon_id => 20);

    # the set of what he has read, as a client moves it between servers
    my $ltid = $m{bob}->rop('LongTermIdFromId', { object_id => $news },
        $l{bob}, logon_id => 20)->{long_term_id};
    my $info = $m{bob}->rop('ReadPerUserInformation', { folder_id => $ltid,
        reserved => 0, data_offset => 0, max_data_size => 0 }, $l{bob},
        logon_id => 20);
    is($info->{has_finished}, 1, 'all of it');
    ok(length $info->{data} > 16, 'a set with its GUID');
    $m{bob}->rop('SetReadFlags', { want_asynchronous => 0, read_flags => 4,
        message_ids => [ $one ] }, $h, logon_id => 20);
    is($unread->('bob'), 2, 'unread again');
    $m{bob}{public_logon} = 1;
    rop_is($m{bob}, 'ecSuccess', 'WritePerUserInformation', {
        folder_id => $ltid, has_finished => 1, data_offset => 0,
        data => $info->{data} }, $l{bob}, 'written back', logon_id => 20);
    $m{bob}{public_logon} = 0;
    is($unread->('bob'), 1, 'and read again');
    rop_is($m{bob}, 'ecError', 'ReadPerUserInformation', {
        folder_id => $ltid, reserved => 0, data_offset => 70000,
        max_data_size => 0 }, $l{bob}, 'behind the end', logon_id => 20);

    $r = rop_is($m{bob}, 'ecSuccess', 'GetOwningServers', { folder_id =>
        $news }, $l{bob}, 'owning servers', logon_id => 20);
    is($r->{server_count}, 1, 'one of them');
    $r = rop_is($m{bob}, 'ecSuccess', 'PublicFolderIsGhosted', { folder_id =>
        $news }, $l{bob}, 'ghosted', logon_id => 20);
    is($r->{ghost}{is_ghosted}, 0, 'not at all');
    rop_is($m{bob}, 'ecNotFound', 'GetOwningServers', { folder_id =>
        eid(1, 0x77777) }, $l{bob}, 'unknown folder', logon_id => 20);
    rop_is($m{bob}, 'ecNotSupported', 'GetReceiveFolder', { message_class =>
        'IPM' }, $l{bob}, 'no receive folders', logon_id => 20);
    rop_is($m{bob}, 'ecNotSupported', 'GetOwningServers', { folder_id =>
        $m{bob}{folders}{inbox} }, $m{bob}{logon}, 'private');

    # mail-enabled
    $t->phctl_ok('public', 'mail-enable', $t->domain, 'News',
        $t->address('news'));
    my ($answer) = $t->send_mail(from => 'stranger@elsewhere.example',
        to => [ $t->address('news') ],
        data => "From: stranger\@elsewhere.example\nSubject: by mail\n\nx\n");
    like($answer, qr/^250/, 'mail for the folder');
    is($unread->('alice'), 1, 'it is in the folder');
    $t->phctl_ok('permission', 'set', $t->domain, 'News', 'anonymous',
        'none');
    ($answer) = $t->send_mail(from => 'stranger@elsewhere.example',
        to => [ $t->address('news') ],
        data => "From: stranger\@elsewhere.example\nSubject: again\n\nx\n");
    like($answer, qr/^5/, 'without the right: refused');
    ($answer) = $t->send_mail(from => $t->address('bob'),
        to => [ $t->address('news') ],
        data => "From: bob\@example.test\nSubject: from bob\n\nx\n");
    like($answer, qr/^250/, 'bob may');
    is($unread->('alice'), 2, 'and it is there');
    like($t->phctl_ok('public', 'addresses', $t->domain), qr/news@.*News/,
        'phctl public addresses');
};

subtest 'per-user information of a private mailbox' => sub {
    my $m = $m{alice};
    my $guid = "\x21" x 16;
    my $ltid = $guid . "\0\0\0\0\1\2" . "\0\0";
    my $set = $guid . "\x06\0\0\0\0\0\x05" . "\x00";
    rop_is($m, 'ecSuccess', 'WritePerUserInformation', { folder_id => $ltid,
        has_finished => 0, data_offset => 0, repl_guid => $guid,
        data => substr($set, 0, 10) }, $m->{logon}, 'the first part');
    rop_is($m, 'ecError', 'WritePerUserInformation', { folder_id => $ltid,
        has_finished => 1, data_offset => 99, data => 'x' }, $m->{logon},
        'a part that does not follow');
    rop_is($m, 'ecSuccess', 'WritePerUserInformation', { folder_id => $ltid,
        has_finished => 0, data_offset => 0, repl_guid => $guid,
        data => substr($set, 0, 10) }, $m->{logon}, 'again');
    rop_is($m, 'ecSuccess', 'WritePerUserInformation', { folder_id => $ltid,
        has_finished => 1, data_offset => 10, data => substr($set, 10) },
        $m->{logon}, 'the rest');
    my $r = $m->rop('ReadPerUserInformation', { folder_id => $ltid,
        reserved => 0, data_offset => 0, max_data_size => 4 }, $m->{logon});
    is($r->{has_finished}, 0, 'more to come');
    $r = $m->rop('ReadPerUserInformation', { folder_id => $ltid,
        reserved => 0, data_offset => 4, max_data_size => 0 }, $m->{logon});
    is($r->{data}, substr($set, 4), 'the rest of it');
    $r = $m->rop('GetPerUserLongTermIds', { database_guid => $guid },
        $m->{logon});
    is($r->{long_term_ids_count} // scalar @{ $r->{long_term_ids} }, 1,
        'the folder is listed');
    $r = $m->rop('GetPerUserGuid', { long_term_id => $ltid }, $m->{logon});
    is($r->{database_guid}, $guid, 'its database');
    rop_is($m, 'ecNotFound', 'GetPerUserGuid', { long_term_id =>
        ("\x22" x 16) . ("\0" x 8) }, $m->{logon}, 'an unknown folder');
    rop_is($m, 'ecCorruptData', 'WritePerUserInformation', { folder_id =>
        $ltid, has_finished => 1, data_offset => 0, repl_guid => $guid,
        data => 'nonsense that is no set at all' }, $m->{logon},
        'no set');
};

$t->phctl_ok('check-store', $_)
    for $t->address('alice'), 'public-folders@' . $t->domain;
$_->disconnect for values %m;
$t->stop;
done_testing();
