package Posthorn::FX;

# FastTransfer streams (MS-OXCFXICS 2.2.4): bytes to elements and back, and a
# client's transfers.
#
#   my @e = Posthorn::FX::elements($bytes);       # or dies
#   my $bytes = Posthorn::FX::encode(@e);
#   my $tree = Posthorn::FX::tree(@e);            # checks the grammar
#
# An element is { marker => 'STARTMESSAGE' } or { tag, name, value, type }: type
# is that of the wire (0x84B0 ...), tag has the one of the value, and name is
# [ guid, lid ] or [ guid, 'text' ].  Strings are characters.

use strict;
use warnings;

use Carp qw(croak);
use Encode ();
use Exporter qw(import);

use Posthorn::Codec qw(PR);
use Posthorn::ROP;

our @EXPORT_OK = qw(fx_source fx_read fx_read_packed fx_write fx_dest
    elements encode atoms tree);

my @MARKERS = qw(NEWATTACH STARTEMBED ENDEMBED STARTRECIP ENDTORECIP STARTTOPFLD
    STARTSUBFLD ENDFOLDER STARTMESSAGE ENDMESSAGE ENDATTACH STARTFAIMSG
    INCRSYNCCHG INCRSYNCDEL INCRSYNCEND INCRSYNCMESSAGE INCRSYNCREAD
    INCRSYNCSTATEBEGIN INCRSYNCSTATEEND INCRSYNCPROGRESSMODE
    INCRSYNCPROGRESSPERMSG INCRSYNCGROUPINFO INCRSYNCCHGPARTIAL FXERRORINFO);
my %MARKER = map { PR($_) => $_ } @MARKERS;

my %FIXED = (0x0002 => 's<', 0x0003 => 'V', 0x0004 => 'f<', 0x0005 => 'd<',
    0x0006 => 'q<', 0x0007 => 'd<', 0x000A => 'V', 0x000B => 'v',
    0x0014 => 'Q<', 0x0040 => 'Q<', 0x0048 => 'a16');
my %SIZE = (0x0002 => 2, 0x0003 => 4, 0x0004 => 4, 0x0005 => 8, 0x0006 => 8,
    0x0007 => 8, 0x000A => 4, 0x000B => 2, 0x0014 => 8, 0x0040 => 8,
    0x0048 => 16);

# ---- reading ----

sub _take {
    my ($in, $pos, $n) = @_;
    croak("stream ends at $$pos, $n bytes wanted")
        if $$pos + $n > length $$in;
    $$pos += $n;
    return substr($$in, $$pos - $n, $n);
}

sub _string {
    my ($type, $bytes) = @_;
    if ($type == 0x1F || $type == 0x84B0) {
        croak('odd length of a Unicode string') if length($bytes) % 2;
        croak('no terminator') if $bytes !~ s/\0\0\z//;
        return Encode::decode('UTF-16LE', $bytes);
    }
    croak('no terminator') if $bytes !~ s/\0\z//;
    my $cp = $type & 0x8000 ? $type & 0x7FFF : 1252;
    return Encode::decode("cp$cp", $bytes);
}

sub _value {
    my ($type, $in, $pos, $cuts) = @_;
    my $cut = sub { push @$cuts, [ $$pos, 1 ] if $cuts };
    if ($type & 0x1000 && !($type & 0x8000)) {
        my $base = $type & ~0x1000;
        my $n = unpack('V', _take($in, $pos, 4));
        $cut->();
        return [ map { _value($base, $in, $pos, $cuts) } 1 .. $n ];
    }
    if ($FIXED{$type}) {
        my $v = unpack($FIXED{$type}, _take($in, $pos, $SIZE{$type}));
        $cut->();
        return $v;
    }
    croak(sprintf 'type %04X in a stream', $type)
        unless $type & 0x8000 || grep { $type == $_ } 0x1E, 0x1F, 0xD, 0x102,
            0xFB;
    my $size = unpack('V', _take($in, $pos, 4));
    $cut->();
    my $from = $$pos;
    my $bytes = _take($in, $pos, $size);
    push @$cuts, map { [ $from + $_, 0 ] } 1 .. $size - 1 if $cuts;
    $cut->();
    return $type == 0x102 || $type == 0xD || $type == 0xFB ? $bytes
        : _string($type, $bytes);
}

# $cuts: gets the places where the stream may be split
sub elements {
    my ($bytes, $cuts) = @_;
    my ($pos, @e) = (0);
    while ($pos < length $bytes) {
        my $tag = unpack('V', _take(\$bytes, \$pos, 4));
        if ($MARKER{$tag}) {
            push @e, { marker => $MARKER{$tag} };
            push @$cuts, [ $pos, 1 ] if $cuts;
            next;
        }
        my ($id, $type) = ($tag >> 16, $tag & 0xFFFF);
        my %e = (type => $type);
        if ($id >= 0x8000) {
            my $guid = _take(\$bytes, \$pos, 16);
            my $kind = ord _take(\$bytes, \$pos, 1);
            if ($kind == 0) {
                $e{name} = [ $guid, unpack('V', _take(\$bytes, \$pos, 4)) ];
            } else {
                croak("name of kind $kind") if $kind != 1;
                my $s = '';
                while ((my $u = _take(\$bytes, \$pos, 2)) ne "\0\0") {
                    $s .= $u;
                }
                $e{name} = [ $guid, Encode::decode('UTF-16LE', $s) ];
            }
        }
        push @$cuts, [ $pos, 1 ] if $cuts;
        $type = 0x102 if $tag == PR('MetaTagIdsetGiven');
        $e{value} = _value($type, \$bytes, \$pos, $cuts);
        $e{tag} = $id << 16 | ($type & 0x8000 || $type == 0x1E ? 0x1F : $type);
        push @e, \%e;
    }
    return @e;
}

# The offsets at which a stream may be split (2.2.4.1); with 1: between atoms.
sub atoms {
    my ($bytes) = @_;
    my @cuts;
    elements($bytes, \@cuts);
    return @cuts;
}

# ---- writing ----

sub _encode_value {
    my ($type, $v) = @_;
    if ($type & 0x1000 && !($type & 0x8000)) {
        return pack('V', scalar @$v)
            . join('', map { _encode_value($type & ~0x1000, $_) } @$v);
    }
    return pack($FIXED{$type}, $v) if $FIXED{$type};
    if ($type == 0x1F || $type == 0x84B0) {
        $v = Encode::encode('UTF-16LE', $v) . "\0\0";
    } elsif ($type == 0x1E || $type & 0x8000) {
        my $cp = $type & 0x8000 ? $type & 0x7FFF : 1252;
        $v = Encode::encode("cp$cp", $v) . "\0";
    }
    return pack('V', length $v) . $v;
}

sub encode {
    my $out = '';
    for my $e (@_) {
        if ($e->{marker}) {
            $out .= pack('V', PR($e->{marker}));
            next;
        }
        my $tag = PR($e->{tag});
        my $type = $e->{type} // ($tag & 0xFFFF);
        $out .= pack('v v', $type, $tag >> 16);
        if ($e->{name}) {
            my ($guid, $n) = @{ $e->{name} };
            $out .= $guid . ($n =~ /^\d+$/ ? pack('C V', 0, $n)
                : pack('C', 1) . Encode::encode('UTF-16LE', $n) . "\0\0");
        }
        $out .= _encode_value($type, $e->{value});
    }
    return $out;
}

# ---- grammar ----

my %CLOSE = (STARTTOPFLD => 'ENDFOLDER', STARTSUBFLD => 'ENDFOLDER',
    STARTMESSAGE => 'ENDMESSAGE', STARTFAIMSG => 'ENDMESSAGE',
    STARTEMBED => 'ENDEMBED', STARTRECIP => 'ENDTORECIP',
    NEWATTACH => 'ENDATTACH');
my %INSIDE = (
    folder => { STARTSUBFLD => 1, STARTMESSAGE => 1, STARTFAIMSG => 1 },
    message => { STARTRECIP => 1, NEWATTACH => 1 },
    attachment => { STARTEMBED => 1 }, recipient => {},
    list => { STARTMESSAGE => 1, STARTFAIMSG => 1 },
    top => { STARTTOPFLD => 1 });
my %KIND = (STARTTOPFLD => 'folder', STARTSUBFLD => 'folder',
    STARTMESSAGE => 'message', STARTFAIMSG => 'message',
    STARTEMBED => 'message', STARTRECIP => 'recipient',
    NEWATTACH => 'attachment');

# A tree of { kind, marker, props => [ elements ], children => [ ... ] }, the
# root's kind as given: folder, message, attachment, list or top.
sub tree {
    my ($kind, @e) = @_;
    my $root = { kind => $kind, props => [], children => [] };
    my @stack = ($root);
    for my $e (@e) {
        my $top = $stack[-1];
        if (!$e->{marker}) {
            my $meta = grep { $e->{tag} == PR($_) } qw(MetaTagFXDelProp
                MetaTagEcWarning MetaTagDnPrefix MetaTagNewFXFolder);
            croak(sprintf 'property %08X in a %s behind its children',
                $e->{tag}, $top->{kind}) if !$meta && @{ $top->{children} };
            push @{ $meta ? $top->{meta} : $top->{props} }, $e;
            next;
        }
        my $m = $e->{marker};
        if ($CLOSE{$m}) {
            croak("$m in a $top->{kind}") unless $INSIDE{ $top->{kind} }{$m};
            my $new = { kind => $KIND{$m}, marker => $m, props => [],
                children => [] };
            push @{ $top->{children} }, $new;
            push @stack, $new;
            next;
        }
        croak("$m in a $top->{kind}") unless $top->{marker}
            && $CLOSE{ $top->{marker} } eq $m;
        pop @stack;
    }
    croak("the stream ends inside of a $stack[-1]{kind}") if @stack != 1;
    return $root;
}

# ---- transfers ----

# the handle of a download: fx_source($mapi, 'CopyTo', $handle, %fields)
sub fx_source {
    my ($m, $kind, $h, %f) = @_;
    my %default = (
        CopyTo => { level => 0, copy_flags => 0, send_options => 1,
            excluded_tags => [] },
        CopyProperties => { level => 0, copy_flags => 0, send_options => 1,
            tags => [] },
        CopyMessages => { message_ids => [], copy_flags => 0,
            send_options => 1 },
        CopyFolder => { copy_flags => 0x10, send_options => 1 });
    return $m->rop("FastTransferSource$kind", { %{ $default{$kind} }, %f },
        $h)->{handle};
}

# The whole stream; %o: size (0xBABE) and maximum, each => sub { response }.
sub fx_read {
    my ($m, $h, %o) = @_;
    my @out;
    for (1 .. 10_000_000) {
        my $r = $m->rop('FastTransferSourceGetBuffer',
            { buffer_size => $o{size} // 0xBABE,
              maximum_buffer_size => $o{maximum} // 0x7BC0 }, $h);
        $o{each}->($r) if $o{each};
        push @out, $r->{data} unless $o{drop};
        return join '', @out if $r->{transfer_status} == 3;
        croak("TransferStatus $r->{transfer_status}")
            if $r->{transfer_status} != 1;
    }
    croak('the stream does not end');
}

# The same with packed answers (MS-OXCRPC 3.1.4.2.1.2.2); returns the stream and
# the number of requests.  %o: flags (5: without compression).
sub fx_read_packed {
    my ($m, $h, %o) = @_;
    my @req = ('FastTransferSourceGetBuffer',
        { buffer_size => 0xBABE, maximum_buffer_size => 0x7BC0 }, $h);
    my ($out, $n) = ('', 0);
    while (1) {
        $n++;
        my @r = $m->batch({ flags => $o{flags} // 4,
            max_rop_out => 0x40000 }, [ @req ]);
        for my $part (@{ $m->{parts} }[1 .. $#{ $m->{parts} }]) {
            my $b = Posthorn::ROP->new;
            $b->add(@req);
            push @r, $b->parse($part);
        }
        for my $r (@r) {
            croak("GetBuffer: $r->{ec}") if $r->{ec};
            $out .= $r->{data};
            return ($out, $n) if $r->{transfer_status} == 3;
        }
    }
}

sub fx_dest {
    my ($m, $operation, $h, $flags) = @_;
    return $m->rop('FastTransferDestinationConfigure',
        { source_operation => $operation, copy_flags => $flags || 0 },
        $h)->{handle};
}

# $cut: bytes a buffer, or sub { bytes } 
sub fx_write {
    my ($m, $h, $data, $cut, $name) = @_;
    $name ||= 'FastTransferDestinationPutBuffer';
    my $pos = 0;
    while ($pos < length $data) {
        my $n = ref $cut ? $cut->() : $cut || 0x7000;
        my $piece = substr($data, $pos, $n);
        my $r = $m->rop($name, { data => $piece }, $h);
        croak("used $r->{buffer_used_size} of " . length $piece)
            if $r->{buffer_used_size} != length $piece;
        $pos += length $piece;
    }
}

1;
