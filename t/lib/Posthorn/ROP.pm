package Posthorn::ROP;

# ROP buffers: requests in, responses out, for every ROP of rop.desc.
#
#   my $b = Posthorn::ROP->new(columns => \%columns_of_handles);
#   my $i = $b->add('OpenFolder', { folder_id => $fid }, $handle);
#   $b->add('GetContentsTable', { table_flags => 0 }, \$i);
#   my $payload = $b->payload;
#   my @responses = $b->parse($answer_payload);
#
# A handle is a number, or a reference to the index (as add gave it) of the request
# in the same batch that makes the object.  ROPs with a source and a destination
# take [ source, destination ].

use strict;
use warnings;

use Carp qw(croak);
use Posthorn::Codec qw(ec_name);

my $CODEC;
my (%BY_NAME, %BY_ID);

# how often each ROP came back with each error code, over all clients
our %SEEN;

sub codec {
    if (!$CODEC) {
        $CODEC = Posthorn::Codec->new('rop');
        for my $r (@{ $CODEC->rops }) {
            $BY_NAME{ $r->{name} } = $BY_ID{ $r->{id} } = $r;
        }
    }
    return $CODEC;
}

sub names { codec(); return sort keys %BY_NAME }
sub info { codec(); return $BY_NAME{ $_[-1] } }

sub new {
    my ($class, %o) = @_;
    codec();
    return bless {
        reqs => [], handles => [], slot => {}, columns => $o{columns} || {},
        slot_columns => {}, logon_id => $o{logon_id} || 0,
        ctx => { cpid => $o{cpid} || 1252,
                 public_logon => $o{public_logon} || 0 },
    }, $class;
}

sub count { scalar @{ $_[0]{reqs} } }

sub _slot {
    my ($self, $h) = @_;
    return $self->{reqs}[$$h]{out} if ref $h eq 'SCALAR';
    return $self->{slot}{$h} if exists $self->{slot}{$h};
    push @{ $self->{handles} }, $h;
    return $self->{slot}{$h} = $#{ $self->{handles} };
}

# Gives the index of the request.  $o{body}: raw request bytes instead of fields.
sub add {
    my ($self, $name, $fields, $handle, %o) = @_;
    my $rop = $BY_NAME{$name} or croak("no ROP $name");
    my @h = ref $handle eq 'ARRAY' ? @$handle : ($handle);
    my (@index, %req);
    for my $role (@{ $rop->{handles} }) {
        if ($role eq 'out') {
            push @{ $self->{handles} }, 0xFFFFFFFF;
            $req{out} = $#{ $self->{handles} };
            push @index, $req{out};
        } elsif ($role eq 'dst') {
            push @index, $self->_slot($h[1]);
        } else {
            my $h = defined $h[0] ? $h[0] : 0xFFFFFFFF;
            $req{in} = $self->_slot($h);
            push @index, $req{in};
        }
    }
    my $logon_id = defined $o{logon_id} ? $o{logon_id} : $self->{logon_id};
    my $body = defined $o{body} ? $o{body}
        : codec()->encode($rop->{request}, $fields, $self->{ctx});
    %req = (%req, rop => $rop, fields => $fields,
            bytes => pack('C C C*', $rop->{id}, $logon_id, @index) . $body);
    push @{ $self->{reqs} }, \%req;
    $self->{slot_columns}{ $req{in} } = [ map { Posthorn::Codec::PR($_) }
        @{ $fields->{tags} || [] } ] if $name eq 'SetColumns';
    return $#{ $self->{reqs} };
}

sub payload {
    my $self = shift;
    my $rops = join '', map { $_->{bytes} } @{ $self->{reqs} };
    return pack('v', length($rops) + 2) . $rops
        . pack('V*', @{ $self->{handles} });
}

sub _columns {
    my ($self, $req) = @_;
    my $slot = $req->{in};
    return $self->{slot_columns}{$slot} if $self->{slot_columns}{$slot};
    return $self->{columns}{ $self->{handles}[$slot] } || [];
}

# the parts of a response whose layout depends on the request
sub _rest {
    my ($self, $req, $field, $in, $pos, $v) = @_;
    my $name = $req->{rop}{name};
    my $ctx = $self->{ctx};
    if ($name eq 'GetPropertiesSpecific') {
        my @tags = map { Posthorn::Codec::PR($_) }
            @{ $req->{fields}{tags} };
        return Posthorn::Codec::get_row(\@tags, $ctx, $in, $pos);
    }
    if ($name eq 'QueryRows' || $name eq 'ExpandRow') {
        my $cols = $self->_columns($req);
        return [ map { Posthorn::Codec::get_row($cols, $ctx, $in, $pos) }
            1 .. $v->{row_count} ];
    }
    if ($name eq 'FindRow') {
        return undef unless $v->{has_row_data};
        return Posthorn::Codec::get_row($self->_columns($req), $ctx, $in,
            $pos);
    }
    if ($name eq 'ReadRecipients' || $field eq 'rows') {
        my $cols = $v->{recipient_columns} || $req->{recipient_columns}
            || $self->{recipient_columns}{ $self->{handles}[ $req->{in} ] }
            || [];
        my @rows;
        for (1 .. $v->{row_count}) {
            my %r;
            $r{row_id} = Posthorn::Codec::_num($in, $pos, 'V')
                if $name eq 'ReadRecipients';
            @r{qw(type cpid reserved size)} =
                unpack('C v v v', Posthorn::Codec::_take($in, $pos, 7));
            my $end = $$pos + $r{size};
            $r{props} = Posthorn::Codec::get_recipient_row($cols, $ctx, $in,
                $pos);
            croak("recipient row of $r{size} bytes ends at $$pos, not $end")
                if $$pos != $end;
            push @rows, \%r;
        }
        return \@rows;
    }
    return Posthorn::Codec::_take($in, $pos, length($$in) - $$pos);
}

# One hash a response: { name, ec, handle (of a new object), fields... }; and
# { name => 'Notify' ... } and the like behind them.  Sets handles.
sub parse {
    my ($self, $payload) = @_;
    my $size = unpack('v', $payload);
    my $in = substr($payload, 2, $size - 2);
    my @handles = unpack('V*', substr($payload, $size));
    my @todo = grep { !$_->{rop}{flags}{silent} } @{ $self->{reqs} };
    my ($pos, @out) = (0);
    while ($pos < length $in) {
        my $id = ord substr($in, $pos++, 1);
        my $rop = $BY_ID{$id} or croak("response of unknown ROP $id");
        my %ctx = %{ $self->{ctx} };
        if ($rop->{flags}{bare}) {
            my $v = codec()->decode($rop->{response}, \$in, \$pos, \%ctx);
            push @out, { name => $rop->{name}, ec => 0, %$v };
            last if $rop->{name} eq 'BufferTooSmall';
            next;
        }
        my $req = shift @todo or croak("unasked response $rop->{name}");
        my $want = $req->{rop};
        croak("response $rop->{name} to $want->{name}")
            if $rop->{id} != $want->{id} && !($want->{flags}{other_id}
                && $rop->{name} eq 'SetMessageStatus')
            && $rop->{name} ne 'Progress';
        my ($hindex, $ec) = unpack('C V',
            Posthorn::Codec::_take(\$in, \$pos, 5));
        my %r = (name => $want->{name}, ec => $ec, hindex => $hindex);
        $SEEN{ $want->{name} }{$ec}++;
        my $part = $ec == 0 ? $rop->{response}
            : $want->{failure_code} && hex($want->{failure_code}) == $ec
                ? $want->{failure}
            : $want->{flags}{partial} ? $want->{response}
            : $want->{flags}{warn} && $ec == 0x40380 ? $want->{response}
            : undef;
        if ($part) {
            $ctx{rest} = sub { $self->_rest($req, @_[1 .. 4]) };
            my $v = codec()->decode($part, \$in, \$pos, \%ctx);
            %r = (%r, %$v);
        }
        $r{handle} = $handles[ $req->{out} ]
            if defined $req->{out} && $ec == 0;
        push @out, \%r;
    }
    for my $slot (keys %{ $self->{slot_columns} }) {
        $self->{columns}{ $handles[$slot] } = $self->{slot_columns}{$slot};
    }
    $self->{handles_after} = \@handles;
    return @out;
}

# ---- RPC_HEADER_EXT ----

sub wrap {
    my ($payload, $flags) = @_;
    $flags = 4 unless defined $flags;
    $payload ^= "\xA5" x length $payload if $flags & 2;
    return pack('v v v v', 0, $flags, length $payload, length $payload)
        . $payload;
}

# the payloads of an answer
sub unwrap {
    my ($buf) = @_;
    my @parts;
    while (length $buf) {
        my ($version, $flags, $size, $actual) = unpack('v v v v', $buf);
        croak('malformed RPC_HEADER_EXT')
            if length $buf < 8 + $size || $version != 0;
        my $p = substr($buf, 8, $size);
        substr($buf, 0, 8 + $size) = '';
        $p ^= "\xA5" x length $p if $flags & 2;
        $p = _decompress($p, $actual) if $flags & 1;
        croak('payload size') if length $p != $actual;
        push @parts, $p;
        croak('Last is not last') if ($flags & 4 ? 1 : 0) != (length $buf == 0);
    }
    return @parts;
}

sub _decompress {
    my ($in, $size) = @_;
    my ($out, $pos, $bits, $mask, $nibble) = ('', 0, 0, 0);
    while (length $out < $size) {
        if ($bits == 0) {
            $mask = unpack('V', substr($in, $pos, 4));
            $pos += 4;
            $bits = 32;
        }
        $bits--;
        if (!(($mask >> $bits) & 1)) {
            $out .= substr($in, $pos++, 1);
            next;
        }
        my $m = unpack('v', substr($in, $pos, 2));
        $pos += 2;
        my ($distance, $l) = (($m >> 3) + 1, $m & 7);
        if ($l == 7) {
            if (!defined $nibble) {
                $nibble = $pos;
                $l = ord(substr($in, $pos++, 1)) & 15;
            } else {
                $l = ord(substr($in, $nibble, 1)) >> 4;
                undef $nibble;
            }
            if ($l < 15) {
                $l += 7;
            } else {
                $l = ord substr($in, $pos++, 1);
                if ($l < 255) {
                    $l += 22;
                } else {
                    $l = unpack('v', substr($in, $pos, 2));
                    $pos += 2;
                }
            }
        }
        $l += 3;
        croak('bad match') if $distance > length $out;
        while ($l > 0) {
            my $n = $l < $distance ? $l : $distance;
            $out .= substr($out, -$distance, $n);
            $l -= $n;
        }
    }
    return $out;
}

1;
