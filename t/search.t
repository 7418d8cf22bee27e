#!/usr/bin/perl

# Search folders over MAPI/HTTP: criteria and their errors, filling, keeping up
# to date, tables and notifications, and operations through a search folder.

use strict;
use warnings;
use utf8;

use Test::More;

use Posthorn::Codec;
use Posthorn::MAPI qw(PR EC ec_name eid);
use Posthorn::Test;

my $t = Posthorn::Test->new(servers => [qw(directory exmdb nginx)]);
$t->start;

my $m = Posthorn::MAPI->new(url => $t->url, user => $t->address('alice'),
    password => $t->password('alice'));
$m->connect;
$m->logon;
my %F = %{ $m->{folders} };
my $store = $m->{logon};
my $finder = $m->open_folder('finder');
my $subtree = $m->open_folder('ipm_subtree');

my ($RUNNING, $REBUILD, $RECURSIVE, $COMPLETE) = (1, 2, 4, 0x1000);
my ($STATIC, $PARTIAL) = (0x10000, 0x2000);

sub rop_is {
    my ($want, $name, $fields, $h, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $r = $m->try($name, $fields, $h);
    is(ec_name($r->{ec}), $want, $what || $name);
    return $r;
}

my $serial = 0;

sub folder {
    my ($name, $parent) = @_;
    my $r = $m->create_folder($parent || $subtree, $name);
    return @$r{qw(folder_id handle)};
}

sub search_folder {
    my $r = $m->create_folder($finder, 'search ' . ++$serial,
        folder_type => 2);
    return @$r{qw(folder_id handle)};
}

sub criteria {
    my ($h) = @_;
    return $m->rop('GetSearchCriteria', { use_unicode => 1,
        include_restriction => 1, include_folders => 1 }, $h);
}

sub has {
    my ($word, %o) = @_;
    return [ 'content', $o{flags} || 0x10001, $o{tag} || 'PR_SUBJECT',
        $word ];
}

sub set_criteria {
    my ($h, $restriction, $fids, $flags) = @_;
    $m->rop('SetSearchCriteria', { restriction => $restriction,
        folder_ids => $fids, search_flags => $flags || 2 }, $h);
    return complete($h);
}

sub complete {
    my ($h) = @_;
    return $t->wait_for('the search to end', 10, sub {
        my $f = criteria($h)->{search_flags};
        return $f & $REBUILD ? undef : $f;
    });
}

sub subjects {
    my ($h, @tags) = @_;
    return join ' ', sort map { $_->{PR_SUBJECT} }
        $m->contents($h, ['PR_SUBJECT', @tags]);
}

sub message {
    my ($fid, $subject, %p) = @_;
    my $x = $m->create_message($fid, { PR_SUBJECT => $subject, %p });
    $m->release($x->{handle});
    return $x->{message_id};
}

subtest 'criteria' => sub {
    my ($fid, $h) = folder('criteria');
    my ($sid, $s) = search_folder();
    my $r = has('red');
    rop_is('ecNotInitialized', 'GetSearchCriteria', {}, $s, 'none yet');
    rop_is('ecNotSearchFolder', 'GetSearchCriteria', {}, $h,
        'of an ordinary folder');
    rop_is('ecNotSearchFolder', 'SetSearchCriteria', { restriction => $r,
        folder_ids => [ $fid ], search_flags => 2 }, $h,
        'for an ordinary folder');
    my %ok = (restriction => $r, folder_ids => [ $fid ]);
    rop_is('ecNotInitialized', 'SetSearchCriteria', { search_flags => 2,
        folder_ids => [ $fid ] }, $s, 'without restriction');
    for my $bad (3, 0xC, 0x30002, 0x100) {
        rop_is('ecInvalidParam', 'SetSearchCriteria', { %ok,
            search_flags => $bad }, $s, sprintf 'flags 0x%x', $bad);
    }
    rop_is('ecSearchFolderScopeViolation', 'SetSearchCriteria', { %ok,
        folder_ids => [ $fid, $sid ], search_flags => 2 }, $s, 'itself');
    rop_is('ecNotFound', 'SetSearchCriteria', { %ok, folder_ids =>
        [ eid(1, 0xFFFFFF) ], search_flags => 2 }, $s, 'an unknown folder');
    my $f = set_criteria($s, [ 'and', $r, [ 'or', [ 'exist', 'PR_BODY' ],
        [ 'prop', '==', 'PR_IMPORTANCE', 1 ] ] ], [ $fid, $F{inbox} ],
        0x40006);
    is($f & 0xFFFFFF, $COMPLETE | $STATIC | $RECURSIVE, 'state');
    my $c = criteria($s);
    is_deeply($c->{folder_ids}, [ $fid, $F{inbox} ], 'folders come back');
    is_deeply($c->{restriction}, [ 'and',
        [ 'content', 0x10001, PR('PR_SUBJECT'), 'red' ],
        [ 'or', [ 'exist', PR('PR_BODY') ],
          [ 'prop', '==', PR('PR_IMPORTANCE'), 1 ] ] ], 'the restriction');
    $c = $m->rop('GetSearchCriteria', { include_restriction => 1 }, $s);
    is($c->{restriction}[1][2], PR('PR_SUBJECT') & ~1, '8-bit strings');
    is_deeply($c->{folder_ids}, [], 'no folders unless asked for');
    $c = $m->rop('GetSearchCriteria', { include_folders => 1 }, $s);
    ok(!$c->{restriction}, 'no restriction unless asked for');
    rop_is('ecSuccess', 'SetSearchCriteria', { search_flags => 1 }, $s,
        'stop');
    is(criteria($s)->{search_flags} & $RUNNING, 0, 'stopped');
    rop_is('ecSuccess', 'SetSearchCriteria', { search_flags => 2 }, $s,
        'restart with the same');
    ok(complete($s) & $COMPLETE, 'complete again');
    my ($id) = @{ $m->rop('GetPropertyIdsFromNames', { flags => 2,
        names => [ [ pack('H*', '2903020000000000C000000000000046'),
            'Search me' ] ] }, $store)->{ids} };
    my $tag = $id << 16 | 0x1F;
    set_criteria($s, has('x', tag => $tag), [ $fid ]);
    is(criteria($s)->{restriction}[2], $tag, 'a named property');
    $m->release($s, $h);
};

subtest 'up to date' => sub {
    my ($fid, $h) = folder('red');
    my ($below) = folder('below', $h);
    my ($other, $oh) = folder('other');
    my ($sid, $s) = search_folder();
    my $mid = message($fid, 'red one');
    message($fid, 'blue');
    message($below, 'red below');
    message($other, 'red elsewhere');
    my $f = set_criteria($s, has('RED'), [ $fid ]);
    is($f & 0xFFFFFF, $RUNNING | $COMPLETE, 'at work');
    is(subjects($s), 'red one', 'shallow');
    set_criteria($s, undef, [], 6);
    is(subjects($s), 'red below red one', 'recursive');
    my $p = $m->get($s, qw(PR_CONTENT_COUNT PR_CONTENT_UNREAD
        PR_FOLDER_TYPE));
    is($p->{PR_CONTENT_COUNT}, 2, 'count');
    is($p->{PR_FOLDER_TYPE}, 2, 'type');

    message($below, 'Infrared');
    is(subjects($s), 'Infrared red below red one', 'a new message');
    my $o = $m->open_message($sid, $mid, 1);
    ok($o->{handle}, 'opened through the search folder');
    is($m->get($o->{handle}, 'PidTagFolderId')->{PidTagFolderId}, $fid,
        'it tells its own folder');
    $m->set($o->{handle}, PR_SUBJECT => 'yellow');
    $m->rop('SaveChangesMessage', { save_flags => 0 }, $o->{handle});
    $m->release($o->{handle});
    is(subjects($s), 'Infrared red below', 'modified');
    rop_is('ecNotFound', 'OpenMessage', { cpid => 0xFFF, folder_id => $sid,
        message_id => $mid }, $store, 'what does not match is not in it');

    my ($row) = grep { $_->{PR_SUBJECT} eq 'red below' } $m->contents($s,
        [qw(PR_SUBJECT PidTagMid PidTagFolderId)]);
    is($row->{PidTagFolderId}, $below, 'rows name the real folder');
    my $r = $m->rop('SetReadFlags', { read_flags => 4,
        message_ids => [ $row->{PidTagMid} ] }, $s);
    is($r->{partial_completion}, 0, 'SetReadFlags');
    is($m->get($s, 'PR_CONTENT_UNREAD')->{PR_CONTENT_UNREAD}, 1, 'unread');
    $r = $m->rop('MoveCopyMessages', { message_ids => [ $row->{PidTagMid} ] },
        [ $s, $oh ]);
    is($r->{partial_completion}, 0, 'moved through the search folder');
    is(subjects($s), 'Infrared', 'out of the scope');
    is(subjects($oh), 'red below red elsewhere', 'where it went');
    rop_is('ecSearchFolder', 'MoveCopyMessages', { message_ids => [ $mid ] },
        [ $oh, $s ], 'not into a search folder');
    my $c = $m->try('CreateMessage', { cpid => 0xFFF, folder_id => $sid },
        $store);
    ok($c->{ec}, 'no new messages in it: ' . ec_name($c->{ec}));
    rop_is('ecNotSupported', 'EmptyFolder', {}, $s, 'not emptied');
    ($row) = $m->contents($s, ['PidTagMid']);
    $r = $m->rop('DeleteMessages', { message_ids => [ $row->{PidTagMid} ] },
        $s);
    is($r->{partial_completion}, 0, 'DeleteMessages');
    is(subjects($s), '', 'deleted');
    is(subjects($m->open_folder($below)), '', 'from its folder');

    # folders move and go
    $m->rop('MoveFolder', { use_unicode => 1, folder_id => $other,
        new_folder_name => 'other' }, [ $subtree, $h ]);
    complete($s);
    is(subjects($s), 'red below red elsewhere', 'a folder comes');
    $m->rop('MoveFolder', { use_unicode => 1, folder_id => $other,
        new_folder_name => 'other' }, [ $h, $subtree ]);
    is(subjects($s), '', 'and goes');
    message($below, 'red again');
    is(subjects($s), 'red again', 'one more');
    $m->rop('DeleteFolder', { flags => 5, folder_id => $below }, $h);
    is(subjects($s), '', 'its folder is deleted');
    message($fid, 'red last');
    $r = $m->rop('DeleteFolder', { flags => 0, folder_id => $sid }, $finder);
    is($r->{partial_completion}, 0, 'a search folder with rows is deleted');
    is(subjects($h), 'blue red last yellow', 'what it found stays');
    $m->release($s, $h, $oh);
};

subtest 'static and nested' => sub {
    my ($fid, $h) = folder('static');
    my ($sid, $s) = search_folder();
    my ($nid, $n) = search_folder();
    my $mid = message($fid, 'red and blue');
    set_criteria($s, has('red'), [ $fid ], 0x40002);
    set_criteria($n, has('blue'), [ $sid ]);
    is(subjects($n), 'red and blue', 'a search in a search');
    rop_is('ecSearchFolderScopeViolation', 'SetSearchCriteria',
        { restriction => has('x'), folder_ids => [ $nid ],
          search_flags => 2 }, $s, 'no circles');
    message($fid, 'red but later');
    is(subjects($s), 'red and blue', 'static');
    $m->rop('SetSearchCriteria', { search_flags => 0x40002 }, $s);
    complete($s);
    is(subjects($s), 'red and blue red but later', 'restarted');
    $m->rop('DeleteMessages', { message_ids => [ $mid ] }, $h);
    is($m->rop('GetContentsTable', {}, $s)->{row_count}, 2,
        'a deleted one counts until a restart');
    is(subjects($s), 'red but later', 'and has no row');
    is(subjects($n), '', 'a dynamic one knows');
    my $root = $m->open_folder('root');
    my ($wid, $w) = search_folder();
    set_criteria($w, has('later'), [ $F{root} ], 6);
    is(subjects($w), 'red but later', 'the whole mailbox');
    $m->rop('CopyFolder', { want_recursive => 1, use_unicode => 1,
        folder_id => $wid, new_folder_name => 'copy' },
        [ $finder, $finder ]);
    my ($copy) = grep { $_->{PR_DISPLAY_NAME} eq 'copy' } $m->rows(
        $m->rop('GetHierarchyTable', {}, $finder)->{handle},
        'PR_DISPLAY_NAME', 'PidTagFolderId');
    my $ch = $m->open_folder($copy->{PidTagFolderId});
    complete($ch);
    is(subjects($ch), 'red but later', 'a copied search folder');
    $m->release($s, $n, $w, $ch, $h);
};

subtest 'notifications' => sub {
    my ($fid, $h) = folder('told');
    my ($sid, $s) = search_folder();
    message($fid, 'red one');
    my $sub = $m->rop('RegisterNotification', { notification_types => 0x80,
        want_whole_store => 1 }, $store)->{handle};
    my @all;
    $m->rop('SetSearchCriteria', { restriction => has('red'),
        folder_ids => [ $fid ], search_flags => 2 }, $s);
    $t->wait_for('SearchComplete', 10, sub {
        push @all, $m->poll;
        return scalar grep { ($_->{flags} & 0xFFF) == 0x80 } @all;
    });
    my ($n) = grep { ($_->{flags} & 0xFFF) == 0x80 } @all;
    is($n->{flags}, 0x80, 'SearchComplete: no other bits');
    is($n->{folder_id}, $sid, 'of the search folder');

    my $c = $m->rop('GetContentsTable', {}, $s)->{handle};
    $m->rows($c, 'PR_SUBJECT');
    my $links = $m->rop('RegisterNotification', { notification_types => 0xC,
        folder_id => $sid }, $store)->{handle};
    $m->poll;
    my $other = Posthorn::MAPI->new(url => $t->url,
        user => $t->address('alice'), password => $t->password('alice'));
    $other->connect;
    $other->logon;
    my $x = $other->create_message($fid, { PR_SUBJECT => 'red two' });
    @all = ();
    $t->wait_for('a row and a link', 10, sub {
        push @all, $m->poll;
        return @all >= 2;
    });
    my ($row) = grep { $_->{flags} & 0x100 } @all;
    is($row->{flags}, 0xC100, 'a row of a search folder');
    is($row->{table_event}, 3, 'added');
    is($row->{row_folder_id}, $fid, 'with its own folder');
    is($row->{row_message_id}, $x->{message_id}, 'and id');
    is($row->{after_folder_id}, $fid, 'behind one of that folder');
    my ($link) = grep { ($_->{flags} & 0xFFF) == 4 } @all;
    is($link->{flags}, 0xC004, 'a message came into the search folder');
    is($link->{parent_folder_id}, $sid, 'into this one');
    is($link->{message_id}, $x->{message_id}, 'this message');
    $other->set($x->{handle}, PR_SUBJECT => 'blue two');
    $other->rop('SaveChangesMessage', { save_flags => 0 }, $x->{handle});
    @all = ();
    $t->wait_for('the row is gone', 10, sub {
        push @all, $m->poll;
        return @all >= 2;
    });
    ($row) = grep { $_->{flags} & 0x100 } @all;
    is($row->{table_event}, 4, 'row deleted');
    ($link) = grep { ($_->{flags} & 0xFFF) == 8 } @all;
    is($link->{flags}, 0xC008, 'left the search folder');
    $other->disconnect;
    $m->release($c, $sub, $links, $s, $h);
};

subtest 'index' => sub {
    my ($fid, $h) = folder('indexed');
    my $alice = $t->address('alice');
    my $html = "<p>The <i>quarterly</i> figures of M\xC3\xBCnchen</p>";
    my $mid = message($fid, 'report', PR_HTML => $html);
    message($fid, "note $_") for 1 .. 70;
    $t->wait_for('the index', 30, sub {
        return $t->phctl_ok('index', 'status', $alice) =~ /complete/;
    });
    like($t->phctl_ok('index', 'search', $alice, 'munch quart'),
        qr/\d/, 'words are found');
    my $c = $m->rop('GetContentsTable', {}, $h)->{handle};
    $m->rop('Restrict', { restriction => has('ARTERLY fig',
        tag => 'PR_BODY') }, $c);
    is(join(' ', map { $_->{PR_SUBJECT} } $m->rows($c, 'PR_SUBJECT')),
        'report', 'a restriction with the index');
    $m->release($c);
    $t->phctl_ok('index', 'rebuild', $alice);
    $t->wait_for('the index again', 30, sub {
        return $t->phctl_ok('index', 'status', $alice) =~ /complete/;
    });
    my ($sid, $s) = search_folder();
    set_criteria($s, has('nchen', tag => 'PR_BODY'), [ $F{root} ], 0x10006);
    is(subjects($s), 'report', 'a search with the index');
    $m->release($s, $h);
};

subtest 'check' => sub {
    my ($rc, @said) = $t->phctl('check-store', $t->address('alice'),
        '--index');
    is($rc, 0, 'phctl check-store finds nothing') or diag(@said);
};

$m->disconnect;
$t->stop;
done_testing();
