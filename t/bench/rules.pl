#!/usr/bin/perl

# What a delivery costs as rules grow: mails a second over LMTP into a mailbox
# with 0, 10 and 100 rules that match nothing, and the ratio to none.
#
#     perl -It/lib t/bench/rules.pl [mails, default 200]

use strict;
use warnings;

use Posthorn::MAPI;
use Posthorn::Test;
use Time::HiRes qw(time);

my $mails = shift // 200;
my $t = Posthorn::Test->new(servers => [qw(directory exmdb delivery nginx)]);
$t->start;
my $alice = $t->address('alice');
my $m = Posthorn::MAPI->new(url => $t->url, user => $alice,
    password => $t->password('alice'));
$m->connect;
$m->logon;
my $inbox = $m->open_folder('inbox');

my ($serial, $none) = (0);
for my $n (0, 10, 100) {
    $m->rop('ModifyRules', { modify_rules_flags => 1, rows => [] }, $inbox);
    $m->rop('ModifyRules', { rows => [ map { { flags => 1, props => [
        [ 'PR_RULE_NAME', "rule $_" ], [ 'PR_RULE_SEQUENCE', $_ ],
        [ 'PR_RULE_STATE', 1 ], [ 'PR_RULE_PROVIDER', 'bench' ],
        [ 'PR_RULE_CONDITION', [ 'or',
            [ 'content', 0x10001, 'PR_SUBJECT', "nothing $_" ],
            [ 'content', 0x10001, 'PR_SENDER_NAME', "nobody $_" ] ] ],
        [ 'PR_RULE_ACTIONS', pack('v v/a*', 1, pack('C V V', 10, 0, 0)) ] ]
    } } 1 .. $n ] }, $inbox) if $n;
    my $start = time;
    for (1 .. $mails) {
        $serial++;
        $t->send_mail(from => 'x@outside.test', to => $alice,
            data => "From: x\@outside.test\nTo: $alice\n"
                . "Subject: bench $serial\n\ntext\n");
    }
    my $rate = $mails / (time() - $start);
    $none //= $rate;
    printf "%3d rules: %6.1f mails/s, %.2f of the cost without\n", $n, $rate,
        $none / $rate;
}
$m->disconnect;
$t->stop;
Test::More::done_testing();
