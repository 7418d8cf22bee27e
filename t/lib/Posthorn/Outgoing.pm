package Posthorn::Outgoing;

# The delivery daemon's own operations (backend/mapi/desc/delivery.desc), for
# tests of the outgoing queue.
#
#     my $o = Posthorn::Outgoing->new($t);
#     my $status = $o->submit(id => 'x' x 16, to => [..], subject => '..');
#     my $q = $o->queue;       # { total, entries => [{ id, to => [], tries }] }

use strict;
use warnings;

use Encode qw(encode);
use Posthorn::Wire;

my %STRING = (subject => 0x0037001F, body => 0x1000001F, class => 0x001A001F,
    from => 0x5D02001F, from_name => 0x0042001F, sender => 0x5D01001F,
    message_id => 0x1035001F);

sub new {
    my ($class, $t) = @_;
    return bless { t => $t }, $class;
}

sub str16 { my $s = encode('UTF-8', $_[0]); return pack('v', length $s) . $s }

# values in the packed form of mapi_message.h
sub values {
    my (%v) = @_;
    my ($dir, $data, $n) = ('', '', 0);
    for my $tag (sort { $a <=> $b } keys %v) {
        $dir .= pack('VV', $tag, length $data);
        my $type = $tag & 0xFFFF;
        my $bytes = $type == 0x001F ? encode('UTF-8', $v{$tag}) : $v{$tag};
        $data .= $type == 0x0003 ? pack('V', $v{$tag})
               : $type == 0x0040 ? pack('Q<', $v{$tag})
               : pack('V', length $bytes) . $bytes;
        $n++;
    }
    return pack('CVV', 1, $n, length $data) . $dir . $data;
}

sub message {
    my (%m) = @_;
    my $to = $m{header_to} || $m{to};
    my $row = 0;
    my $rows = join '', map {
        pack('V', $row++) . Posthorn::Outgoing::values(0x0C150003, 1,
            0x3001001F, $_, 0x3002001F, 'SMTP', 0x3003001F, $_,
            0x39FE001F, $_)
    } @$to;
    my @attach = @{ $m{attach} || [] };
    my $attach = join '', map {
        Posthorn::Outgoing::values(0x37050003, 1, 0x3707001F, $_->[0],
            0x37010102, $_->[1]) . pack('C', 0)
    } @attach;
    my %v = map { $STRING{$_} => $m{$_} } grep { defined $m{$_} } keys %STRING;
    $v{0x10130102} = $m{html} if defined $m{html};
    $v{0x3FDE0003} = 65001 if defined $m{html};
    return pack('CV', 1, 0) . Posthorn::Outgoing::values(%v)
        . pack('V', scalar @$to) . $rows
        . pack('V', scalar @attach) . $attach;
}

sub _call {
    my ($self, $op, $body) = @_;
    my $ticket = $self->{ticket} //= $self->_ticket // '';
    my $w = Posthorn::Wire->new($self->{t}->socket('delivery'))
        or return (11, '');
    $w->{ticket} = $ticket;
    my ($hello) = $w->call(1, '');
    return $w->call($op, $body, 60);
}

# a service ticket, as exmdb has one
sub _ticket {
    my ($self) = @_;
    my $w = Posthorn::Wire->new($self->{t}->socket('directory')) or return;
    $w->call(1, '');
    my ($status, $body) = $w->call(0x0103, pack('C', 2) . str16('exmdb'));
    return unless defined $status && $status == 0;
    return substr($body, 6, unpack('x4 v', $body));
}

# the status of the answer
sub submit {
    my ($self, %m) = @_;
    $m{sender} //= $m{from};
    my @to = map { ref $_ ? $_ : [$_, 0] } @{ $m{to} };
    my $body = $m{id} . str16($m{mailbox} // $m{from}) . str16($m{sender})
        . pack('Q<', $m{not_before} // 0)
        . pack('v', scalar @to)
        . join('', map { str16($_->[0]) . pack('C', $_->[1]) } @to)
        . message(%m, to => [map { $_->[0] } @to])
        . str16('test') . pack('V/a*', $m{raw} // '');
    my ($status) = $self->_call(0x0301, $body);
    return $status;
}

sub queue {
    my ($self) = @_;
    my ($status, $body) = $self->_call(0x0302, pack('V', 1000));
    return unless defined $status && $status == 0;
    my ($total, $n) = unpack('VV', $body);
    my $at = 8;
    my $take = sub { my $s = substr($body, $at, $_[0]); $at += $_[0]; $s };
    my $str = sub { $take->(unpack('v', $take->(2))) };
    my @entries;
    for (1 .. $n) {
        my $e = { id => $take->(16), sender => $str->() };
        @$e{qw(size queued next_try tries)} = unpack('V Q< Q< V', $take->(24));
        my $r = unpack('v', $take->(2));
        $e->{to} = [map { my $a = $str->(); $take->(1); $a } 1 .. $r];
        $e->{error} = $str->();
        push @entries, $e;
    }
    return { total => $total, entries => \@entries };
}

sub flush    { my ($s) = $_[0]->_call(0x0303, ''); return $s }
sub withdraw { my ($s) = $_[0]->_call(0x0305, $_[1]); return $s }

1;
