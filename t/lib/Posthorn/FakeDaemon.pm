package Posthorn::FakeDaemon;

# A daemon that speaks the wire protocol on a unix socket and does what a test
# says: for tests of the frontend alone.
#
#     my $d = Posthorn::FakeDaemon->new($path,
#         hello   => $bytes,
#         request => sub {
#             my ($req) = @_;    # {op, id, ticket, body, conn, state}
#             return ($status, $body);    # nothing: no answer (yet)
#         },
#         command => sub { my ($d, $word, @args) = @_; ... });
#     $d->say('wake', 7);        # runs the command in the daemon's process
#     $d->stop;
#
# In the daemon's process: $d->answer($conn, $id, $op, $status, $body),
# $d->event($op, $body) to all connections, $d->{state} is a hash of the test's.

use strict;
use warnings;

use IO::Select;
use IO::Socket::UNIX;
use POSIX ();
use Socket;

use constant {
    F_ANSWER => 1, F_EVENT => 2, F_CANCEL => 4,
    OP_HELLO => 1,
    OK => 0, ERROR => 1, BAD_REQUEST => 2, BAD_OP => 3, DENIED => 4,
    NOT_FOUND => 5, BUSY => 8, UNAVAILABLE => 11,
};

sub new {
    my ($class, $path, %opt) = @_;
    my $self = bless { %opt, path => $path, state => {}, conns => {} }, $class;

    unlink $path;
    $self->{listen} = IO::Socket::UNIX->new(Local => $path, Listen => 64)
        or die "$path: $!";
    chmod 0666, $path;
    socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die $!;
    $_->autoflush(1) for $a, $b;

    $self->{pid} = fork // die "fork: $!";
    if ($self->{pid} == 0) {
        close $a;
        $self->{control} = $b;
        eval { $self->loop; 1 } or print STDERR "fake daemon: $@";
        POSIX::_exit(0);
    }
    close $b;
    close $self->{listen};
    $self->{control} = $a;
    return $self;
}

# Runs a command in the daemon; gives what it returned, as one line.
sub say {
    my ($self, @words) = @_;
    print { $self->{control} } join("\t", @words) . "\n";
    my $line = readline $self->{control};
    chomp $line if defined $line;
    return $line;
}

sub stop {
    my ($self) = @_;
    return unless $self->{pid};
    kill 'KILL', $self->{pid};
    waitpid $self->{pid}, 0;
    delete $self->{pid};
    unlink $self->{path};
}

sub DESTROY { my ($self) = @_; $self->stop if $self->{pid} }

# ---- in the daemon's process -----------------------------------------------

sub frame {
    my ($flags, $op, $id, $status, $body) = @_;
    return pack('V C C v V v v', 12 + length $body, 1, $flags, $op, $id,
        $status, 0) . $body;
}

sub answer {
    my ($self, $conn, $id, $op, $status, $body) = @_;
    my $fh = $self->{conns}{$conn}{fh} or return;
    syswrite $fh, frame(F_ANSWER, $op, $id, $status, $body // '');
}

sub event {
    my ($self, $op, $body) = @_;
    syswrite $_->{fh}, frame(F_EVENT, $op, 0, 0, $body)
        for values %{ $self->{conns} };
}

# Closes all connections, as a daemon does that ends.
sub drop {
    my ($self) = @_;
    for my $c (values %{ $self->{conns} }) {
        $self->{select}->remove($c->{fh});
        close $c->{fh};
    }
    $self->{conns} = {};
}

sub loop {
    my ($self) = @_;
    my $sel = $self->{select}
        = IO::Select->new($self->{listen}, $self->{control});

    $SIG{PIPE} = 'IGNORE';
    for (;;) {
        for my $fh ($sel->can_read) {
            if ($fh == $self->{listen}) {
                my $c = $fh->accept or next;
                $self->{conns}{ fileno $c } = { fh => $c, in => '' };
                $sel->add($c);
            } elsif ($fh == $self->{control}) {
                sysread($fh, my $line, 65536) or return;
                chomp $line;
                my $r = $self->{command}->($self, split /\t/, $line);
                print $fh (defined $r ? $r : '') . "\n";
            } else {
                $self->input($fh);
            }
        }
    }
}

sub input {
    my ($self, $fh) = @_;
    my $conn = fileno $fh // return;
    my $c = $self->{conns}{$conn} or return;

    if (!sysread($fh, $c->{in}, 1 << 20, length $c->{in})) {
        $self->{select}->remove($fh);
        delete $self->{conns}{$conn};
        $self->{closed}->($self, $conn) if $self->{closed};
        close $fh;
        return;
    }
    while (length $c->{in} >= 16) {
        my ($size, $version, $flags, $op, $id, $status, $ticket_len)
            = unpack 'V C C v V v v', $c->{in};
        last if length $c->{in} < 4 + $size;
        my $frame = substr $c->{in}, 0, 4 + $size, '';
        my %req = (op => $op, id => $id, conn => $conn, daemon => $self,
            state => $self->{state}, ticket => substr($frame, 16, $ticket_len),
            body => substr($frame, 16 + $ticket_len));
        if ($flags & F_CANCEL) {
            $self->{state}{cancelled}++;
            next;
        }
        my @r = $op == OP_HELLO ? (OK, $self->{hello} // '')
            : $self->{request}->(\%req);
        $self->answer($conn, $id, $op, @r) if @r;
    }
}

# ---- bodies ----------------------------------------------------------------

sub str16 { my ($s) = @_; return pack('v', length $s) . $s }

# Takes fields from the front of $_[0]: fields('V s16', $body)
sub take_str16 { my $n = unpack 'v', substr($_[0], 0, 2, '');
                 return substr $_[0], 0, $n, '' }

# struct entry of dir.desc
sub entry {
    my (%e) = @_;
    my $address = $e{address};
    my ($name, $domain) = split /@/, $address;

    return pack('C C V V V', 1, 0, 7, 1, $e{rights} // 0xFF)
        . str16($address) . str16($e{display_name} // $name)
        . str16($e{legacy_dn} // "/o=Test/ou=Exchange Administrative Group"
            . "/cn=Recipients/cn=$name")
        . str16($domain) . str16('Test') . str16('en') . str16('')
        . str16("$domain/$name") . ($e{guid} // "\x11" x 16)
        . pack('Q< Q< Q< V Q< V C', (0) x 7);
}

# A `request` for a directory that knows %$users (name -> password) and counts
# its checks in state; answers with entry, lifetime and ticket.
sub directory_request {
    my ($users, %opt) = @_;

    return sub {
        my ($req) = @_;
        my ($op, $body, $state) = @$req{qw(op body state)};

        if ($op == 0x0107) {
            return (OK, pack 'Q<', $state->{generation} // 1);
        }
        return BAD_OP if $op != 0x0101;

        my $user = take_str16($body);
        my $password = take_str16($body);
        my $service = unpack 'V', substr($body, 0, 4, '');
        $state->{auth}++;
        $state->{service} = $service;
        $state->{client} = take_str16($body);
        return $state->{fail} if $state->{fail};
        if (!defined $users->{$user} || $users->{$user} ne $password) {
            return DENIED;
        }
        return (OK, entry(address => lc $user)
            . pack('V', $opt{lifetime} // 3600) . str16("ticket-of-$user"));
    };
}

1;
