#!/usr/bin/perl

# Rules at delivery, end to end: mail comes by LMTP, rules that a client made
# file it, forward it, answer it or refuse it, and what leaves goes through the
# queue to a server that stands for the outside.

use strict;
use warnings;
use utf8;

use POSIX ();
use Test::More;

use Posthorn::MAPI qw(PR EC eid);
use Posthorn::Test;

my $t = Posthorn::Test->new(servers => [qw(sink directory exmdb delivery
    nginx)], conf => { delivery => { retry_min => '200ms' } });
$t->start;

my (%m, %inbox);
for my $user (qw(alice bob)) {
    my $m = $m{$user} = Posthorn::MAPI->new(url => $t->url,
        user => $t->address($user), password => $t->password($user));
    $m->connect;
    $m->logon;
    $inbox{$user} = $m->open_folder('inbox');
}
my ($alice, $bob) = map { $t->address($_) } qw(alice bob);

# ---- rules ----

sub action {
    my ($type, $flavor, $data) = @_;
    return pack('v/a*', pack('C V V', $type, $flavor, 0) . ($data // ''));
}

sub move {
    my ($type, $fid) = @_;
    my $svreid = pack('C Q< Q< V', 1, $fid, 0, 0);
    return action($type, 0, pack('C v/a* v/a*', 1, "\0", $svreid));
}

sub utf16z { join('', map { pack 'v', ord } split //, $_[0]) . "\0\0" }

sub forward {
    my ($type, $flavor, @to) = @_;
    my $rows = join '', map {
        my $n = 0;
        pack('C v', 1, 3)
            . pack('V', PR('PR_DISPLAY_NAME')) . utf16z($_)
            . pack('V', PR('PR_ADDRTYPE')) . utf16z('SMTP')
            . pack('V', PR('PR_EMAIL_ADDRESS')) . utf16z($_)
    } @to;
    return action($type, $flavor, pack('v', scalar @to) . $rows);
}

sub template {
    my ($user, $body, %o) = @_;
    my $m = $m{$user};
    my $x = $m->create_message($m->{folders}{inbox}, {
        PR_MESSAGE_CLASS => 'IPM.Note.Rules.ReplyTemplate.Microsoft',
        PR_BODY => $body, %o }, associated => 1);
    $m->release($x->{handle});
    return pack('Q< Q< a16', $m->{folders}{inbox}, $x->{message_id}, '');
}

# replaces the rules of an inbox
sub rules {
    my ($user, @rules) = @_;
    my $n = 0;
    my @rows = map { {
        flags => 1, props => [
            [ 'PR_RULE_NAME', $_->{name} // "rule $n" ],
            [ 'PR_RULE_SEQUENCE', $n++ ],
            [ 'PR_RULE_STATE', $_->{state} // 1 ],
            [ 'PR_RULE_PROVIDER', 'test' ],
            [ 'PR_RULE_CONDITION', $_->{if} ],
            [ 'PR_RULE_ACTIONS', pack('v', scalar @{ $_->{do} })
                . join('', @{ $_->{do} }) ] ] } } @rules;
    $m{$user}->rop('ModifyRules', { modify_rules_flags => 1,
        rows => \@rows }, $inbox{$user});
}

sub subject { [ 'content', 0x10001, 'PR_SUBJECT', $_[0] ] }

# ---- mail ----

sub mail {
    my ($to, $subject, %o) = @_;
    my $from = $o{from} // 'person@outside.test';
    my $head = join '', map { "$_\n" } @{ $o{head} || [] };
    my $answer = $t->send_mail(from => $o{envelope} // $from, to => $to,
        data => "From: Person <$from>\nTo: "
            . ($o{header_to} // $to) . "\nSubject: $subject\n"
            . "Message-ID: <$subject\@outside.test>\n" . $head
            . "\nText of $subject\n");
    like($answer, qr/^250/, "mail: $subject");
}

sub found {
    my ($user, $folder, $subject) = @_;
    my $h = $m{$user}->open_folder($folder);
    my @rows = grep { $_->{PR_SUBJECT} eq $subject }
        $m{$user}->contents($h, [qw(PidTagMid PR_SUBJECT PR_MESSAGE_FLAGS
            PR_IMPORTANCE PR_MESSAGE_CLASS)]);
    $m{$user}->release($h);
    return wantarray ? @rows : $rows[0];
}

sub in_sink { my ($what) = @_; grep { $_->{data} =~ $what } $t->sink_messages }

sub sent {
    my ($what, $name) = @_;
    my $got = $t->wait_for($name, 20, sub { (in_sink($what))[0] });
    ok($got, $name);
    return $got;
}

# nothing is under way any more
sub settled {
    $t->wait_for('empty queues', 20, sub {
        my $q = $t->phctl_ok('--json', 'queue', 'list');
        my $h = $m{alice}->open_folder('outbox');
        my @out = $m{alice}->contents($h, ['PidTagMid']);
        $m{alice}->release($h);
        return !@out && $q !~ /"id"/;
    });
}

# ---- filing ----

my $sub = $m{alice}->create_folder($inbox{alice}, 'filed');
my $copy = $m{alice}->create_folder($inbox{alice}, 'copies');

rules('alice',
    { if => subject('tagged'), do => [ action(9, 0,
        pack('V V', PR('PR_IMPORTANCE'), 2)), action(11, 0) ] },
    { if => subject('filed'), do => [ move(2, $copy->{folder_id}),
        move(1, $sub->{folder_id}) ] },
    { if => subject('last'), state => 0x11, do => [ action(11, 0) ] },
    { if => subject('last'), do => [ action(10, 0) ] },
    { if => subject('gone'), do => [ action(10, 0) ] });

mail($alice, 'filed');
is(scalar(my @x = found('alice', $sub->{folder_id}, 'filed')), 1,
    'a message is moved');
is(scalar(@x = found('alice', $copy->{folder_id}, 'filed')), 1, 'and copied');
is(scalar(@x = found('alice', 'inbox', 'filed')), 0, 'out of the inbox');
mail($alice, 'tagged');
my $row = found('alice', 'inbox', 'tagged');
is($row->{PR_IMPORTANCE}, 2, 'another one is tagged');
ok($row->{PR_MESSAGE_FLAGS} & 1, 'and marked as read');
mail($alice, 'last');
ok(found('alice', 'inbox', 'last'), 'EXIT_LEVEL keeps later rules away');
mail($alice, 'gone');
ok(!found('alice', 'inbox', 'gone'), 'one is deleted');

# who sent it: the client names him by his entry in the address book
my $dn = $m{bob}{dn} // $m{bob}->get($m{bob}{logon},
    'PR_EMAIL_ADDRESS')->{PR_EMAIL_ADDRESS};
rules('alice', { if => [ 'prop', '==', 'PR_SENDER_SEARCH_KEY',
    'EX:' . uc($dn) . "\0" ], do => [ move(1, $sub->{folder_id}) ] });
mail($alice, 'from bob', from => $bob);
ok(found('alice', $sub->{folder_id}, 'from bob'),
    'a sender is known by either form of his address');
mail($alice, 'from no bob');
ok(found('alice', 'inbox', 'from no bob'), 'and nobody else is');

# a rule that cannot work keeps nothing away
rules('alice', { if => subject('lost'), do => [ move(1, eid(1, 0xABCDEF)) ] });
mail($alice, 'lost');
ok(found('alice', 'inbox', 'lost'), 'a folder that is gone loses no mail');
my $h = $m{alice}->rop('GetRulesTable', { table_flags => 0x40 },
    $inbox{alice})->{handle};
is(($m{alice}->rows($h, 'PR_RULE_STATE'))[0]{PR_RULE_STATE}, 3,
    'the rule is marked');
$m{alice}->release($h);
my @dem = grep { $_->{PR_MESSAGE_CLASS} =~ /Deferred Error/ }
    $m{alice}->contents($m{alice}->open_folder('deferred_action'),
        [qw(PR_MESSAGE_CLASS)]);
is(scalar @dem, 1, 'its owner is told');
mail($alice, 'lost');
@dem = $m{alice}->contents($m{alice}->open_folder('deferred_action'),
    [qw(PR_MESSAGE_CLASS)]);
is(scalar @dem, 1, 'once');

# ---- for the client ----

rules('alice', { if => subject('client'), do => [ action(5, 0, 'opaque') ] });
mail($alice, 'client');
my ($dam) = grep { $_->{PR_MESSAGE_CLASS} =~ /Deferred Action$/ }
    $m{alice}->contents($m{alice}->open_folder('deferred_action'),
        [qw(PR_MESSAGE_CLASS PR_CLIENT_ACTIONS PR_RULE_PROVIDER
            PR_DAM_ORIGINAL_ENTRYID)]);
is($dam->{PR_CLIENT_ACTIONS}, pack('v', 1) . action(5, 0, 'opaque'),
    'an action is left to the client');
is(length $dam->{PR_DAM_ORIGINAL_ENTRYID}, 70, 'with the message it is for');

# ---- to others ----

rules('alice',
    { if => subject('fwd'), do => [ forward(7, 0, 'f@outside.test') ] },
    { if => subject('redirect'), do => [ forward(7, 3, 'r@outside.test') ] },
    { if => subject('attach'), do => [ forward(7, 4, 'a@outside.test') ] });
mail($alice, 'fwd');
my $out = sent(qr/^Subject: FW: fwd\r$/m, 'a message is forwarded');
is_deeply($out->{to}, ['f@outside.test'], 'to whom the rule says');
is($out->{from}, $alice, 'by the owner');
like($out->{data}, qr/^From:[^\n]*\Q$alice\E/m, 'as his own');
like($out->{data}, qr/^X-MS-Exchange-Inbox-Rules-Loop: \Q$alice\E\r$/mi,
    'with a trace');
like($out->{data}, qr/Text of fwd/, 'and the text');
ok(found('alice', 'inbox', 'fwd'), 'it stays, too');
mail($alice, 'redirect', head => [ 'X-Kept: as it is' ]);
$out = sent(qr/^Subject: redirect\r$/m, 'another one is redirected');
like($out->{data}, qr/^From: Person <person\@outside.test>\r$/m,
    'its sender stays');
like($out->{data}, qr/^X-Kept: as it is\r$/m, 'and its header');
is_deeply($out->{to}, ['r@outside.test'], 'to whom the rule says');
mail($alice, 'attach');
$out = sent(qr/^Subject: FW: attach\r$/m, 'one is attached');
like($out->{data}, qr/message\/rfc822.*Subject: attach\r/s, 'as it was');

# two who redirect to each other
rules('alice', { if => subject('circle'), do => [ forward(7, 3, $bob) ] });
rules('bob', { if => subject('circle'), do => [ forward(7, 3, $alice) ] });
mail($alice, 'circle');
$t->wait_for('the other one', 20, sub { found('bob', 'inbox', 'circle') });
settled();
is(scalar(@x = found('bob', 'inbox', 'circle')), 1, 'a circle of redirects');
ok(@x = found('alice', 'inbox', 'circle'), 'ends');
cmp_ok(scalar @x, '<=', 2, 'where it began');
rules('alice', { if => subject('ring'), do => [ forward(7, 0, $bob) ] });
rules('bob', { if => subject('ring'), do => [ forward(7, 0, $alice) ] });
mail($alice, 'ring');
$t->wait_for('the ring', 20, sub { found('bob', 'inbox', 'FW: ring') });
settled();
is(scalar(@x = found('bob', 'inbox', 'FW: ring')), 1, 'and of forwards');
is(scalar(@x = found('bob', 'inbox', 'FW: FW: FW: ring')), 0, 'too');
rules('bob');

# ---- answers ----

my $reply = template('alice', "Thank you.\r\n", PR_SUBJECT => 'got it');
rules('alice', { if => subject('ask'), do => [ action(3, 0, $reply) ] },
    { if => subject('stock'), do => [ action(3, 2, "\0" x 32) ] });
mail($alice, 'ask 1');
$out = sent(qr/^Subject: got it\r$/m, 'a reply is sent');
is($out->{from}, '', 'without a sender to answer');
is_deeply($out->{to}, ['person@outside.test'], 'to the sender');
like($out->{data}, qr/^Auto-Submitted: auto-replied\r$/m, 'marked');
like($out->{data}, qr/^In-Reply-To: <ask 1\@outside.test>\r$/m, 'an answer');
like($out->{data}, qr/Thank you\./, 'as the template says');
mail($alice, 'ask 2');
mail($alice, 'ask 3', from => 'second@outside.test');
mail($alice, "ask $_->[0]", from => "$_->[0]\@outside.test",
    head => $_->[1], envelope => $_->[2] // "$_->[0]\@outside.test")
    for [ auto => [ 'Auto-Submitted: auto-generated' ] ],
        [ bulk => [ 'Precedence: bulk' ] ],
        [ list => [ 'List-Id: <l.outside.test>' ] ],
        [ suppress => [ 'X-Auto-Response-Suppress: All' ] ],
        [ noreply => [] ], [ null => [], '' ];
settled();
$t->wait_for('second', 20, sub { 2 == in_sink(qr/^Subject: got it\r$/m) });
is(scalar(@x = in_sink(qr/^Subject: got it\r$/m)), 2,
    'each has one, and machines none');
mail($alice, 'stock', from => 'stock@outside.test');
sent(qr/^Subject: RE: stock\r$/m, 'a reply of the server');

# ---- refusal ----

rules('alice', { if => subject('bounce'), do => [ action(6, 0,
    pack('V', 0x26)) ] });
mail($alice, 'bounce');
$out = sent(qr/^Subject: Undeliverable/m, 'a message is refused');
like($out->{data}, qr/^Status: 5\.7\.1\r$/m, 'with the reason');
is($out->{from}, '', 'by nobody');
ok(!found('alice', 'inbox', 'bounce'), 'and not kept');

# ---- absence ----

rules('alice', { if => [ 'exist', 'PR_MESSAGE_CLASS' ], state => 0xD,
    do => [ action(4, 0, template('alice', "I am away.\r\n")) ] });
mail($alice, 'present', from => 'early@outside.test');
$m{alice}->set($m{alice}{logon}, PR_OOF_STATE => 1);
mail($alice, 'absent', from => 'one@outside.test');
$out = sent(qr/^Subject: Automatic reply: absent\r$/m, 'absence is told');
like($out->{data}, qr/I am away/, 'as the template says');
mail($alice, 'absent again', from => 'one@outside.test');
mail($alice, 'hidden', from => 'bcc@outside.test',
    header_to => 'team@example.test');
settled();
is(scalar(@x = in_sink(qr/^Subject: Automatic reply/m)), 1,
    'once, and to nobody who did not write to him');
$m{alice}->set($m{alice}{logon}, PR_OOF_STATE => 0);
mail($alice, 'back', from => 'one@outside.test');
$m{alice}->set($m{alice}{logon}, PR_OOF_STATE => 1);
mail($alice, 'away again', from => 'one@outside.test');
sent(qr/^Subject: Automatic reply: away again\r$/m,
    'the next absence is told again');
$m{alice}->set($m{alice}{logon}, PR_OOF_STATE => 0);
settled();
is(scalar(@x = in_sink(qr/^Subject: Automatic reply/m)), 2, 'no more');
rules('alice');

# ---- absence by the settings of the mailbox ----

my $show = sub { $t->phctl_ok('--json', 'oof', 'show', $alice) };
$t->phctl_ok('oof', 'set', $alice, '--state', 'on', '--internal', 'To ours',
    '--external', '<p>To others</p>', '--audience', 'contacts',
    '--external-subject', 'Gone');
like($show->(), qr/"state":\s*"on".*"audience":\s*"contacts"/s,
    'absence is set by an administrator');
mail($alice, 'settings 1', from => $bob);
$t->wait_for('an internal reply', 20, sub {
    found('bob', 'inbox', 'Automatic reply: settings 1') });
pass('who is here is told what is for him');
mail($alice, 'settings 2', from => 'stranger@outside.test');
my $names = $m{alice}->rop('GetPropertyIdsFromNames', { flags => 2,
    names => [ [ pack('H*', '0420060000000000c000000000000046'), 0x8083 ] ]
    }, $m{alice}{logon});
my $contact = $m{alice}->create_message(eid(1, 0x13), {
    PR_MESSAGE_CLASS => 'IPM.Contact', PR_SUBJECT => 'A friend',
    ($names->{ids}[0] << 16 | 0x1F) => 'Friend@outside.test' });
mail($alice, 'settings 3', from => 'friend@outside.test');
$out = sent(qr/^Subject: Gone\r$/m, 'and who is in the contacts');
is_deeply($out->{to}, ['friend@outside.test'], 'but no stranger');
like($out->{data}, qr/To others/, 'what is for him');
isnt(($t->phctl('oof', 'set', $alice, '--state', 'scheduled', '--start',
    '2026-12-24T18:00:00Z', '--end', '2026-12-24T18:00:00Z'))[0], 0,
    'an absence that ends before it begins is refused');
$t->phctl_ok('oof', 'set', $alice, '--state', 'off');
like($show->(), qr/"active":\s*false/, 'and it ends');

# ---- a room ----

is_deeply([ ($t->phctl('resource', 'set', $bob, '--kind', 'car'))[0] ], [ 2 ],
    'a room is no car');
$t->phctl_ok('resource', 'set', $bob, '--kind', 'room', '--recurring', 'yes',
    '--window', '90', '--longest', '480', '--skip', '10');
like($t->phctl_ok('--json', 'resource', 'show', $bob),
    qr/"kind":\s*"room".*"window_days":\s*90/s, 'a room and what it takes');
$t->phctl_ok('resource', 'set', $bob, '--kind', 'none');

# ---- kill -9 ----

# each mail is filed and forwarded in one commit: whatever dies, and whenever
rules('alice', { if => subject('crash'), do => [ forward(7, 3,
    'crash@outside.test'), move(1, $sub->{folder_id}) ] });
$m{$_}->disconnect for qw(alice bob);
my @mails = map { "crash $_" } 1 .. 25;
for my $i (0 .. $#mails) {
    my $data = "From: x\@outside.test\nTo: $alice\n"
        . "Subject: $mails[$i]\nMessage-ID: <crash$i\@outside.test>\n\nx\n";
    my $killer;
    if ($i % 4 == 1) {
        my @pids = $t->workers($i % 8 == 1 ? 'exmdb' : 'delivery');
        $killer = fork // die "fork: $!";
        if (!$killer) {
            select undef, undef, undef, 0.002 * ($i % 7);
            kill 'KILL', @pids;
            POSIX::_exit(0);
        }
    }
    # as a mail server does: again until it is taken
    $t->wait_for("$mails[$i] is taken", 30, sub {
        ($t->send_mail(from => 'x@outside.test', to => $alice,
            data => $data))[0] =~ /^250/ });
    waitpid $killer, 0 if $killer;
}
my $at_last = Posthorn::MAPI->new(url => $t->url, user => $alice,
    password => $t->password('alice'));
$at_last->connect;
$at_last->logon;
my $dir = $at_last->open_folder($sub->{folder_id});
my %filed;
$filed{ $_->{PR_SUBJECT} }++ for $at_last->contents($dir, ['PR_SUBJECT']);
is(scalar(grep { ($filed{$_} // 0) == 1 } @mails), 25, 'each is filed once');
$t->wait_for('all are forwarded', 60, sub {
    my %seen;
    /^Subject: (crash \d+)\r$/m && $seen{$1}++
        for map { $_->{data} } $t->sink_messages;
    return 25 == keys %seen;
});
my @forwarded = map { /^Message-ID: <(crash\d+)/m ? $1 : () }
    map { $_->{data} } $t->sink_messages;
my %count;
$count{$_}++ for @forwarded;
is(scalar(keys %count), 25, 'each is forwarded');
cmp_ok(scalar(grep { $count{$_} > 1 } keys %count), '<=', 4,
    'and twice only where the relay may have heard of it');
is(($t->phctl('check-store', $alice))[0], 0, 'the store is in order');
$at_last->disconnect;

$t->stop(killed => 1);
done_testing();
