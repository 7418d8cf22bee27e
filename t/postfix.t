#!/usr/bin/perl

# A real Postfix asks posthorn-directory: which recipients there are, and by SASL
# who may submit mail.  Nothing is delivered here.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Select;
use IO::Socket::INET;
use MIME::Base64 qw(encode_base64);
use Posthorn::Test;
use Test::More;

plan skip_all => 'Postfix needs root' if $> != 0;
plan skip_all => 'Postfix is not installed' if !-x '/usr/sbin/postfix';

my $t = Posthorn::Test->new(
    servers => [qw(directory postfix)],
    users   => [qw(alice bob)],
);

plan skip_all => 'the programs are not built'
    unless $t->program('posthorn-directory') && $t->program('phctl');

$t->start;
$t->phctl_ok('alias', 'create', $t->address('al'), $t->address('alice'));
$t->phctl_ok('user', 'change', $t->address('bob'), '--rights', 'web,mapi');

my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
    PeerPort => $t->port('smtp'), Timeout => 10) or die "smtp: $!";
my $select = IO::Select->new($s);

# the last line of the answer
sub answer {
    my $text = '';
    while ($text !~ /^\d{3} .*\r\n\z/m) {
        $select->can_read(30) or return 'no answer';
        sysread($s, $text, 4096, length $text) or return 'closed';
    }
    return $text;
}

sub say_smtp {
    my ($line) = @_;
    syswrite $s, "$line\r\n";
    return answer();
}

sub plain { return 'AUTH PLAIN ' . encode_base64("\0$_[0]\0$_[1]", '') }

like(answer(), qr/^220 /, 'greeting');
like(say_smtp('EHLO client.test'), qr/^250[- ]AUTH .*PLAIN.*$/m,
    'AUTH is offered: Postfix has our greeting');
like(say_smtp('EHLO client.test'), qr/^250[- ]AUTH .*LOGIN.*$/m, 'with LOGIN');

like(say_smtp('MAIL FROM:<someone@far.test>'), qr/^250 /, 'a sender');
for my $name (qw(alice al alice+detail)) {
    like(say_smtp('RCPT TO:<' . $t->address($name) . '>'), qr/^250 /,
        "$name is a recipient");
}
like(say_smtp('RCPT TO:<' . $t->address('nobody') . '>'), qr/^550 5\.1\.1 /,
    'nobody is not');
like(say_smtp('RCPT TO:<a"b@' . $t->domain . '>'), qr/^5/, 'nor is nonsense');
like(say_smtp('RSET'), qr/^250 /, 'reset');

like(say_smtp(plain($t->address('alice'), 'wrong')), qr/^535 /,
    'a wrong password');
like(say_smtp(plain($t->address('nobody'), 'wrong')), qr/^535 /,
    'an unknown user');
like(say_smtp(plain($t->address('bob'), $t->password('bob'))), qr/^535 /,
    'a user without the right to submit');
like(say_smtp(plain($t->address('al'), $t->password('alice'))), qr/^235 /,
    'the right password, by an alias');
like(say_smtp('QUIT'), qr/^221 /, 'quit');

$s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
    PeerPort => $t->port('smtp'), Timeout => 10) or die "smtp: $!";
$select = IO::Select->new($s);
answer();
say_smtp('EHLO client.test');
like(say_smtp('AUTH LOGIN'), qr/^334 VXNlcm5hbWU6/, 'LOGIN asks for a name');
like(say_smtp(encode_base64($t->address('alice'), '')), qr/^334 UGFzc3dvcmQ6/,
    'and for a password');
like(say_smtp(encode_base64($t->password('alice'), '')), qr/^235 /,
    'and is content');

# the daemon is started anew: Postfix goes on with new connections
$t->restart_server('directory');
like(say_smtp('MAIL FROM:<' . $t->address('alice') . '>'), qr/^250 /,
    'another message');
my $rcpt = 'RCPT TO:<' . $t->address('bob') . '>';
my $got = '';
$t->wait_for('a recipient after a restart', 30, sub {
    $got = say_smtp($rcpt);
    return $got !~ /^4/;
});
like($got, qr/^250 /, 'recipients are found after a restart');

$t->stop;
done_testing();
