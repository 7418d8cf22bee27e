package Posthorn::RawHTTP;

# HTTP/1.1 by hand, for tests of the frontend: what is sent is what is given.
#
#     my $c = Posthorn::RawHTTP->new($port, ssl => 0);
#     my $r = $c->request('POST', '/path', [Name => 'value', ...], $body);
#     $r->{status}, $r->{head}{lower-case-name}[0], $r->{body}, $r->{chunks}
#
# $c->write($bytes) and $c->response take the two halves apart; $c->head reads
# the head alone and $c->chunk one chunk ('' for the last, undef at a timeout).

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use MIME::Base64 ();
use Time::HiRes ();

sub new {
    my ($class, $port, %opt) = @_;
    my %to = (PeerAddr => '127.0.0.1', PeerPort => $port, Proto => 'tcp');
    my $fh;

    if ($opt{ssl}) {
        require IO::Socket::SSL;
        $fh = IO::Socket::SSL->new(%to, SSL_verify_mode => 0)
            or die "connect: $IO::Socket::SSL::SSL_ERROR";
    } else {
        $fh = IO::Socket::INET->new(%to) or die "connect: $!";
    }
    return bless { fh => $fh, in => '', timeout => $opt{timeout} // 20 },
        $class;
}

sub basic { 'Basic ' . MIME::Base64::encode_base64("$_[0]:$_[1]", '') }

sub write {
    my ($self, $data) = @_;
    local $SIG{PIPE} = 'IGNORE';
    my $n = 0;
    while ($n < length $data) {
        my $w = $self->{fh}->syswrite($data, length($data) - $n, $n);
        return 0 unless $w;
        $n += $w;
    }
    return 1;
}

# Waits for more; false at the end of the connection or after the timeout.
sub fill {
    my ($self, $timeout) = @_;
    $timeout //= $self->{timeout};

    my $pending = $self->{fh}->can('pending') && $self->{fh}->pending;
    if (!$pending && !IO::Select->new($self->{fh})->can_read($timeout)) {
        $self->{late} = 1;
        return 0;
    }
    my $n = $self->{fh}->sysread($self->{in}, 65536, length $self->{in});
    $self->{eof} = 1 unless $n;
    return $n ? 1 : 0;
}

sub line {
    my ($self, $timeout) = @_;
    my $end;

    while (($end = index $self->{in}, "\r\n") < 0) {
        return undef unless $self->fill($timeout);
    }
    my $line = substr $self->{in}, 0, $end + 2, '';
    return substr $line, 0, $end;
}

sub exact {
    my ($self, $n) = @_;
    while (length $self->{in} < $n) {
        return undef unless $self->fill;
    }
    return substr $self->{in}, 0, $n, '';
}

sub send_request {
    my ($self, $method, $path, $head, $body) = @_;
    my $text = "$method $path HTTP/1.1\r\nHost: frontend.example.test\r\n";
    my @h = @$head;

    while (my ($k, $v) = splice @h, 0, 2) {
        $text .= "$k: $v\r\n";
    }
    $text .= 'Content-Length: ' . length($body) . "\r\n" if defined $body;
    return $self->write("$text\r\n" . ($body // ''));
}

sub head {
    my ($self, $timeout) = @_;
    my $status = $self->line($timeout) // return undef;
    my %r = (line => $status, status => (split ' ', $status)[1], head => {});

    while (defined(my $l = $self->line)) {
        last if $l eq '';
        my ($k, $v) = $l =~ /^([^:]+):\s*(.*)$/ or next;
        push @{ $r{head}{ lc $k } }, $v;
        push @{ $r{names} }, $k;
    }
    return \%r;
}

sub chunk {
    my ($self, $timeout) = @_;
    my $size = $self->line($timeout) // return undef;
    my $n = hex $size;
    my $data = $n ? $self->exact($n) : '';
    $self->line;
    return $data;
}

sub response {
    my ($self) = @_;
    my $r = $self->head // return undef;

    if (($r->{head}{'transfer-encoding'}[0] // '') eq 'chunked') {
        $r->{body} = '';
        while (defined(my $c = $self->chunk)) {
            last if $c eq '';
            push @{ $r->{chunks} }, $c;
            $r->{body} .= $c;
        }
    } else {
        my $n = $r->{head}{'content-length'}[0] // 0;
        $r->{body} = $n ? $self->exact($n) : '';
    }
    return $r;
}

sub request {
    my ($self, @args) = @_;
    $self->send_request(@args);
    return $self->response;
}

sub close { my ($self) = @_; CORE::close $self->{fh} }

1;
