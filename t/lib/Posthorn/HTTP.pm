package Posthorn::HTTP;

# One HTTP/1.1 connection, kept alive; for tests.
#
#   my $h = Posthorn::HTTP->new(url => 'https://127.0.0.1:4433', timeout => 20);
#   my $r = $h->request('POST', '/path', { 'X-Y' => 1 }, $body);
#   $r->{status}, $r->{headers}{'content-type'}[0], $r->{body}
#
# For answers that come later: start(), then finish($seconds), which gives undef
# while the answer is not complete; partial() is what came of the body so far.

use strict;
use warnings;

use Carp qw(croak);
use IO::Select;
use IO::Socket::INET;
use MIME::Base64 qw(encode_base64);
use Time::HiRes qw(time);

sub new {
    my ($class, %o) = @_;
    my ($scheme, $host, $port) =
        $o{url} =~ m{^(https?)://([^/:]+)(?::(\d+))?}
        or croak("no URL: $o{url}");
    return bless {
        scheme => $scheme, host => $host,
        port => $port || ($scheme eq 'https' ? 443 : 80),
        timeout => $o{timeout} || 30, buf => '',
        auth => defined $o{user}
            ? 'Basic ' . encode_base64("$o{user}:$o{password}", '') : undef,
    }, $class;
}

sub connect {
    my $self = shift;
    my %a = (PeerAddr => $self->{host}, PeerPort => $self->{port},
             Timeout => $self->{timeout});
    if ($self->{scheme} eq 'https') {
        require IO::Socket::SSL;
        $self->{s} = IO::Socket::SSL->new(%a,
            SSL_verify_mode => IO::Socket::SSL::SSL_VERIFY_NONE())
            or die "connect $self->{host}:$self->{port}: $! "
                . IO::Socket::SSL::errstr() . "\n";
    } else {
        $self->{s} = IO::Socket::INET->new(%a)
            or die "connect $self->{host}:$self->{port}: $!\n";
    }
    $self->{s}->blocking(0);
    $self->{buf} = '';
}

sub close { my $self = shift; CORE::close($self->{s}) if $self->{s}; delete $self->{s} }

sub start {
    my ($self, $method, $path, $headers, $body) = @_;
    $body = '' unless defined $body;
    my $fresh = !$self->{s};
    $self->connect if $fresh;
    my $msg = "$method $path HTTP/1.1\r\n"
        . "Host: $self->{host}:$self->{port}\r\n";
    $msg .= "Authorization: $self->{auth}\r\n"
        if $self->{auth} && !$headers->{Authorization};
    $msg .= "$_: $headers->{$_}\r\n" for sort keys %$headers;
    $msg .= 'Content-Length: ' . length($body) . "\r\n"
        unless $method eq 'GET';
    $self->{head} = undef;
    $self->{done} = undef;
    $self->{body} = '';
    $self->_write("$msg\r\n$body");
}

sub _write {
    my ($self, $data) = @_;
    my $deadline = time() + $self->{timeout};
    local $SIG{PIPE} = 'IGNORE';
    while (length $data) {
        my $n = syswrite($self->{s}, $data, 16384);
        if (defined $n) {
            substr($data, 0, $n) = '';
        } elsif (!$!{EAGAIN} && !$!{EWOULDBLOCK} && !$!{EINTR}) {
            my $e = $!;
            $self->close;
            die "write: $e\n";
        } else {
            die "write: timeout\n" if time() > $deadline;
            IO::Select->new($self->{s})->can_write(0.2);
        }
    }
}

# reads what is there; false at the end of the connection
sub _fill {
    my ($self, $wait) = @_;
    my $pending = $self->{s}->can('pending') ? $self->{s}->pending : 0;
    IO::Select->new($self->{s})->can_read($wait) unless $pending;
    my $n = sysread($self->{s}, my $part, 65536);
    if (!defined $n) {
        return 1 if $!{EAGAIN} || $!{EWOULDBLOCK} || $!{EINTR};
        $self->{closed} = "$!";
        return 0;
    }
    if ($n == 0) {
        $self->{closed} = 'end of connection';
        return 0;
    }
    $self->{buf} .= $part;
    return 1;
}

sub _parse {
    my $self = shift;
    if (!$self->{head}) {
        my $end = index($self->{buf}, "\r\n\r\n");
        return 0 if $end < 0;
        my ($line, @h) = split /\r\n/, substr($self->{buf}, 0, $end);
        substr($self->{buf}, 0, $end + 4) = '';
        my ($status) = $line =~ m{^HTTP/1\.\d (\d+)}
            or die "not HTTP: $line\n";
        my %h;
        for (@h) {
            my ($k, $v) = /^([^:]+):\s*(.*)$/ or die "header: $_\n";
            push @{ $h{ lc $k } }, $v;
        }
        $self->{head} = { status => $status, headers => \%h };
    }
    my $h = $self->{head}{headers};
    if (lc($h->{'transfer-encoding'}[0] || '') eq 'chunked') {
        while ($self->{buf} =~ /^([0-9A-Fa-f]+)[^\r\n]*\r\n/) {
            my ($n, $skip) = (hex $1, length $&);
            return 0 if length($self->{buf}) < $skip + $n + 2;
            $self->{body} .= substr($self->{buf}, $skip, $n);
            substr($self->{buf}, 0, $skip + $n + 2) = '';
            return 1 if $n == 0;
        }
        return 0;
    }
    my $len = $h->{'content-length'}[0];
    if (!defined $len) {
        return 1 if $self->{head}{status} == 204;
        $self->{body} .= $self->{buf};
        $self->{buf} = '';
        return $self->{closed} ? 1 : 0;
    }
    my $want = $len - length $self->{body};
    $self->{body} .= substr($self->{buf}, 0, $want, '') if $want > 0;
    return length $self->{body} >= $len;
}

sub partial { $_[0]->_fill(0); $_[0]->_parse; return $_[0]{body} }

# the answer, or undef when it is not complete after so many seconds
sub finish {
    my ($self, $seconds) = @_;
    my $deadline = time() + (defined $seconds ? $seconds : $self->{timeout});
    delete $self->{closed};
    until ($self->_parse) {
        my $left = $deadline - time();
        return undef if $left <= 0;
        if (!$self->_fill($left)) {
            last if $self->_parse;
            my $why = $self->{closed};
            $self->close;
            die "$why before the answer was complete\n";
        }
    }
    my $r = { %{ $self->{head} }, body => $self->{body} };
    $self->close if lc($r->{headers}{connection}[0] || '') eq 'close';
    return $r;
}

# A request on a connection that the server closed meanwhile is sent once more on
# a new one.
sub request {
    my ($self, @args) = @_;
    my $reused = $self->{s} ? 1 : 0;
    my $r = eval { $self->start(@args); $self->finish };
    if (!defined $r && $@ && $reused) {
        $self->close if $self->{s};
        $self->start(@args);
        $r = $self->finish;
    }
    die $@ if !defined $r && $@;
    die "no answer in $self->{timeout} s\n" unless defined $r;
    return $r;
}

1;
