#!/usr/bin/perl
# Autodiscover as its clients ask it: Outlook, phones, the JSON variant, and
# Thunderbird's autoconfig.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Posthorn::Test;
use Posthorn::FakeDaemon;
use Posthorn::RawHTTP;

my $plain = Posthorn::Test::free_port();

my $t = Posthorn::Test->new(servers => ['nginx'], nginx => { edit => sub {
    my ($text) = @_;
    $text =~ s/worker_processes auto/worker_processes 1/ or die;
    $text =~ s/(listen \S+ ssl;)/$1 listen 127.0.0.1:$plain;/ or die;
    $text =~ s/(http \{)/$1 posthorn_identity_require_tls off;/ or die;
    $text =~ s/announce mapihttp;/announce mapihttp eas;/ or die;
    return $text;
} });

my $auth = Posthorn::FakeDaemon::directory_request({
    'alice@example.test' => 'secret' });
my $guid = pack 'H*', '11223344556677889900aabbccddeeff';

my $directory = Posthorn::FakeDaemon->new($t->socket('directory'),
    request => sub {
        my ($req) = @_;
        return $auth->($req) if $req->{op} != 0x0104;
        my $by = ord substr $req->{body}, 0, 1, '';
        my $key = Posthorn::FakeDaemon::take_str16($req->{body});
        my ($name) = $key =~ /^(alice|bob)\@example\.test$/i;
        ($name) = $key =~ /\/cn=(alice|bob)$/i if $by == 1;
        return Posthorn::FakeDaemon::NOT_FOUND unless $name;
        return (0, Posthorn::FakeDaemon::entry(guid => $guid,
            address => lc "$name\@example.test", display_name => 'A & <B>'));
    },
    command => sub { });
my $exmdb = Posthorn::FakeDaemon->new($t->socket('exmdb'),
    request => sub { return 3 }, command => sub { });
$t->start;

my $ns = 'http://schemas.microsoft.com/exchange/autodiscover';

sub pox {
    my ($inner, %opt) = @_;
    my $kind = $opt{kind} // 'outlook';
    my $schema = $opt{schema} // ($kind eq 'outlook'
        ? "$ns/outlook/responseschema/2006a"
        : "$ns/mobilesync/responseschema/2006");
    my $body = $opt{body} // '<?xml version="1.0"?><Autodiscover xmlns="'
        . "$ns/$kind/requestschema/2006\"><Request>$inner"
        . "<AcceptableResponseSchema>$schema</AcceptableResponseSchema>"
        . '</Request></Autodiscover>';
    my @head = ('Content-Type' => 'text/xml', 'X-MapiHttpCapability' => 1);
    push @head, Authorization => Posthorn::RawHTTP::basic(
        'alice@example.test', 'secret') unless $opt{anonymous};
    return Posthorn::RawHTTP->new($plain)->request('POST',
        $opt{path} // '/autodiscover/autodiscover.xml', \@head, $body);
}

sub get {
    my ($path) = @_;
    return Posthorn::RawHTTP->new($plain)->request('GET', $path, []);
}

my $email = '<EMailAddress>alice@example.test</EMailAddress>';

$t->wait_for('the directory is there', 10,
    sub { pox($email)->{status} == 200 });

my $r = pox($email);
is($r->{status}, 200, 'Outlook');
like($r->{head}{'content-type'}[0], qr/^text\/xml/, 'Content-Type');
like($r->{body}, qr/<Action>settings<\/Action>/, 'settings');
like($r->{body}, qr{<LegacyDN>/o=Test/.*/cn=Recipients/cn=alice</LegacyDN>},
    'LegacyDN');
like($r->{body}, qr{https://[^<]+/mapi/emsmdb/\?MailboxId=[0-9a-f-]{36}\@example\.test<}i,
    'the mailbox by its GUID');
like($r->{body}, qr{/mapi/nspi/\?MailboxId=}, 'the address book');

is(pox($email, path => '/AutoDiscover/AutoDiscover.XML')->{status}, 200,
    'any case of the path');
is(pox($email, anonymous => 1)->{status}, 401, 'credentials are required');
$r = pox('<EMailAddress>BOB@example.test</EMailAddress>');
like($r->{body}, qr/cn=bob</, 'another mailbox of the installation');
like($r->{body}, qr/<DisplayName>A &amp; &lt;B&gt;<\/DisplayName>/,
    'a name that needs escapes');
like($r->{body}, qr/MailboxId=44332211-6655-8877-9900-aabbccddeeff\@/i,
    'its GUID');
like(pox('<LegacyDN>/o=Test/cn=Recipients/cn=alice</LegacyDN>')->{body},
    qr/<Action>settings/, 'by LegacyDN');
like(pox('<EMailAddress>nobody@example.test</EMailAddress>')->{body},
    qr/<ErrorCode>500<\/ErrorCode>/, 'an unknown address: 500');
like(pox($email, schema => 'http://example.org/x')->{body},
    qr/<ErrorCode>601<\/ErrorCode>/, 'an unknown schema: 601');

for my $case (['no XML', 'x'], ['cut', '<Autodiscover><Request>'],
    ['empty', ''], ['no request', '<Autodiscover/>'],
    ['a DTD', '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
        . "<Autodiscover xmlns=\"$ns/outlook/requestschema/2006\"><Request>"
        . '<EMailAddress>&x;</EMailAddress></Request></Autodiscover>'],
    ['deep', '<a>' x 5000])
{
    $r = pox('', body => $case->[1]);
    like("$r->{status} $r->{body}",
        qr/^(?:400|413)|<ErrorCode>600<\/ErrorCode>/, "$case->[0]: 600");
    unlike($r->{body}, qr/root:/, "$case->[0]: nothing leaks");
}

$r = pox($email, kind => 'mobilesync');
like($r->{body}, qr/<EMailAddress>alice\@example\.test</, 'MobileSync');
like($r->{body}, qr{<Url>https://[^<]+/Microsoft-Server-ActiveSync<},
    'its URL');

my $json = '/autodiscover/autodiscover.json';
$r = get("$json?Email=alice\@example.test&Protocol=AutodiscoverV1");
is($r->{status}, 200, 'JSON');
like($r->{head}{'content-type'}[0], qr/^application\/json/, 'Content-Type');
like($r->{body}, qr{"Url":\s*"https://[^"]+/autodiscover/autodiscover.xml"}i,
    'the URL');
is(get("$json?Email=nobody\@nowhere.test&Protocol=AutodiscoverV1")->{body},
    $r->{body}, 'nobody learns which mailboxes exist');
is(get("$json?Email=a\@b&Protocol=Telepathy")->{status}, 400,
    'an unknown protocol');
unlike(get("$json?Email=%22%3Cscript%3E&Protocol=%22%0d%0aX:%20y")->{body},
    qr/<script>/, 'nothing comes back unescaped');

my $auto = '/mail/config-v1.1.xml';
$r = get("$auto?emailaddress=alice\@example.test");
like($r->{body}, qr/<clientConfig version="1.1">/, 'autoconfig');
like($r->{body}, qr/<domain>example\.test<\/domain>/, 'the domain');
is(get("/.well-known/autoconfig$auto?emailaddress=alice\@example.test")
    ->{body}, $r->{body}, 'the same at the other place');
is(get("$auto?emailaddress=nobody\@example.test")->{body}, $r->{body},
    'and for everybody');

# the directory is away: come again
$directory->stop;
$t->wait_for('503 for who is not known', 20, sub {
    pox('<EMailAddress>bob@example.test</EMailAddress>')->{status} == 503 });

$t->stop;
$exmdb->stop;
done_testing();
