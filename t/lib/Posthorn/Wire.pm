package Posthorn::Wire;

# A client of the wire protocol (backend/lib/ph_wire.h) on a unix socket.
#
#     my $w = Posthorn::Wire->new($path);
#     my ($status, $body) = $w->call(0x0101, $body);
#     $w->{ticket} = $ticket;    # for the calls that follow
#
# new(PATH, raw => 1) leaves HELLO out: the server will close.

use strict;
use warnings;

use IO::Select;
use IO::Socket::UNIX;

our $VERSION_BYTE = 1;
our $F_ANSWER = 0x01;
our $F_EVENT = 0x02;

sub new {
    my ($class, $path, %opt) = @_;
    my $s = IO::Socket::UNIX->new(Peer => $path) or return;
    my $self = bless { socket => $s, in => '', id => 0, ticket => '',
        path => $path, events => [] }, $class;
    return $self if $opt{raw};
    # HELLO is the first on every connection
    my ($status, $hello) = $self->call(1, '');
    return unless defined $status && $status == 0;
    $self->{hello} = $hello;
    return $self;
}

sub frame {
    my ($self, $op, $body, %opt) = @_;
    my $ticket = $opt{ticket} // $self->{ticket};
    my $rest = pack('CCvVvv', $opt{version} // $VERSION_BYTE,
        $opt{flags} // 0, $op, $opt{id} // ++$self->{id}, $opt{status} // 0,
        length $ticket) . $ticket . $body;
    return pack('V', length $rest) . $rest;
}

# Writes bytes as they are; false when the server has closed the connection.
sub send_raw {
    my ($self, $bytes) = @_;
    local $SIG{PIPE} = 'IGNORE';
    my $done = 0;
    while ($done < length $bytes) {
        my $n = syswrite($self->{socket}, $bytes, length($bytes) - $done,
            $done);
        return 0 unless defined $n;
        $done += $n;
    }
    return 1;
}

# The next frame as { flags, op, id, status, body }; undef when nothing comes in
# time; 0 when the connection is closed.
sub receive {
    my ($self, $timeout) = @_;
    my $select = IO::Select->new($self->{socket});
    while (1) {
        if (length $self->{in} >= 4) {
            my $size = unpack('V', $self->{in});
            if (length $self->{in} >= 4 + $size) {
                my $f = substr($self->{in}, 4, $size);
                substr($self->{in}, 0, 4 + $size) = '';
                my (undef, $flags, $op, $id, $status, $tlen)
                    = unpack('CCvVvv', $f);
                return { flags => $flags, op => $op, id => $id,
                    status => $status, body => substr($f, 12 + $tlen) };
            }
        }
        return undef unless $select->can_read($timeout // 30);
        my $n = sysread($self->{socket}, $self->{in}, 1 << 16,
            length $self->{in});
        return 0 unless $n;
    }
}

# (status, body) of an exchange; () when the connection is closed or silent.
sub call {
    my ($self, $op, $body, $timeout) = @_;
    my $id = ++$self->{id};
    $self->send_raw($self->frame($op, $body, id => $id)) or return;
    while (my $f = $self->receive($timeout)) {
        if ($f->{flags} & $F_EVENT) {
            push @{ $self->{events} }, $f;
        } elsif ($f->{id} == $id) {
            return ($f->{status}, $f->{body});
        }
    }
    return;
}

# Reads what has come without waiting; false when the connection is closed.
sub drain {
    my ($self) = @_;
    my $select = IO::Select->new($self->{socket});
    while ($select->can_read(0)) {
        my $n = sysread($self->{socket}, my $buf, 1 << 16);
        return 0 unless $n;
    }
    $self->{in} = '';
    return 1;
}

1;
