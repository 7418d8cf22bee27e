#!/usr/bin/perl

# The SMTP client: TLS and credentials at the relay, delivery reports asked for
# (RFC 3461) and made, on the way in and on the way out.

use strict;
use warnings;

use File::Basename qw(dirname);
use Test::More;

use lib dirname(__FILE__) . '/lib';
use Posthorn::MAPI qw(PR);
use Posthorn::Outgoing;
use Posthorn::Relay;
use Posthorn::Test;

eval { require IO::Socket::SSL; 1 }
    or plan skip_all => 'needs Perl module IO::Socket::SSL (Debian package '
        . 'libio-socket-ssl-perl)';

my $port = Posthorn::Test::free_port();
my $t = Posthorn::Test->new(servers => [qw(directory exmdb delivery nginx)],
    conf => { delivery => { relay => "localhost:$port", retry_min => '200ms',
        retry_max => '500ms', relay_timeout => '10s' } });
my ($cert, $key) = $t->certificate;
my $r = Posthorn::Relay->new(dir => $t->dir, port => $port, cert => $cert,
    key => $key, offers => [], user => 'relayuser', password => "p\xe4ss=");
$t->start;
my $o = Posthorn::Outgoing->new($t);
my $alice = $t->address('alice');
my $bob = $t->address('bob');

END { local $?; $r->stop if $r }

my $n = 0;
sub id { return pack('a12 N', 'smtp test', ++$n) }

sub submit {
    my (%m) = @_;
    $m{to} = [['x@outside.test', 0]] unless $m{to};
    my $rc = $o->submit(id => id(), from => $alice, body => "text\r\n",
        subject => "message $n", class => 'IPM.Note', %m);
    is($rc, 0, 'a message is submitted');
}

# submits, and gives the dialogue when the message has left
sub sent {
    my (%m) = @_;
    $r->clear;
    submit(%m);
    $t->wait_for('the message at the relay', 20,
        sub { grep { /\(message\)/ } $r->dialogue });
    $t->wait_for('an empty queue', 20, sub { $o->queue->{total} == 0 });
    return join "\n", $r->dialogue;
}

# submits; the error that keeps it in the queue, and the dialogue.  The message
# is taken back.
sub waits {
    $r->clear;
    submit();
    my $e;
    $t->wait_for('a failure', 20, sub {
        ($e) = @{ $o->queue->{entries} };
        $e && $e->{tries} >= 1 });
    my $talk = join "\n", $r->dialogue;
    my $error = $e->{error};
    $t->wait_for('it is withdrawn', 20, sub { $o->withdraw($e->{id}) == 0 });
    return ($error, $talk);
}

sub configure {
    my (%o) = @_;
    $t->set_conf('delivery', %o);
    $t->restart_server('delivery');
    $t->start_server('delivery') unless $t->pid('delivery');
}

# ---- TLS ----

# on loopback "may" does without
$r->set(offers => ['STARTTLS']);
unlike(sent(), qr/STARTTLS/, 'no TLS on loopback unless it is required');

configure(relay_tls => 'require');
like(sent(), qr/^EHLO \S+\nSTARTTLS\nT EHLO \S+\nT MAIL FROM:<\Q$alice\E>/,
    'require: STARTTLS, and EHLO again');

$r->set(offers => []);
my ($error, $talk) = waits();
like($error, qr/does not offer STARTTLS/, 'require: no TLS, no mail');
unlike($talk, qr/MAIL FROM/, 'not even its sender');

$r->set(offers => ['STARTTLS'], refuse_tls => 1);
($error, $talk) = waits();
like($error, qr/STARTTLS: 454/, 'require: TLS is refused');
$r->set(refuse_tls => 0, broken_tls => 1);
($error, $talk) = waits();
like($error, qr/TLS handshake failed/, 'require: TLS does not work');
unlike($talk, qr/MAIL FROM/, 'nothing was said in clear');
$r->set(broken_tls => 0);

configure(relay_tls => 'require', relay_ca => $cert);
like(sent(), qr/^T MAIL FROM/m, 'the certificate is what relay_ca says');

my $other = $t->dir . '/etc/other.pem';
system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
    . "-days 3 -subj /CN=localhost -keyout $other.key -out $other "
    . ">/dev/null 2>&1") == 0 or die 'openssl';
configure(relay_tls => 'require', relay_ca => $other);
($error, $talk) = waits();
like($error, qr/TLS handshake failed: .*(?:self.signed|issuer|verif)/i,
    'a certificate of somebody else is not taken');
unlike($talk, qr/MAIL FROM/, 'and nothing is said to him');

my $named = $t->dir . '/etc/named.pem';
system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
    . "-days 3 -subj /CN=mx.other.test "
    . "-addext subjectAltName=DNS:mx.other.test -keyout $named.key -out $named >/dev/null 2>&1") == 0 or die 'openssl';
$r->set(cert => $named, key => "$named.key");
configure(relay_tls => 'require', relay_ca => $named);
($error) = waits();
like($error, qr/TLS handshake failed: .*name/i,
    'nor one with another name');
$r->set(cert => $cert, key => $key);

# ---- credentials ----

configure(relay_tls => 'require', relay_ca => $cert,
    relay_user => 'relayuser', relay_password => "p\xe4ss=");
$r->set(offers => ['STARTTLS', 'AUTH PLAIN LOGIN'],
    offers_tls => ['AUTH LOGIN PLAIN']);
$talk = sent();
like($talk, qr/^T AUTH PLAIN \S+\nT MAIL/m, 'AUTH PLAIN inside of TLS');
unlike($talk, qr/^AUTH/m, 'not before');

$r->set(offers_tls => ['AUTH LOGIN']);
like(sent(), qr/^T AUTH LOGIN\nT LOGIN relayuser\nT MAIL/m,
    'AUTH LOGIN when there is no other');
$r->set(offers_tls => ['AUTH CRAM-MD5']);
($error) = waits();
like($error, qr/neither AUTH PLAIN nor LOGIN/, 'no way to authenticate');
$r->set(offers_tls => ['AUTH PLAIN'], password => 'another');
($error, $talk) = waits();
like($error, qr/AUTH: 535/, 'a wrong password: the message waits');
unlike($talk, qr/MAIL FROM/, 'and is not sent without');
$r->set(password => "p\xe4ss=");

# ---- reports that are asked for ----

configure(relay_tls => 'never', relay_ca => '', relay_user => '',
    relay_password => '');
$r->set(offers => ['DSN', 'PIPELINING']);

my $hex = '[0-9a-f]{32}';
$talk = sent(to => [['a+b@outside.test', 4 | 8], ['c@outside.test', 2 | 4],
    ['d@outside.test', 1]]);
like($talk, qr/^MAIL FROM:<\Q$alice\E> ENVID=$hex$/m, 'ENVID');
like($talk, qr/^RCPT TO:<a\+b\@outside\.test> NOTIFY=FAILURE,DELAY ORCPT=/m,
    'NOTIFY');
like($talk, qr/ ORCPT=rfc822;a\+2Bb\@outside\.test$/m, 'ORCPT');
like($talk, qr/^RCPT TO:<c\@outside\.test> NOTIFY=SUCCESS,FAILURE /m,
    'success');
like($talk, qr/^RCPT TO:<d\@outside\.test> NOTIFY=NEVER /m, 'never');

my $m = Posthorn::MAPI->new(url => $t->url, user => $alice,
    password => $t->password('alice'));
$m->connect;
$m->logon;

# rows of reports in the Inbox: [class, display to]
sub reports {
    my $inbox = $m->open_folder('inbox');
    my @rows = grep { $_->{PR_MESSAGE_CLASS} =~ /^REPORT/ } $m->contents($inbox,
        ['PR_MESSAGE_CLASS', 'PR_DISPLAY_TO', 'PidTagMid', 'PR_SUBJECT']);
    $m->release($inbox);
    return @rows;
}
is(scalar(reports()), 0, 'the relay reports, not we');

$r->set(offers => []);
unlike(sent(to => [['e@outside.test', 2]]), qr/NOTIFY|ORCPT|ENVID/,
    'a relay without DSN is not asked');
my @got;
$t->wait_for('a report', 20, sub { @got = reports() });
is($got[0]{PR_MESSAGE_CLASS}, 'REPORT.IPM.Note.Relayed.DR',
    'so the sender hears that it was relayed');
is($got[0]{PR_DISPLAY_TO}, 'e@outside.test', 'to whom');

submit(to => [[$bob, 2]]);
$t->wait_for('another one', 20, sub { @got = reports(); @got == 2 });
is($got[1]{PR_MESSAGE_CLASS}, 'REPORT.IPM.Note.DR',
    'a mailbox of ours: delivered');

# ---- a recipient that has no address of SMTP ----

my $sent = $m->create_message($m->{folders}{outbox}, {
    PR_SUBJECT => 'to an old address', PR_BODY => 'text',
    PR_MESSAGE_CLASS => 'IPM.Note' }, recipients => [ [1, 'bob', $bob],
    [1, 'Old Friend', '/o=Elsewhere/ou=Sales/cn=Recipients/cn=old'] ]);
is($m->try('SubmitMessage', { submit_flags => 0 }, $sent->{handle})->{ec}, 0,
    'a message to bob and to an address without a domain');
$t->wait_for('a report', 20, sub { @got = reports(); @got == 3 });
is($got[2]{PR_MESSAGE_CLASS}, 'REPORT.IPM.Note.NDR', 'comes back');
my $h = $m->open_message('inbox', $got[2]{PidTagMid})->{handle};
my $rr = $m->rop('ReadRecipients', { row_id => 0 }, $h);
is(scalar(@{ $rr->{rows} }), 1, 'for the one recipient that failed');
like($got[2]{PR_DISPLAY_TO}, qr/^IMCEA\w*-_o=Elsewhere_ou=Sales/,
    'by a name that tells his address');

# ---- reports for others: LMTP ----

$r->set(offers => ['DSN']);
$r->clear;
my @answers = $t->send_mail(from => 'far@outside.test', to => $alice,
    data => "Subject: tell me\n\nx\n", mail_args => 'RET=HDRS ENVID=e+3D1');
like($answers[0], qr/^250/, 'LMTP takes the parameters');
{
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $t->port('lmtp')) or die;
    $s->autoflush(1);
    my $talk = "LHLO x\r\n"
        . "MAIL FROM:<far\@outside.test> ENVID=e+3D2 RET=HDRS\r\n"
        . "RCPT TO:<$alice> NOTIFY=SUCCESS,FAILURE "
        . "ORCPT=rfc822;her+2Bname\@outside.test\r\n"
        . "RCPT TO:<$bob> NOTIFY=FAILURE\r\nDATA\r\n"
        . "Subject: tell me 2\r\n\r\nsecret\r\n.\r\nQUIT\r\n";
    print $s $talk;
    my $all = join '', <$s>;
    like($all, qr/^250-DSN\r$/m, 'LMTP offers DSN');
    is(scalar(() = $all =~ /^250 2\.0\.0 <.*> delivered/mg), 2, 'both got it');
}
$t->wait_for('the report for the sender', 20,
    sub { grep { /\(message\)/ } $r->dialogue });
$talk = join "\n", $r->dialogue;
like($talk, qr/^MAIL FROM:<>/m, 'a report has no sender');
like($talk, qr/^RCPT TO:<far\@outside\.test>/m,
    'and goes to who wrote');
is(scalar(() = $talk =~ /\(message\)/g), 1,
    'one report: for the recipient with SUCCESS');

$t->stop;
done_testing();
