#!/usr/bin/perl

# phctl: users and domains, exit codes, JSON, completion, state of the servers.

use strict;
use warnings;

use JSON::PP;
use Test::More;

use Posthorn::Test;

my $t = Posthorn::Test->new(servers => [qw(directory exmdb delivery)]);
$t->start;

sub phctl { return $t->phctl(@_) }
sub json { return decode_json($t->phctl_ok('--json', @_)) }

sub fails {
    my ($want, $name, @args) = @_;
    my ($rc, $out, $err) = phctl(@args);
    is($rc, $want, "$name: exit code") or diag("$out$err");
    isnt($err, '', "$name: says why");
    return $err;
}

# ---- command line ------------------------------------------------------------

fails(2, 'no command');
fails(2, 'unknown command', 'nonsense');
fails(2, 'unknown verb', 'user', 'nonsense');
fails(2, 'missing argument', 'user', 'show');
fails(2, 'too many arguments', 'user', 'show', 'a@b.test', 'c@d.test');
fails(2, 'unknown option', 'user', 'list', '--nonsense');
fails(2, 'missing value', 'user', 'list', '--match');
fails(2, 'value where none is', 'user', 'create', 'x@example.test',
    '--admin=yes');
fails(2, 'bad size', 'user', 'change', $t->address('bob'), '--quota', '12x');
fails(2, 'bad right', 'user', 'change', $t->address('bob'), '--rights', 'fly');
like($t->phctl_ok('help'), qr/^  user create ADDRESS/m, 'help lists commands');
like($t->phctl_ok('help', 'user'), qr/--?display-name|display-name:/,
    'help of a command lists options');
like($t->phctl_ok('-V'), qr/^phctl \d/, 'version');

{
    my ($rc, $out, $err) = phctl('--json', 'user', 'show', 'no@example.test');
    is($rc, 3, 'not found: exit code');
    my $e = eval { decode_json($err) };
    is($e && $e->{code}, 3, 'errors are JSON with --json');
}

# ---- domains -----------------------------------------------------------------

is_deeply([map { $_->{name} } @{ json('domain', 'list') }], ['example.test'],
    'domains');
$t->phctl_ok('domain', 'create', 'other.test', '--title', "L\xc3\xa4den",
    '--max-users', '2');
is(json('domain', 'show', 'other.test')->{title}, "L\x{e4}den",
    'the title as UTF-8');
is(json('domain', 'show', 'OTHER.test')->{max_users}, 2, 'any case');
fails(4, 'a domain twice', 'domain', 'create', 'other.test');
fails(3, 'no such domain', 'domain', 'show', 'nowhere.test');
fails(7, 'a name that is none', 'domain', 'create', 'not a domain');
$t->phctl_ok('domain', 'change', 'other.test', '--lang', 'de');
is(json('domain', 'show', 'other.test')->{lang}, 'de', 'changed');
is(json('domain', 'show', 'other.test')->{max_users}, 2, 'the rest is kept');

# ---- users -------------------------------------------------------------------

is_deeply([map { $_->{address} } @{ json('user', 'list', 'example.test') }],
    [map { $t->address($_) } qw(admin alice bob)], 'users, sorted');
is(json('user', 'show', $t->address('alice'))->{display_name}, 'alice',
    'display name');
like(json('user', 'show', $t->address('admin'))->{rights}, qr/\badmin\b/,
    'the administrator\'s right');
unlike(json('user', 'show', $t->address('alice'))->{rights}, qr/\badmin\b/,
    'others do not have it');

$t->phctl_ok('user', 'create', 'carl@other.test', '--stdin', '--quota', '2m',
    \"secret of carl\n");
my $carl = json('user', 'show', 'carl@other.test');
is($carl->{quota_receive}, 2 << 20, 'quota');
is($carl->{lang}, 'de', 'the language of the domain');
fails(4, 'a user twice', 'user', 'create', 'carl@other.test', '--no-password');
fails(3, 'a user of no domain', 'user', 'create', 'x@nowhere.test',
    '--no-password');
fails(2, 'no password and no terminal', 'user', 'create', 'y@other.test');

$t->phctl_ok('user', 'change', 'carl@other.test', '--quota-warning', '1m');
$carl = json('user', 'show', 'carl@other.test');
is($carl->{quota_warning}, 1 << 20, 'one quota is changed');
is($carl->{quota_receive}, 2 << 20, 'the others are kept');
$t->phctl_ok('user', 'change', 'carl@other.test', '--admin');
like(json('user', 'show', 'carl@other.test')->{rights}, qr/mapi.*admin/,
    'a right more');
$t->phctl_ok('user', 'change', 'carl@other.test', '--no-admin');
unlike(json('user', 'show', 'carl@other.test')->{rights}, qr/admin/,
    'and less');
$t->phctl_ok('user', 'suspend', 'carl@other.test');
is(json('user', 'show', 'carl@other.test')->{status}, 'suspended', 'suspended');
$t->phctl_ok('user', 'resume', 'carl@other.test');
is(json('user', 'show', 'carl@other.test')->{status}, 'normal', 'resumed');

my $hash = json('user', 'show', 'carl@other.test')->{password};
isnt($hash, 'none', 'there is a password');
$t->phctl_ok('passwd', 'carl@other.test', '--stdin', \"another\n");
fails(7, 'an empty password', 'passwd', 'carl@other.test', '--stdin', \"\n");
$t->phctl_ok('passwd', 'carl@other.test', '--none');
is(json('user', 'show', 'carl@other.test')->{password}, 'none', 'taken away');

# ---- aliases, groups, forwards -----------------------------------------------

$t->phctl_ok('alias', 'create', 'sales@other.test', 'carl@other.test');
is_deeply(json('alias', 'list', '--target', 'carl@other.test'),
    [{ address => 'sales@other.test', target => 'carl@other.test' }],
    'an alias');
fails(4, 'an alias twice', 'alias', 'create', 'sales@other.test',
    $t->address('bob'));
is(json('user', 'show', 'sales@other.test')->{address}, 'carl@other.test',
    'found by the alias');
$t->phctl_ok('alias', 'delete', 'sales@other.test');
fails(3, 'an alias that is gone', 'alias', 'delete', 'sales@other.test');

$t->phctl_ok('group', 'create', 'staff@example.test', $t->address('alice'),
    $t->address('bob'), '--display-name', 'Staff', '--posting', 'domain');
my $group = json('group', 'show', 'staff@example.test');
is_deeply([sort @{ $group->{members} }], [map { $t->address($_) }
    qw(alice bob)], 'members');
is($group->{posting}, 'domain', 'who may post');
$t->phctl_ok('group', 'remove', 'staff@example.test', $t->address('bob'));
$t->phctl_ok('group', 'add', 'staff@example.test', 'carl@other.test');
is_deeply([sort @{ json('group', 'show', 'staff@example.test')->{members} }],
    [$t->address('alice'), 'carl@other.test'], 'changed members');
fails(3, 'not a member', 'group', 'remove', 'staff@example.test',
    $t->address('bob'));
$t->phctl_ok('user', 'forward', $t->address('bob'), 'bob@outside.test');
my $bob = json('user', 'show', $t->address('bob'));
is_deeply([$bob->{forward}, @{ $bob->{forwards} }],
    ['copy', 'bob@outside.test'], 'a forward');
$t->phctl_ok('user', 'forward', $t->address('bob'), '--none');
is(json('user', 'show', $t->address('bob'))->{forward}, 'none', 'none again');
$t->phctl_ok('group', 'delete', 'staff@example.test');

# ---- mailboxes ---------------------------------------------------------------

my $stat = json('mailbox', 'show', $t->address('alice'));
like($stat->{mailbox_guid}, qr/^[0-9a-f]{8}-/, 'mailbox GUID');
cmp_ok($stat->{folders}, '>', 10, 'special folders');
is($stat->{messages}, 0, 'no messages yet');

for my $n (1 .. 3) {
    like($t->send_mail(to => $t->address('alice'), from => 'x@outside.test',
        data => "From: x\@outside.test\nSubject: number $n\n\ntext $n\n"),
        qr/^250 /, "message $n is taken");
}
my ($inbox) = grep { $_->{path} =~ m{(?:^|/)Inbox$} }
    @{ json('mailbox', 'folders', $t->address('alice')) };
ok($inbox, 'there is an Inbox');
is($inbox->{total}, 3, 'with three messages');
is($inbox->{unread}, 3, 'all unread');

like($t->phctl_ok('dump-store', $t->address('alice')), qr/\S/, 'a store dump');
like($t->phctl_ok('dump-store', $t->address('alice'), $inbox->{fid}),
    qr/Inbox/, 'a folder dump');
fails(3, 'no such folder', 'dump-store', $t->address('alice'), '1-fffff0');
fails(2, 'an id that is none', 'dump-store', $t->address('alice'), 'xyz');
fails(3, 'no such mailbox', 'mailbox', 'show', 'nobody@example.test');

my $check = json('check-store', $t->address('alice'));
is_deeply($check->{findings}, [], 'nothing wrong');
cmp_ok($check->{objects}, '>=', 3, 'objects are looked at');
is_deeply(json('check-store', '--all')->{findings}, [], 'nor anywhere');

fails(2, 'delete wants a yes', 'mailbox', 'delete', 'carl@other.test');
$t->phctl_ok('user', 'delete', 'carl@other.test');
fails(3, 'the user is gone', 'user', 'show', 'carl@other.test');
$t->phctl_ok('domain', 'delete', 'other.test');

# ---- servers -----------------------------------------------------------------

my $status = json('status');
my %up = map { $_->{daemon} => $_->{state} } @$status;
is($up{directory}, 'up', 'directory is up');
is($up{'exmdb.0'}, 'up', 'a worker of exmdb is up');
is($up{'exmdb.1'}, 'up', 'and the other');
is($up{delivery}, 'up', 'delivery is up');
like($t->phctl_ok('status', '--metrics'), qr/^# TYPE \w+ (?:counter|gauge)/m,
    'metrics');
is_deeply(json('top'), [], 'no sessions');
is_deeply(json('queue', 'list'), [], 'an empty queue');
is(json('queue', 'flush')->{tried}, 0, 'nothing to flush');
fails(3, 'no such message', 'queue', 'withdraw', '00' x 16);

# ---- completion --------------------------------------------------------------

like($t->phctl_ok('__complete', 'che'), qr/^check-store$/m, 'commands');
like($t->phctl_ok('__complete', 'user', 'cr'), qr/^create$/m, 'verbs');
like($t->phctl_ok('__complete', 'user', 'show', 'al'),
    qr/^alice\@example\.test$/m, 'addresses');
like($t->phctl_ok('__complete', 'user', 'create', 'x', '--'),
    qr/^--display-name=$/m, 'options');

# ---- convert -----------------------------------------------------------------

my $eml = $t->dir . '/x.eml';
open my $f, '>', $eml or die $!;
print $f "From: a\@b.test\nTo: c\@d.test\nSubject: gr\n"
    . "MIME-Version: 1.0\nContent-Type: text/plain\n\nhello there\n";
close $f;
like($t->phctl_ok('convert', $eml), qr/hello there/, 'convert to properties');
like($t->phctl_ok('convert', '--mime', $eml), qr/^Subject: gr\r$/m,
    'convert there and back');
fails(3, 'no such file', 'convert', "$eml.none");

# ---- a server that is not there ----------------------------------------------

$t->stop_server('delivery');
fails(6, 'delivery is down', 'queue', 'list');
{
    my ($rc, $out) = phctl('--json', 'status');
    is($rc, 6, 'status has an exit code');
    my ($d) = grep { $_->{daemon} eq 'delivery' } @{ decode_json($out) };
    is($d->{state}, 'down', 'and says which one is down');
}
$t->start_server('delivery');
is_deeply(json('queue', 'list'), [], 'and up again');

{
    my ($rc, $out, $err) = $t->phctl('-c', '/nonexistent.conf', 'status');
    is($rc, 10, 'no configuration');
    like($err, qr{/nonexistent\.conf}, 'the file is named');
}

$t->stop;
done_testing();
