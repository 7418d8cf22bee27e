#!/usr/bin/perl

# The doors of exmdb for other daemons: following changes, bytes, summaries,
# appending, flags, moving, folders; and the client library against a server.

use strict;
use warnings;
use utf8;

use File::Basename qw(dirname);
use Test::More;
use Time::HiRes qw(time);

use lib dirname(__FILE__) . '/lib';
use Posthorn::Codec;
use Posthorn::Test;
use Posthorn::Wire;

my $t = Posthorn::Test->new(servers => [qw(directory exmdb delivery)]);
$t->start;
my ($alice, $bob) = map { $t->address($_) } qw(alice bob);
my $codec = Posthorn::Codec->new('exmdb');
my $dir = Posthorn::Codec->new('dir');
my %OP = map { $_->{name} => hex $_->{op} } @{ $codec->{file}{ops} };

sub ticket {
    my ($kind) = @_;
    my $w = Posthorn::Wire->new($t->socket('directory')) or die 'directory';
    my ($status, $body) = $w->call(0x0103, $dir->encode(
        'service_ticket_request', { kind => $kind, name => 'test' }));
    die "service_ticket: $status" if $status;
    return $dir->decode('service_ticket_answer', \$body)->{ticket};
}

my $ticket = ticket(3);
sub connection {
    my ($ticket_) = @_;
    my $w = Posthorn::Wire->new($t->socket('exmdb')) or die 'exmdb';
    $w->{ticket} = $ticket_ // $ticket;
    return $w;
}
my $wire = connection();

# the decoded answer, or the number of the status
sub door {
    my ($op, %fields) = @_;
    my ($status, $body) = $wire->call($OP{$op},
        $codec->encode("${op}_request", { mailbox => $alice, %fields }));
    return $status if !defined $status || $status;
    return $codec->decode("${op}_answer", \$body);
}

sub folder {
    my ($name) = @_;
    my ($f) = grep { $_->{name} eq $name }
        @{ door('folders', fid => 0, deep => 1)->{folders} };
    return $f;
}

sub follow {
    my ($after, %o) = @_;
    my $r = door("follow", after => $after, limit => $o{limit} // 0,
        wait => $o{wait} // 0);
    die "follow: $r" unless ref $r;
    return $r;
}

sub kinds { return join ' ', map { $_->{kind} } @{ $_[0]{changes} } }

# ---- folders ---------------------------------------------------------------

my $inbox = folder('Inbox')->{fid};
ok($inbox, 'the Inbox is listed');
is(folder('Calendar')->{container_class}, 'IPF.Appointment', 'with its class');
my $top = folder('Inbox')->{parent};
my $r = door('folder_create', parent => $top, name => 'Gäste',
    container_class => '');
my $guests = $r->{fid};
is($r->{existed}, 0, 'a folder is made');
is(door('folder_create', parent => $top, name => 'gäste')->{existed}, 1,
    'the same name in another case is the same folder');
ok(ref door('folder_move', fid => $guests, parent => $inbox,
    name => 'Freunde'), 'moved and renamed');
is(folder('Freunde')->{parent}, $inbox, 'there it is');
ok(!ref door('folder_move', fid => $inbox, parent => $guests, name => 'x'),
    'a folder is not moved below itself');

# ---- append, render, summaries ---------------------------------------------

my $last = follow(0)->{last};
is(follow($last)->{last}, $last, 'nothing has happened');
my $raw = "From: Zoë <zoe\@x.test>\r\nTo: $alice\r\nSubject: one\r\n"
    . "Date: Sun, 1 Nov 2026 10:00:00 +0000\r\n\r\nline\r\n";
utf8::encode($raw);
my $made = door('append', fid => $guests, received => 0, flags => 1 | 8,
    keywords => [ 'blau', 'grün' ], raw => $raw);
ok(ref $made && $made->{mid}, 'appended');
my $mid = $made->{mid};
my $s = door('summaries', fid => $guests, mids => [$mid],
    tags => [ 0x0037001F, 0x10900003, 0x6FFF0003 ])->{messages}[0];
is(join(' ', map { sprintf '%08x', $_ } sort { $a <=> $b } keys %{ $s->{props} }),
    '0037001f 10900003', 'what it has of the properties asked for');
like($s->{props}{0x0037001F}, qr/one/, 'its subject');
is($s->{flags} & 1, 1, 'as read');
cmp_ok($s->{cn}, '>', 0, 'with a change number');
my $bytes = door('render', fid => $guests, mid => $mid);
is($bytes->{raw}, $raw, 'its bytes are those that came');
is($bytes->{original}, 1, 'and said to be');
my $f = follow($last);
is(kinds($f), '1', 'the message is new');
is($f->{changes}[-1]{mid}, $mid, 'that one');
is($f->{next}, $f->{last}, 'this was all');
$last = $f->{next};

my @mids = ($mid, map { door('append', fid => $guests, received => 0,
    flags => 0, raw => $raw)->{mid} } 1 .. 4);
my ($after, @seen) = ($last);
for (1 .. 20) {
    $f = follow($after, limit => 2);
    last if !@{ $f->{changes} };
    push @seen, map { $_->{mid} } @{ $f->{changes} };
    $after = $f->{next};
}
is(join(' ', @seen), join(' ', @mids[1 .. 4]), 'followed in small steps');
is($after, $f->{last}, 'to the end');
$last = $after;

my (@listed, $more);
my $from = 0;
do {
    my $page = door('summaries', fid => $guests, after => $from, limit => 2);
    push @listed, map { $_->{mid} } @{ $page->{messages} };
    ($more, $from) = ($page->{more}, $listed[-1]);
} while ($more);
is(scalar @listed, 5, 'pages of a folder');
is(scalar @{ door('summaries', fid => $inbox, mids => [$mid])->{messages} },
    0, 'a message of another folder is left out');

# ---- flags -----------------------------------------------------------------

$r = door('set_flags', fid => $guests, mask => 1, flags => 0,
    mids => [$mid, $mids[1]]);
is("$r->{done} $r->{failed}", '2 0', 'marked as unread');
$f = follow($last);
is(kinds($f), '2', 'one of them was: a change of the read state alone');
$last = $f->{next};
$r = door('set_flags', fid => $guests, mask => 2 | 8 | 0x20, flags => 2 | 0x20,
    keywords_how => 2, keywords => ['rot'], mids => [$mid, 1]);
is("$r->{done} $r->{failed}", '1 1', 'replied, not flagged, marked, a keyword');
$s = door('summaries', fid => $guests, mids => [$mid])->{messages}[0];
is($s->{status} & 8, 8, 'marked as deleted');
is(door('render', fid => $guests, mid => $mid)->{raw}, $raw,
    'flags do not change the bytes');
is(kinds(follow($last)), '1', 'the message changed');

# ---- copy, move, delete ----------------------------------------------------

$last = follow($last)->{last};
$r = door('transfer', fid => $guests, to => $inbox, how => 2,
    mids => [ @mids[0, 1], 7 ]);
is("$r->{done} $r->{failed}", '2 1', 'moved');
ok($r->{new_mids}[0] && !$r->{new_mids}[2], 'new ids in the order asked');
my @moved = @{ $r->{new_mids} }[0, 1];
$f = follow($last);
is(join(' ', sort { $a <=> $b } map { $_->{kind} } @{ $f->{changes} }),
    '1 1 3 3', 'they left one folder and came into another');
is(join(' ', map { $_->{flags} } grep { $_->{kind} == 3 }
    @{ $f->{changes} }), '2 2', 'by a move');
$last = $f->{next};
$r = door('transfer', fid => $inbox, to => $guests, how => 1,
    mids => [ $moved[0] ]);
is($r->{done}, 1, 'copied');
$r = door('transfer', fid => $inbox, how => 3, mids => [ $moved[0] ]);
is($r->{done}, 1, 'deleted');
$r = door('transfer', fid => $inbox, how => 4, mids => [ $moved[1] ]);
is($r->{done}, 1, 'and for good');
is(door('transfer', fid => $inbox, how => 9, mids => []), 2, 'no such way');
is(scalar @{ door('recoverable_list')->{items} }, 1, 'one can come back');

# ---- long poll -------------------------------------------------------------

$last = follow($last)->{last};
my $waiting = connection();
$waiting->send_raw($waiting->frame($OP{follow}, $codec->encode(
    'follow_request', { mailbox => $alice, after => $last, wait => 20_000 })));
is($waiting->receive(0.3), undef, 'nothing happens, nobody answers');
my $start = time;
door('append', fid => $guests, received => 0, flags => 0, raw => $raw);
my $frame = $waiting->receive(20);
$f = $codec->decode('follow_answer', \(my $b = $frame->{body}));
is(kinds($f), '1', 'the first change wakes the one who waits');
cmp_ok(time - $start, '<', 5, 'at once');
$start = time;
$f = follow($f->{next}, wait => 100);
is(scalar @{ $f->{changes} }, 0, 'or the time is over');
cmp_ok(time - $start, '>=', 0.1, 'not before');

# many who wait, and who go away
my @many = map { connection() } 1 .. 20;
for my $w (@many) {
    $w->send_raw($w->frame($OP{follow}, $codec->encode('follow_request',
        { mailbox => $alice, after => $f->{next}, wait => 60_000 })));
}
splice @many, 0, 10;
door('append', fid => $guests, received => 0, flags => 0, raw => $raw);
is(scalar(grep { $_->receive(20) } @many), 10, 'all who are left are told');

# ---- folders again, the whole mailbox --------------------------------------

$last = follow($f->{next})->{last};
is(door('folder_delete', fid => $guests, hard => 0)->{partial}, 0, 'deleted');
like(kinds(follow($last)), qr/5/, 'the folder is gone');
is(scalar @{ door('folders', fid => $inbox, deleted => 1)->{folders} }, 1,
    'it can come back');
ok(ref door('mailbox_compact', limit => 100), 'compacted');
ok(ref door('mailbox_ping'), 'opened');
$t->wait_for('nobody uses it', 20, sub { ref door('mailbox_unload') });
pass('closed');
ok(ref door('mailbox_ping'), 'and opened again');
is(door('mailbox_ping', mailbox => 'nobody@x.test'), 5, 'nobody');

my ($status) = $wire->call($OP{follow}, 'x');
is($status, 2, 'a body that is none');
{
    my $old = $wire; $wire = connection('');
    is(door('follow'), 4, 'no ticket, no door');
    $wire = $old;
}

# ---- the library -----------------------------------------------------------

SKIP: {
    my $program = $t->build . '/t/test-client-live';
    skip 'test-client-live is not built', 1 unless -x $program;
    local @ENV{qw(CLIENT_USER CLIENT_PASSWORD CLIENT_DIRECTORY CLIENT_EXMDB)}
        = ($bob, $t->password('bob'), 'unix:' . $t->socket('directory'),
            'unix:' . $t->socket('exmdb'));
    my $out = `$program 2>&1`;
    is($?, 0, 'the client library') or diag($out);
}

is_deeply([ $t->trouble ], [], 'no trouble in the logs');
$t->stop;
unlike($t->log_text('exmdb'), qr/PH1041/, 'no timer is left open');
done_testing();
