#!/usr/bin/perl

# Limits of mailboxes and what happens above them; the warning; what was deleted
# and how it comes back, to the user and to the administrator; retention and hold.

use strict;
use warnings;
use utf8;

use File::Basename qw(dirname);
use JSON::PP;
use Test::More;

use lib dirname(__FILE__) . '/lib';
use Posthorn::MAPI qw(PR EC ec_name eid);
use Posthorn::Test;

my $t = Posthorn::Test->new(servers => [qw(directory exmdb delivery nginx)],
    conf => { exmdb => { quota_interval => '1h', purge_interval => '1s' } });
$t->start;
my ($alice, $bob) = map { $t->address($_) } qw(alice bob);

sub json { return decode_json($t->phctl_ok('--json', @_)) }

sub client {
    my ($name) = @_;
    my $m = Posthorn::MAPI->new(url => $t->url, user => $t->address($name),
        password => $t->password($name));
    $m->connect;
    $m->logon;
    return $m;
}

sub mail {
    my ($to, $subject, $size) = @_;
    return scalar $t->send_mail(to => $to, from => 'x@elsewhere.test',
        data => "From: x\@elsewhere.test\nSubject: $subject\n\n"
            . ('x' x 70 . "\n") x (($size // 100) / 71 + 1));
}

sub eventually {
    my ($what, $code) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return ok(eval { $t->wait_for($what, 20, $code); 1 }, $what);
}

my $m = client('alice');
my %F = %{ $m->{folders} };
my $inbox = $m->open_folder('inbox');

sub store_values {
    my (@names) = @_;
    my $got = $m->get($m->{logon}, @names);
    return $got;
}
sub subjects {
    my ($folder) = @_;
    return join ' ', sort map { $_->{PR_SUBJECT} // '' }
        $m->contents($folder, ['PR_SUBJECT']);
}

# rows of the deleted-items view: subject => [ mid, deleted on ]
sub deleted {
    my ($folder) = @_;
    my $table = $m->rop('GetContentsTable', { table_flags => 0x20 },
        $folder)->{handle};
    my %d = map { $_->{PR_SUBJECT} => [ $_->{PidTagMid}, $_->{PR_DELETED_ON} ]
        } $m->rows($table, 'PR_SUBJECT', 'PidTagMid', 'PR_DELETED_ON');
    $m->release($table);
    return \%d;
}

# ---- limits ----------------------------------------------------------------

my $q = json('quota', 'show', $alice);
is($q->{own}{receive}, undef, 'no limit at first');
cmp_ok($q->{deleted_size}, '==', 0, 'nothing was deleted');

$t->phctl_ok('quota', 'set', $t->domain, '--warning', '40k', '--send', '60k',
    '--receive', '100k');
$q = json('quota', 'show', $alice);
is($q->{effective}{send}, 60 << 10, 'the domain\'s limit holds');
is($q->{own}{send}, undef, 'it is not her own');
$t->phctl_ok('quota', 'set', $alice, '--warning', 'none', '--send', '80k');
$q = json('quota', 'show', $alice);
is($q->{effective}{send}, 80 << 10, 'her own is stronger');
is($q->{effective}{warning}, undef, 'none is none');
is($q->{effective}{receive}, 100 << 10, 'the others are the domain\'s');
my ($rc) = $t->phctl('quota', 'set', $alice, '--send', '12x');
is($rc, 2, 'not a size');
($rc) = $t->phctl('quota', 'show', 'nobody@' . $t->domain);
is($rc, 3, 'nobody');

eventually('an open mailbox follows the directory', sub {
    my $v = store_values('PR_PROHIBIT_SEND_QUOTA',
        'PR_PROHIBIT_RECEIVE_QUOTA', 'PR_STORAGE_QUOTA_LIMIT');
    return ($v->{PR_PROHIBIT_SEND_QUOTA} // 0) eq 80
        && ($v->{PR_PROHIBIT_RECEIVE_QUOTA} // 0) eq 100
        && !$v->{PR_STORAGE_QUOTA_LIMIT};
});

like(mail($alice, 'first', 85_000), qr/^250/, 'below the limit');
my $v = store_values('PR_MESSAGE_SIZE_EXTENDED', 'PR_CONTENT_COUNT');
cmp_ok($v->{PR_MESSAGE_SIZE_EXTENDED}, '>', 80 << 10, 'PR_MESSAGE_SIZE');

my $draft = $m->create_message($F{outbox}, { PR_SUBJECT => 'out',
    PR_BODY => 'x' }, recipients => [ [ 1, 'Bob', $bob ] ]);
my $r = $m->try('SubmitMessage', { submit_flags => 0 }, $draft->{handle});
is(ec_name($r->{ec}), 'ecQuotaExceeded', 'above the limit of sending');
is($r->{ec}, 0x4D9, 'which is 0x4D9');

like(mail($alice, 'second', 50_000), qr/^552 5\.2\.2/,
    'above the limit of receiving');
my $h = $m->rop('CreateMessage', { cpid => 0xFFF, folder_id => $F{inbox},
    associated_flag => 0 }, $m->{logon})->{handle};
$m->set($h, PR_SUBJECT => 'saved', PR_BODY => 'y' x 30_000);
$r = $m->try('SaveChangesMessage', { save_flags => 2 }, $h);
is(ec_name($r->{ec}), 'ecQuotaExceeded', 'nothing large is saved');
ok($m->ping, 'the session lives');
$m->release($h);

my ($first) = $m->contents($inbox, [qw(PidTagMid PR_SUBJECT)]);
$r = $m->rop('MoveCopyMessages', { message_ids => [ $first->{PidTagMid} ],
    want_asynchronous => 0, want_copy => 1 }, [ $inbox,
    $m->open_folder('outbox') ]);
is($r->{partial_completion}, 1, 'no copy above the limit');

$t->set_conf('delivery', over_quota => 'defer');
$t->reload('delivery');
eventually('a full mailbox is told to come again, as configured', sub {
    mail($alice, 'third', 50_000) =~ /^452 4\.2\.2/;
});

# ---- warning ---------------------------------------------------------------

$t->phctl_ok('user', 'change', $bob, '--lang', 'de_DE');
like(mail($bob, 'large', 45_000), qr/^250/, 'above the warning');
my $bm = client('bob');
my $binbox = $bm->open_folder('inbox');
my @warnings;
eventually('the user is warned', sub {
    @warnings = grep { $_->{PR_SUBJECT} =~ /full|voll/ }
        $bm->contents($binbox, [qw(PR_SUBJECT PidTagMid)]);
    return @warnings == 1;
});
my $w = $bm->open_message('inbox', $warnings[0]{PidTagMid});
my $body = $bm->get($w->{handle}, 'PR_BODY')->{PR_BODY};
like($body, qr/60 KB/, 'with the limit of sending');
like($body, qr/100 KB/, 'and that of receiving');
unlike($body, qr/%\{/, 'every word is replaced');
like(mail($bob, 'more', 1_000), qr/^250/, 'more mail');
$q = json('quota', 'show', $bob);
ok($q->{warned}, 'phctl says when he was warned');

# ---- restore by the user ---------------------------------------------------

$t->phctl_ok('quota', 'set', $t->domain, '--warning', 'default', '--send',
    'default', '--receive', 'default');
$t->phctl_ok('quota', 'set', $alice, '--warning', 'default', '--send',
    'default');
eventually('the limits are gone', sub {
    !store_values('PR_PROHIBIT_RECEIVE_QUOTA')->{PR_PROHIBIT_RECEIVE_QUOTA};
});

my $made = $m->create_folder($m->open_folder('ipm_subtree'), 'work');
my $work = $made->{handle};
my $wfid = $made->{folder_id};
my %mid = map { $_ => $m->create_message($wfid, { PR_SUBJECT => $_,
    PR_BODY => "body of $_" })->{message_id} } qw(a b c d);
my $size = store_values('PR_MESSAGE_SIZE_EXTENDED')->{PR_MESSAGE_SIZE_EXTENDED};
$m->rop('DeleteMessages', { message_ids => [ @mid{qw(a b c)} ],
    want_asynchronous => 0, notify_non_read => 0 }, $work);
is(subjects($work), 'd', 'three are deleted');
my $d = deleted($work);
is(join(' ', sort keys %$d), 'a b c', 'the deleted-items view has them');
ok($d->{a}[1], 'with PR_DELETED_ON');
$v = $m->get($work, qw(PR_DELETED_MSG_COUNT PR_DELETED_COUNT_TOTAL
    PR_DELETED_MESSAGE_SIZE_EXTENDED PR_DELETED_FOLDER_COUNT));
is($v->{PR_DELETED_MSG_COUNT}, 3, 'PR_DELETED_MSG_COUNT');
is($v->{PR_DELETED_FOLDER_COUNT}, 0, 'PR_DELETED_FOLDER_COUNT');
cmp_ok($v->{PR_DELETED_MESSAGE_SIZE_EXTENDED}, '>', 0, 'their size');
cmp_ok(store_values('PR_MESSAGE_SIZE_EXTENDED')->{PR_MESSAGE_SIZE_EXTENDED},
    '<', $size, 'they do not count any more');

$r = $m->rop('MoveCopyMessages', { message_ids => [ $d->{a}[0] ],
    want_asynchronous => 0, want_copy => 0 }, [ $work, $work ]);
is($r->{partial_completion}, 0, 'moved out of the view');
$r = $m->rop('MoveCopyMessages', { message_ids => [ $d->{b}[0] ],
    want_asynchronous => 0, want_copy => 1 }, [ $work, $work ]);
is(subjects($work), 'a b d', 'and copied: they are back');
$m->rop('HardDeleteMessages', { message_ids => [ $d->{b}[0] ],
    want_asynchronous => 0, notify_non_read => 0 }, $work);
is(join(' ', sort keys %{ deleted($work) }), 'c', 'one is gone for good');

my $sub = $m->create_folder($work, 'below');
$m->create_message($sub->{folder_id}, { PR_SUBJECT => 'deep' });
$m->rop('DeleteFolder', { flags => 5, folder_id => $sub->{folder_id} },
    $work);
is($m->get($work, 'PR_DELETED_FOLDER_COUNT')->{PR_DELETED_FOLDER_COUNT}, 1,
    'a deleted folder is counted');
my $ht = $m->rop('GetHierarchyTable', { table_flags => 0x20 },
    $work)->{handle};
my @gone = $m->rows($ht, qw(PidTagFolderId PR_DISPLAY_NAME PR_DELETED_ON));
is($gone[0]{PR_DISPLAY_NAME}, 'below', 'the deleted folder is listed');
ok($gone[0]{PR_DELETED_ON}, 'with PR_DELETED_ON');
$m->release($ht);
$m->rop('MoveFolder', { want_asynchronous => 0, use_unicode => 1,
    folder_id => $gone[0]{PidTagFolderId}, new_folder_name => 'again' },
    [ $work, $work ]);
my $again = $m->open_folder($gone[0]{PidTagFolderId});
is(subjects($again), 'deep', 'a move brings it back with what was in it');

# ---- by the administrator --------------------------------------------------

my @list = @{ json('recoverable', 'list', $alice) };
my ($c) = grep { $_->{subject} eq 'c' } @list;
ok($c && $c->{type} eq 'message', 'phctl lists it');
my ($here) = grep { $_->{path} =~ m{/work$} }
    @{ json('mailbox', 'folders', $alice) };
is($c->{item} =~ s/:.*//r, $here->{fid}, 'with its folder');
my $done = json('recoverable', 'restore', $alice, $c->{item});
is($done->{messages}, 1, 'restored');
is(subjects($work), 'a b c d', 'there it is');
($rc) = $t->phctl('recoverable', 'restore', $alice, $c->{item});
is($rc, 3, 'not twice');
($rc) = $t->phctl('recoverable', 'restore', $alice, 'nonsense');
is($rc, 2, 'not an id');

my @all = $m->contents($work, ['PidTagMid']);
$m->rop('MoveCopyMessages', { message_ids => [ $all[0]{PidTagMid} ],
    want_asynchronous => 0, want_copy => 0 },
    [ $work, $m->open_folder('deleted_items') ]);
$m->rop('EmptyFolder', { want_asynchronous => 0, want_delete_associated => 0 },
    $m->open_folder('deleted_items'));
$m->rop('DeleteMessages', { message_ids => [ $all[1]{PidTagMid} ],
    want_asynchronous => 0, notify_non_read => 0 }, $work);
$m->rop('DeleteFolder', { flags => 5,
    folder_id => $gone[0]{PidTagFolderId} }, $work);
is(scalar(my @left = $m->contents($work, ['PidTagMid'])), 2, 'two are left');
$done = json('recoverable', 'restore-folder', $alice, '/work', '--since', '1h');
is("$done->{messages} $done->{folders} $done->{failed}", '2 1 0',
    'the folder as it was an hour ago: also what went by Deleted Items');
is(subjects($work), 'a b c d', 'everything');
($rc) = $t->phctl('recoverable', 'restore-folder', $alice, '/work');
is($rc, 2, 'a time is needed');
($rc) = $t->phctl('recoverable', 'restore-folder', $alice, '/nowhere',
    '--since', '1h');
is($rc, 3, 'a folder too');

# ---- retention, hold -------------------------------------------------------

@all = $m->contents($work, ['PidTagMid']);
$t->phctl_ok('quota', 'set', $alice, '--hold', '--keep', '1s');
eventually('on hold a hard deletion is a soft one', sub {
    $m->rop('HardDeleteMessages', { message_ids => [ (shift @all)->{PidTagMid} ],
        want_asynchronous => 0, notify_non_read => 0 }, $work) if @all > 1;
    return keys %{ deleted($work) } > 0;
});
my $kept = keys %{ deleted($work) };
my ($what) = values %{ deleted($work) };
$r = $m->rop('HardDeleteMessages', { message_ids => [ $what->[0] ],
    want_asynchronous => 0, notify_non_read => 0 }, $work);
is($r->{partial_completion}, 1, 'and nobody removes it for good');
$done = json('recoverable', 'purge', $alice);
is($done->{messages}, 0, 'not the administrator');
is(keys %{ deleted($work) }, $kept, 'all of it is there');

$t->phctl_ok('quota', 'set', $alice, '--no-hold');
eventually('what has been kept long enough goes in the background', sub {
    keys %{ deleted($work) } == 0;
});
is(json('quota', 'show', $alice)->{deleted_messages}, 0, 'nothing is left');

$t->phctl_ok('quota', 'set', $alice, '--keep', 'forever');
$m->rop('DeleteMessages', { message_ids => [ $all[-1]{PidTagMid} ],
    want_asynchronous => 0, notify_non_read => 0 }, $work);
($rc) = $t->phctl('recoverable', 'purge', $alice, '--before', '2999-01-01');
is($rc, 2, 'before their time only with --yes');
$done = json('recoverable', 'purge', $alice, '--before', '2999-01-01',
    '--yes');
is($done->{messages}, 1, 'with it they go');

# the mailbox is whole
is(scalar @{ json('check-store', $alice)->{findings} // [] }, 0,
    'nothing is found');
is_deeply([ $t->trouble ], [], 'no trouble in the logs');
$t->stop;
unlike($t->log_text('exmdb'), qr/PH1041/, 'no timer is left open');
done_testing();
