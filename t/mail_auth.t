#!/usr/bin/perl
# What nginx's mail proxy asks before it connects a client of IMAP, POP3 or SMTP.

use strict;
use warnings;

use Test::More;

use lib 't/lib';
use Posthorn::Test;
use Posthorn::FakeDaemon;
use Posthorn::RawHTTP;

my $port = Posthorn::Test::free_port();

my $t = Posthorn::Test->new(servers => ['nginx'], nginx => { edit => sub {
    my ($text) = @_;
    $text =~ s/worker_processes auto/worker_processes 1/ or die;
    $text =~ s/(listen unix:\S+mail-auth.sock;)/$1 listen 127.0.0.1:$port;/
        or die;
    $text =~ s{(        location = /mail-auth \{)}{
        location = /relay {
            posthorn_mail_auth;
            posthorn_mail_auth_anonymous on;
            posthorn_mail_auth_backend smtp 127.0.0.1:25;
        }
$1} or die;
    return $text;
} });

my $directory = Posthorn::FakeDaemon->new($t->socket('directory'),
    request => Posthorn::FakeDaemon::directory_request({
        'alice@example.test' => 'a b%c', 'bob@example.test' => 'x' }),
    command => sub {
        my ($d, $word, @a) = @_;
        $d->{state}{ $a[0] } = $a[1] if $word eq 'set';
        return $d->{state}{ $a[0] } // 0;
    });
my $exmdb = Posthorn::FakeDaemon->new($t->socket('exmdb'),
    request => sub { return 3 }, command => sub { });
$t->start;

sub ask {
    my (%h) = @_;
    my $path = delete $h{path} // '/mail-auth';
    my %all = ('Auth-Method' => 'plain', 'Auth-Protocol' => 'imap',
        'Auth-User' => 'alice@example.test', 'Auth-Pass' => 'a%20b%25c',
        'Auth-Login-Attempt' => 1, 'Client-IP' => '192.0.2.7',
        'Auth-SSL' => 'on', 'X-Posthorn-Secret' => 'secret-of-this-test', %h);
    delete $all{$_} for grep { !defined $all{$_} } keys %all;
    return Posthorn::RawHTTP->new($port)->request('GET', $path, [%all]);
}

sub is_answer {
    my ($r, $want, $what) = @_;
    my $have = join ' ', $r->{status}, map { "$_=$r->{head}{$_}[0]" }
        grep { $r->{head}{$_} } qw(auth-status auth-server auth-port auth-user
            auth-wait auth-error-code);
    like($have, $want, $what);
}

$t->wait_for('the directory is there', 10,
    sub { (ask()->{head}{'auth-status'}[0] // '') eq 'OK' });

is_answer(ask(), qr/^200 auth-status=OK auth-server=127\.0\.0\.1 auth-port=1143 auth-user=alice\@example\.test$/,
    'IMAP');
is($directory->say('get', 'service'), 4, 'the right to IMAP');
is($directory->say('get', 'client'), '192.0.2.7', 'the client of the proxy');
is_answer(ask('Auth-Protocol' => 'pop3'), qr/OK .*auth-port=1110/, 'POP3');
is($directory->say('get', 'service'), 8, 'the right to POP3');
is_answer(ask('Auth-Protocol' => 'smtp'), qr/OK .*auth-port=1587/, 'SMTP');
is($directory->say('get', 'service'), 16, 'the right to SMTP');

is_answer(ask('Auth-Pass' => 'wrong'), qr/^200 auth-status=Inv.* auth-wait=3$/,
    'a wrong password');
is_answer(ask('Auth-Pass' => 'wrong', 'Auth-Login-Attempt' => 9),
    qr/^200 auth-status=(?!OK)[^=]*$/, '... too often: no further attempt');
is_answer(ask('Auth-Pass' => 'wrong', 'Auth-Protocol' => 'smtp'),
    qr/auth-error-code=535 5\.7\.8/, '... in SMTP');
is_answer(ask('Auth-User' => 'a%0d%0aAuth-Status:%20OK'),
    qr/^200 auth-status=(?!OK)/, 'a line break in a name');
is_answer(ask('Auth-User' => '%zz'), qr/auth-status=(?!OK)/,
    'a broken escape');
is_answer(ask('Auth-SSL' => undef), qr/auth-status=(?!OK)/, 'no TLS');
is_answer(ask('Auth-Method' => 'cram-md5'), qr/auth-status=(?!OK)/,
    'a method that needs the password in clear');
is_answer(ask('Auth-Method' => 'none', 'Auth-Protocol' => 'smtp'),
    qr/auth-status=(?!OK)/, 'nobody relays without a log-in');
is_answer(ask('Auth-Method' => 'none', 'Auth-Protocol' => 'smtp',
    path => '/relay'), qr/OK .*auth-port=25$/, '... but where it is allowed');
is_answer(ask(path => '/relay'), qr/auth-status=(?!OK)/,
    'a protocol without a backend');
is_answer(ask('Auth-Protocol' => 'nntp'), qr/^400/, 'an unknown protocol');

is(ask('X-Posthorn-Secret' => 'x')->{status}, 403, 'a wrong secret');
is(ask('X-Posthorn-Secret' => undef)->{status}, 403, 'no secret');

$directory->say('set', 'fail', 8);
is_answer(ask('Auth-Protocol' => 'smtp'),
    qr/auth-status=(?!OK).*auth-error-code=4\d\d 4/,
    'the directory throttles: later');

my $log = do { local (@ARGV, $/) = glob($t->dir . '/log/*'); <> };
unlike($log, qr/a b%c|a%20b%25c/, 'no password in a log');

$t->stop;
$_->stop for $directory, $exmdb;
done_testing();
