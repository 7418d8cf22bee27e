package Posthorn::Relay;

# A mail server of the next host for tests of the SMTP client, that offers what
# the test wants and keeps the dialogue.
#
#     my $r = Posthorn::Relay->new(dir => $dir, port => $port, cert => $c,
#         key => $k, offers => ['DSN', 'STARTTLS'], offers_tls => ['DSN'],
#         user => 'u', password => 'p');
#     $r->set(offers => [...]);        # from the next connection on
#     my @lines = $r->dialogue;        # of all connections; "T " with TLS
#     $r->clear; $r->stop;
#
# broken_tls: STARTTLS is answered with 220 and nonsense.  refuse_tls: with 454.

use strict;
use warnings;

use IO::Socket::INET;
use MIME::Base64 qw(decode_base64);
use Storable qw(nstore retrieve);

sub new {
    my ($class, %o) = @_;
    my $self = bless { %o, log => "$o{dir}/relay.log" }, $class;
    $self->set;
    my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        LocalPort => $o{port}, Listen => 16, ReuseAddr => 1)
        or die "relay: $!";
    $self->{pid} = fork // die "fork: $!";
    if ($self->{pid} == 0) {
        $SIG{CHLD} = 'IGNORE';
        $SIG{TERM} = 'DEFAULT';
        while (1) {
            my $s = $server->accept or next;
            my $pid = fork // next;
            if ($pid == 0) {
                close $server;
                eval { $self->_session($s) };
                require POSIX;
                POSIX::_exit(0);
            }
            close $s;
        }
    }
    return $self;
}

sub set {
    my ($self, %o) = @_;
    $self->{$_} = $o{$_} for keys %o;
    nstore({ %$self }, "$self->{dir}/relay.conf.new");
    rename "$self->{dir}/relay.conf.new", "$self->{dir}/relay.conf";
}

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} or return;
    kill 'TERM', $pid;
    waitpid $pid, 0;
}

sub clear { unlink $_[0]{log} }

sub dialogue {
    my ($self) = @_;
    open my $f, '<', $self->{log} or return;
    chomp(my @lines = <$f>);
    return @lines;
}

sub _session {
    my ($self, $s) = @_;
    my $o = retrieve("$self->{dir}/relay.conf");
    my $tls = 0;
    my $out = '';
    $s->autoflush(1);
    alarm 60;

    my $say = sub { print $s map { "$_\r\n" } @_ };
    my $note = sub {
        open my $f, '>>', $o->{log} or return;
        print $f $tls ? 'T ' : '', "$_[0]\n";
    };

    $say->('220 relay.test ESMTP');
    while (defined(my $line = <$s>)) {
        $line =~ s/\r?\n\z//;
        $note->($line);
        if ($line =~ /^EHLO/) {
            my @offers = ('relay.test', @{ ($tls ? $o->{offers_tls} : undef)
                || $o->{offers} || [] });
            my $last = pop @offers;
            $say->((map { "250-$_" } @offers), "250 $last");
        } elsif ($line eq 'STARTTLS') {
            if ($o->{refuse_tls}) { $say->('454 4.7.0 not now'); next }
            $say->('220 2.0.0 go');
            if ($o->{broken_tls}) {
                # after its first bytes: before them it would be an injection
                sysread $s, my $hello, 65536;
                print $s "nonsense\r\n" x 9;
                return;
            }
            require IO::Socket::SSL;
            $s = IO::Socket::SSL->start_SSL($s, SSL_server => 1,
                SSL_cert_file => $o->{cert}, SSL_key_file => $o->{key})
                or do { $note->('no TLS'); return };
            $tls = 1;
        } elsif ($line =~ /^AUTH PLAIN (\S+)/) {
            my (undef, $u, $p) = split /\0/, decode_base64($1);
            $say->($u eq $o->{user} && $p eq $o->{password}
                ? '235 2.7.0 ok' : '535 5.7.8 wrong');
        } elsif ($line eq 'AUTH LOGIN') {
            $say->('334 VXNlcm5hbWU6');
            my $u = decode_base64(scalar <$s>);
            $say->('334 UGFzc3dvcmQ6');
            my $p = decode_base64(scalar <$s>);
            $note->("LOGIN $u");
            $say->($u eq $o->{user} && $p eq $o->{password}
                ? '235 2.7.0 ok' : '535 5.7.8 wrong');
        } elsif ($line eq 'DATA') {
            $say->('354 go');
            while (defined($line = <$s>)) { last if $line =~ /^\.\r?\n/ }
            $note->('(message)');
            $say->('250 2.0.0 taken');
        } elsif ($line eq 'QUIT') {
            $say->('221 2.0.0 bye');
            return;
        } else {
            $say->('250 2.1.0 ok');
        }
    }
}

sub DESTROY { }

1;
