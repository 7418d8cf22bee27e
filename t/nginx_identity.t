#!/usr/bin/perl
# Who makes a request: challenges, the directory's verdicts, the cache and what
# drops it, and what happens while the directory is away.

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
    $text =~ s{(        location = /mapi/healthcheck)}{
        location /who {
            posthorn_identity on;
            posthorn_identity_service web;
            posthorn_identity_realm "Realm of \$host";
            posthorn_identity_require_tls off;
            add_header X-User \$mailbox_user;
            add_header X-Name \$mailbox_display_name;
            add_header X-DN \$mailbox_dn;
            add_header X-Domain \$mailbox_domain;
            add_header X-Rights \$mailbox_rights;
            add_header X-Ticket \$mailbox_ticket;
            add_header X-Remote-User \$remote_user;
            empty_gif;
        }
        location /mapi-right {
            posthorn_identity on;
            posthorn_identity_service mapi;
            posthorn_identity_require_tls off;
            empty_gif;
        }
        location /tls {
            posthorn_identity on;
            empty_gif;
        }
        location /open {
            add_header X-User "user:\$mailbox_user";
            empty_gif;
        }
$1} or die;
    return $text;
} });

my %users = ('alice@example.test' => 'secret', 'bob@example.test' => 'p:w',
    "j\xc3\xbcrgen\@example.test" => "p\xc3\xa4ss", 'Alias@example.test' => 'x');

my $answer = Posthorn::FakeDaemon::directory_request(\%users);
my $new_directory = sub {
    return Posthorn::FakeDaemon->new($t->socket('directory'),
        request => sub {
            my ($req) = @_;
            if ($req->{op} == 0x0101 && $req->{state}{hold}) {
                $req->{state}{held}++;
                return ();
            }
            return $answer->($req);
        },
        command => sub {
            my ($d, $word, @a) = @_;
            my $s = $d->{state};
            $s->{ $a[0] } = $a[1] if $word eq 'set';
            $d->event(0x0108, pack('Q<', ++$s->{generation})
                . Posthorn::FakeDaemon::str16($a[0] // '')) if $word eq 'changed';
            $d->drop if $word eq 'drop';
            return $s->{ $a[0] // '' } // 0;
        });
};
my $directory = $new_directory->();
my $exmdb = Posthorn::FakeDaemon->new($t->socket('exmdb'),
    request => sub { return 3 }, command => sub { });

$t->start;

sub get {
    my ($path, $authorization, %opt) = @_;
    my $c = Posthorn::RawHTTP->new($opt{port} // $plain, ssl => $opt{ssl});
    return $c->request('GET', $path,
        [defined $authorization ? (Authorization => $authorization) : ()]);
}

sub login { get($_[2] // '/who', Posthorn::RawHTTP::basic(@_[0, 1])) }

sub checks { $directory->say('get', 'auth') }

# the watch is there when the generation has been asked for
$t->wait_for('the directory is watched', 10,
    sub { login('alice@example.test', 'secret')->{status} == 200 });
$directory->say('changed', '');

my $r = get('/who');
is($r->{status}, 401, 'no credentials');
is($r->{head}{'www-authenticate'}[0],
    'Basic realm="Realm of frontend.example.test", charset="UTF-8"',
    'the challenge');
is(get('/tls')->{status}, 403, 'no TLS: no challenge');
is(get('/tls', Posthorn::RawHTTP::basic('alice@example.test', 'secret'))
    ->{status}, 403, 'no TLS: credentials are not looked at');
SKIP: {
    eval { require IO::Socket::SSL } or skip 'no IO::Socket::SSL', 1;
    is(get('/tls', undef, port => $t->port('https'), ssl => 1)->{status}, 401,
        'TLS: the challenge');
}
is(get('/open')->{status}, 200, 'a location without identity');
ok(!get('/open')->{head}{'x-user'} || get('/open')->{head}{'x-user'}[0]
    eq 'user:', '... has no $mailbox_user');

$r = login('alice@example.test', 'secret');
is($r->{status}, 200, 'right credentials');
my %want = ('x-user' => 'alice@example.test', 'x-name' => 'alice',
    'x-dn' => '/o=Test/ou=Exchange Administrative Group/cn=Recipients/cn=alice',
    'x-domain' => 'example.test', 'x-remote-user' => 'alice@example.test',
    'x-rights' => 'web,mapi,imap,pop3,smtp,ews,eas,dav',
    'x-ticket' => unpack 'H*', 'ticket-of-alice@example.test');
is($r->{head}{$_}[0], $want{$_}, $_) for sort keys %want;
is($directory->say('get', 'service'), 1, 'the right is asked for');
is($directory->say('get', 'client'), '127.0.0.1', 'the client is named');

for my $case (
    ['Basic', 400], ['Basic !!!!', 400], ['Basic ' . 'QQ' x 3000, 400],
    ['Basic Og==', 400], ['Basic YWJj', 400], ['basic', 400],
    ['Basic ' . MIME::Base64::encode_base64("a\nb:c", ''), 400],
    ['Basic ' . MIME::Base64::encode_base64('x' x 400 . ':c', ''), 400],
    ['Bearer x', 401], ['Basically abc', 401], ['', 401])
{
    is(get('/who', $case->[0])->{status}, $case->[1],
        "'" . substr($case->[0], 0, 20) . "': $case->[1]");
}

is(login('bob@example.test', 'p:w')->{status}, 200, 'a colon in a password');
is(login("j\xfcrgen\@example.test", "p\xe4ss")->{status}, 200,
    'ISO 8859-1 is understood');
is(login('alice@example.test', 'Secret')->{status}, 401, 'a wrong password');
ok(login('alice@example.test', 'Secret')->{head}{'www-authenticate'},
    '... has the challenge');
is(login('nobody@example.test', 'secret')->{status}, 401, 'an unknown user');

# cache
my $n = checks();
is(login('alice@example.test', 'secret')->{status}, 200, 'again') for 1 .. 3;
is(checks(), $n, 'known credentials do not reach the directory');
login('alice@example.test', 'wrong') for 1 .. 3;
is(checks(), $n + 3, 'wrong ones do, each time');
is(login('alice@example.test', 'secret', '/mapi-right')->{status}, 200,
    'another service');
is(checks(), $n + 4, '... is checked on its own');
$n += 4;

login('alice@example.test', 'secret');
login('bob@example.test', 'p:w');
is(checks(), $n, 'two users in the cache');
$directory->say('changed', 'ALICE@example.test');
$t->wait_for('alice is dropped', 5, sub {
    login('alice@example.test', 'secret'); checks() > $n });
$n = checks();
login('bob@example.test', 'p:w');
is(checks(), $n, 'bob is still there');
$directory->say('changed', '');
$t->wait_for('bob is dropped', 5, sub {
    login('bob@example.test', 'p:w'); checks() > $n });

# the generation is another after a break: what happened is not known
login('alice@example.test', 'secret');
$n = checks();
$directory->say('set', 'generation', 77);
$directory->say('drop');
$t->wait_for('everything is dropped', 5, sub {
    login('alice@example.test', 'secret'); checks() > $n });

# verdicts that are no answer
$directory->say('set', 'fail', 8);
$r = login('carol@example.test', 'x');
is($r->{status}, 503, 'throttled: 503');
ok($r->{head}{'retry-after'}, '... with Retry-After');
$directory->say('set', 'fail', 1);
is(login('carol@example.test', 'x')->{status}, 500, 'an error: 500');
$directory->say('set', 'fail', 0);

# a client that goes away does not hurt, and the next one is served
{
    $directory->say('set', 'hold', 1);
    my $c = Posthorn::RawHTTP->new($plain);
    $c->send_request('GET', '/who', [Authorization =>
        Posthorn::RawHTTP::basic('dora@example.test', 'x')]);
    $t->wait_for('the check is under way', 5,
        sub { $directory->say('get', 'held') });
    $c->close;
    $t->wait_for('the check is cancelled', 5,
        sub { $directory->say('get', 'cancelled') });
    pass('a client that leaves cancels its check');
    $directory->say('set', 'hold', 0);
}

# no directory: who is known goes on, the others come later
login('alice@example.test', 'secret');
$directory->stop;
is(login('alice@example.test', 'secret')->{status}, 200,
    'without a directory the cache serves');
$t->wait_for('others get 503', 20,
    sub { login('erna@example.test', 'x')->{status} == 503 });
$directory = $new_directory->();
$t->wait_for('the directory is back', 20,
    sub { login('bob@example.test', 'p:w')->{status} == 200 });

my $log = do { local (@ARGV, $/) = glob($t->dir . '/log/*'); <> };
unlike($log, qr/secret|p:w/, 'no password in a log');

$t->stop;
$_->stop for $directory, $exmdb;
done_testing();
