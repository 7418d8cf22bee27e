package Posthorn::Codec;

# Packs and unpacks the structures of backend/mapi/desc/*.desc, as the generated C
# does, from the same descriptions:
#
#   my $rop = Posthorn::Codec->new('rop');
#   my $bytes = $rop->encode('open_folder_request', { folder_id => 5 }, \%ctx);
#   my $hash = $rop->decode('open_folder_response', \$bytes, \$pos, \%ctx);
#
# ctx: form ('rop', 'wide' or 'ab'), public_logon, cpid, and for the fields that
# are the rest of a body: rest => sub { my ($struct, $field, $in, $pos) = @_ }.
#
# Values in Perl: numbers; strings of characters; bytes; guids as 16 bytes; eids as
# 64-bit numbers; optional parts as undef.  A property is [ tag, value ]; a value
# that is missing is a Posthorn::Codec::Missing with the error code in {ec}.  A
# restriction is [ 'and', ... ], [ 'or', ... ], [ 'not', r ],
# [ 'content', fuzzy, tag, value ], [ 'prop', '==', tag, value ],
# [ 'cmp', op, tag, tag ], [ 'bitmask', nonzero, tag, mask ],
# [ 'size', op, tag, size ], [ 'exist', tag ], [ 'sub', tag, r ],
# [ 'comment', [ props ], r ], [ 'count', n, r ], [ 'null' ].

use strict;
use warnings;

use Carp qw(croak);
use Cwd qw(abs_path);
use Encode ();
use Exporter qw(import);
use File::Basename qw(dirname);

our @EXPORT_OK = qw(PR EC tag_name ec_name eid eid_counter filetime unix_time);

my ($SOURCE, %FILES, %TAGS, %TAG_NAMES, %ERRORS, %ERROR_NAMES);

BEGIN {
    $SOURCE = abs_path(dirname(__FILE__) . '/../../..');
    require "$SOURCE/backend/mapi/desc/Desc.pm";
}

sub _read_def {
    my ($name) = @_;
    open(my $fh, '<', "$SOURCE/backend/mapi/$name") or die "$name: $!";
    my @rows;
    while (<$fh>) {
        push @rows, [ $1, $2, $3 ]
            if /^(X|ALIAS)\((0x[0-9A-F]+), (\w+)/;
    }
    return @rows;
}

for my $r (_read_def('mapi_tags.def')) {
    $TAGS{ $r->[2] } = hex $r->[1];
    $TAG_NAMES{ hex $r->[1] } ||= $r->[2];
}
for my $r (_read_def('mapi_errors.def')) {
    $ERRORS{ $r->[2] } = hex $r->[1];
    $ERROR_NAMES{ hex $r->[1] } ||= $r->[2];
}

# ---- names ----

# PR('PR_SUBJECT'), PR('PR_SUBJECT', 0x1E) for another type; numbers pass through
sub PR {
    my ($name, $type) = @_;
    my $tag = $name =~ /^\d+$/ ? $name : $TAGS{$name};
    croak("unknown property $name") unless defined $tag;
    return defined $type ? ($tag & 0xFFFF0000) | $type : $tag;
}

sub EC {
    my ($name) = @_;
    return $name =~ /^\d+$/ ? $name : $ERRORS{$name}
        // croak("unknown error $name");
}

sub tag_name { $TAG_NAMES{ $_[0] } || sprintf('0x%08X', $_[0]) }
sub ec_name { $ERROR_NAMES{ $_[0] } || sprintf('0x%08X', $_[0]) }

sub eid {
    my ($replid, $counter) = @_;
    return unpack('Q<', pack('v', $replid) . substr(pack('Q>', $counter), 2));
}
sub eid_counter { unpack('Q>', "\0\0" . substr(pack('Q<', $_[0]), 2)) }
sub filetime { int(($_[0] + 11644473600) * 10_000_000) }
sub unix_time { $_[0] / 10_000_000 - 11644473600 }

# ---- structures ----

sub new {
    my ($class, $name) = @_;
    $FILES{$name} ||= Desc::load("$SOURCE/backend/mapi/desc/$name.desc");
    return bless { file => $FILES{$name}, name => $name }, $class;
}

sub rops { $_[0]{file}{rops} }

sub const {
    my ($self, $name) = @_;
    for my $c (@{ $self->{file}{consts} }) {
        return _number($c->[1]) if $c->[0] eq $name;
    }
    croak("no constant $name in $self->{name}.desc");
}

sub _number { $_[0] =~ /^0x/ ? hex $_[0] : $_[0] + 0 }

sub encode {
    my ($self, $name, $v, $ctx) = @_;
    my $s = $self->{file}{structs}{$name} or croak("no structure $name");
    my $out = '';
    my %known;
    _put_fields($s->{fields}, $v || {}, $ctx || {}, \$out, \%known);
    for my $k (sort keys %{ $v || {} }) {
        croak("$name has no field $k") unless $known{$k} || _has($s, $k);
    }
    return $out;
}

sub _has {
    my ($s, $name) = @_;
    my @todo = @{ $s->{fields} };
    while (my $f = shift @todo) {
        push @todo, @{ $f->{fields} } if $f->{cond};
        return 1 if !$f->{cond} && $f->{name} eq $name;
    }
    return 0;
}

sub decode {
    my ($self, $name, $in, $pos, $ctx) = @_;
    my $s = $self->{file}{structs}{$name} or croak("no structure $name");
    my $start = 0;
    my %v;
    _get_fields($s, $s->{fields}, \%v, $ctx || {}, $in, $pos || \$start);
    return \%v;
}

sub _holds {
    my ($c, $v, $ctx) = @_;
    my $x = ($c->{arg} ? $ctx->{ $c->{field} } : $v->{ $c->{field} }) || 0;
    $x &= _number($c->{mask}) if $c->{mask};
    my $r;
    if ($c->{values}) {
        $r = grep { $x == _number($_) } @{ $c->{values} };
        $r = !$r if $c->{op} eq '!=';
    } else {
        $r = $x != 0;
    }
    return (($c->{not} ? 1 : 0) ^ ($c->{invert} ? 1 : 0)) ? !$r : $r;
}

# what a count or flag field is when the caller leaves it to us
sub _implied {
    my ($fields, $name, $v) = @_;
    my @todo = @$fields;
    while (my $f = shift @todo) {
        if ($f->{cond}) {
            push @todo, @{ $f->{fields} };
            next;
        }
        my $t = $f->{type};
        next unless defined $v->{ $f->{name} };
        return scalar @{ $v->{ $f->{name} } }
            if $t->{t} eq 'list' && ($t->{field} || '') eq $name;
        return length $v->{ $f->{name} }
            if $t->{t} eq 'bytes' && ($t->{field} || '') eq $name;
        return 1 if $t->{t} eq 'str' && $t->{flag} eq $name;
    }
    return 0;
}

sub _put_fields {
    my ($fields, $v, $ctx, $out, $known, $all) = @_;
    $all ||= $fields;
    for my $f (@$fields) {
        if ($f->{cond}) {
            _put_fields($f->{fields}, $v, $ctx, $out, $known, $all)
                if _holds($f->{cond}, $v, $ctx);
            next;
        }
        my $x = $v->{ $f->{name} };
        if (!defined $x && $Desc::SCALAR{ $f->{type}{t} }
            && $f->{type}{t} ne 'guid')
        {
            $x = $v->{ $f->{name} } = _implied($all, $f->{name}, $v);
        }
        $known->{ $f->{name} } = 1;
        _put($f->{type}, $x, $v, $ctx, $out);
    }
}

my %PACK = (
    u8 => 'C', u16 => 'v', u32 => 'V', u64 => 'Q<', i16 => 's<', i32 => 'l<',
    i64 => 'q<', bool => 'C', eid => 'Q<', tag => 'V', ec => 'V',
    time => 'Q<',
);
my %WIDTH = (8 => 'C', 16 => 'v', 32 => 'V');

sub _put {
    my ($t, $x, $v, $ctx, $out) = @_;
    my $k = $t->{t};
    if (my $p = $PACK{$k}) {
        $x = PR($x) if $k eq 'tag' && defined $x;
        $$out .= pack($p, $x || 0);
    } elsif ($k eq 'guid') {
        $$out .= defined $x ? $x : "\0" x 16;
    } elsif ($k eq 'astr') {
        $$out .= (defined $x ? $x : '') . "\0";
    } elsif ($k eq 'wstr') {
        $$out .= _utf16(defined $x ? $x : '') . "\0\0";
    } elsif ($k eq 'cpstr') {
        $$out .= _to_cp($ctx, defined $x ? $x : '') . "\0";
    } elsif ($k eq 'str') {
        _put({ t => $v->{ $t->{flag} } ? 'wstr' : 'cpstr' }, $x, $v, $ctx,
            $out);
    } elsif ($k eq 'lstr' || $k eq 'bin') {
        $x = '' unless defined $x;
        $x = Encode::encode('UTF-8', $x) if $k eq 'lstr';
        $$out .= pack($WIDTH{ $t->{w} }, length $x) . $x;
    } elsif ($k eq 'bytes') {
        my $n = defined $t->{n} ? $t->{n} : $v->{ $t->{field} };
        $x = '' unless defined $x;
        $$out .= substr($x . "\0" x $n, 0, $n);
    } elsif ($k eq 'rest') {
        $$out .= defined $x ? $x : '';
    } elsif ($k eq 'struct') {
        my $s = $t->{file}{structs}{ $t->{name} };
        _put_fields($s->{fields}, $x || {}, $ctx, $out, {});
    } elsif ($k eq 'custom') {
        my $fn = __PACKAGE__->can("put_$t->{name}")
            or croak("no codec for $t->{name}");
        $fn->($x, $ctx, $out);
    } elsif ($k eq 'list') {
        my @x = @{ $x || [] };
        $$out .= pack($WIDTH{ $t->{w} }, scalar @x) if $t->{w};
        push @x, (undef) x ($t->{n} - @x) if $t->{n};
        _put($t->{of}, $_, $v, $ctx, $out) for @x;
    } elsif ($k eq 'opt') {
        $$out .= defined $x ? "\xFF" : "\0";
        _put($t->{of}, $x, $v, $ctx, $out) if defined $x;
    } elsif ($k eq 'sized') {
        my $part = '';
        _put($t->{of}, $x, $v, $ctx, \$part) if defined $x;
        $$out .= pack($WIDTH{ $t->{w} }, length $part) . $part;
    } else {
        croak("cannot pack $k");
    }
}

sub _get_fields {
    my ($s, $fields, $v, $ctx, $in, $pos) = @_;
    for my $f (@$fields) {
        if ($f->{cond}) {
            _get_fields($s, $f->{fields}, $v, $ctx, $in, $pos)
                if _holds($f->{cond}, $v, $ctx);
        } elsif ($f->{type}{t} eq 'rest' && $ctx->{rest}) {
            $v->{ $f->{name} } = $ctx->{rest}->($s->{name}, $f->{name}, $in,
                $pos, $v);
        } else {
            $v->{ $f->{name} } = _get($f->{type}, $v, $ctx, $in, $pos);
        }
    }
}

sub _take {
    my ($in, $pos, $n) = @_;
    croak("malformed: $n bytes wanted at $$pos of " . length $$in)
        if $n > length($$in) - $$pos;
    my $s = substr($$in, $$pos, $n);
    $$pos += $n;
    return $s;
}

sub _num {
    my ($in, $pos, $p) = @_;
    return unpack($p, _take($in, $pos, length pack($p, 0)));
}

sub _zstr {
    my ($in, $pos) = @_;
    my $end = index($$in, "\0", $$pos);
    croak("malformed: string without an end at $$pos") if $end < 0;
    my $s = substr($$in, $$pos, $end - $$pos);
    $$pos = $end + 1;
    return $s;
}

sub _zwstr {
    my ($in, $pos) = @_;
    my $start = $$pos;
    while (1) {
        my $u = _num($in, $pos, 'v');
        last if $u == 0;
    }
    return Encode::decode('UTF-16LE',
        substr($$in, $start, $$pos - $start - 2));
}

sub _get {
    my ($t, $v, $ctx, $in, $pos) = @_;
    my $k = $t->{t};
    return _num($in, $pos, $PACK{$k}) if $PACK{$k};
    return _take($in, $pos, 16) if $k eq 'guid';
    return _zstr($in, $pos) if $k eq 'astr';
    return _zwstr($in, $pos) if $k eq 'wstr';
    return _from_cp($ctx, _zstr($in, $pos)) if $k eq 'cpstr';
    return _get({ t => $v->{ $t->{flag} } ? 'wstr' : 'cpstr' }, $v, $ctx,
        $in, $pos) if $k eq 'str';
    return Encode::decode('UTF-8',
        _take($in, $pos, _num($in, $pos, $WIDTH{ $t->{w} }))) if $k eq 'lstr';
    return _take($in, $pos, _num($in, $pos, $WIDTH{ $t->{w} }))
        if $k eq 'bin';
    return _take($in, $pos, defined $t->{n} ? $t->{n} : $v->{ $t->{field} })
        if $k eq 'bytes';
    return _take($in, $pos, length($$in) - $$pos) if $k eq 'rest';
    if ($k eq 'struct') {
        my $s = $t->{file}{structs}{ $t->{name} };
        my %part;
        _get_fields($s, $s->{fields}, \%part, $ctx, $in, $pos);
        return \%part;
    }
    if ($k eq 'custom') {
        my $fn = __PACKAGE__->can("get_$t->{name}")
            or croak("no codec for $t->{name}");
        return $fn->($ctx, $in, $pos);
    }
    if ($k eq 'list') {
        my $n = $t->{n} ? $t->{n} : $t->{w}
            ? _num($in, $pos, $WIDTH{ $t->{w} }) : $v->{ $t->{field} };
        return [ map { _get($t->{of}, $v, $ctx, $in, $pos) } 1 .. $n ];
    }
    if ($k eq 'opt') {
        return _num($in, $pos, 'C') ? _get($t->{of}, $v, $ctx, $in, $pos)
                                    : undef;
    }
    if ($k eq 'sized') {
        my $part = _take($in, $pos, _num($in, $pos, $WIDTH{ $t->{w} }));
        return undef if $part eq '';
        my $at = 0;
        my $x = _get($t->{of}, $v, $ctx, \$part, \$at);
        croak('malformed: bytes behind a sized part') if $at != length $part;
        return $x;
    }
    croak("cannot unpack $k");
}

# ---- strings ----

sub _utf16 { Encode::encode('UTF-16LE', $_[0]) }

sub _cp_name {
    my $cp = $_[0]{cpid} || 1252;
    return $cp == 65001 ? 'UTF-8' : $cp == 28591 ? 'ISO-8859-1' : "cp$cp";
}
sub _to_cp { Encode::encode(_cp_name($_[0]), $_[1]) }
sub _from_cp { Encode::decode(_cp_name($_[0]), $_[1]) }

# ---- property values ----

my %FIXED = (
    0x02 => 's<', 0x03 => 'l<', 0x04 => 'f<', 0x05 => 'd<', 0x06 => 'q<',
    0x07 => 'd<', 0x0A => 'V', 0x0B => 'C', 0x14 => 'q<', 0x40 => 'Q<',
);

sub _wide { ($_[0]{form} || 'rop') ne 'rop' }
sub _ab { ($_[0]{form} || 'rop') eq 'ab' }
sub _variable { $_[0] == 0x1E || $_[0] == 0x1F || $_[0] == 0x102 }

sub put_value {
    my ($type, $x, $ctx, $out) = @_;
    $type &= 0xCFFF if ($type & 0x3000) == 0x3000;
    if (_ab($ctx)) {
        return if $type == 0x0D;
        if (_variable($type) || $type & 0x1000) {
            $$out .= defined $x ? "\xFF" : "\0";
            return unless defined $x;
        }
    }
    if ($type & 0x1000) {
        $$out .= pack('V', scalar @$x);
        for my $e (@$x) {
            $$out .= "\xFF" if _ab($ctx) && _variable($type & 0xFFF);
            _put_single($type & 0xFFF, $e, $ctx, $out);
        }
        return;
    }
    _put_single($type, $x, $ctx, $out);
}

sub _put_single {
    my ($type, $x, $ctx, $out) = @_;
    if (my $p = $FIXED{$type}) {
        $x = $x->{ec} if ref $x;
        # numbers may be given signed or unsigned
        $x -= 2**32 if $p eq 'l<' && $x > 0x7FFFFFFF;
        $x -= 2**16 if $p eq 's<' && $x > 0x7FFF;
        $p = 'Q<' if $p eq 'q<' && $x > 0;
        $$out .= pack($p, $x || 0);
    } elsif ($type == 0x1F) {
        $$out .= _utf16($x) . "\0\0";
    } elsif ($type == 0x1E) {
        $$out .= _to_cp($ctx, $x) . "\0";
    } elsif ($type == 0x48) {
        $$out .= $x;
    } elsif ($type == 0xFB || (($type == 0x102 || $type == 0x0D)
             && !_wide($ctx)))
    {
        $$out .= pack('v', length $x) . $x;
    } elsif ($type == 0x102 || $type == 0x0D) {
        $$out .= pack('V', length $x) . $x;
    } elsif ($type == 0xFD) {
        put_mapi_restriction($x, $ctx, $out);
    } elsif ($type == 0xFE) {
        $$out .= $x;    # rule actions as bytes
    } elsif ($type != 1) {
        croak(sprintf('cannot pack a value of type %04x', $type));
    }
}

sub get_value {
    my ($type, $ctx, $in, $pos) = @_;
    $type &= 0xCFFF if ($type & 0x3000) == 0x3000;
    if (_ab($ctx)) {
        return '' if $type == 0x0D;
        if (_variable($type) || $type & 0x1000) {
            return undef unless _num($in, $pos, 'C');
        }
    }
    if ($type & 0x1000) {
        my $n = _num($in, $pos, 'V');
        croak('malformed: multi-value count') if $n > length($$in) - $$pos;
        return [ map {
            _ab($ctx) && _variable($type & 0xFFF) && !_num($in, $pos, 'C')
                ? undef : _get_single($type & 0xFFF, $ctx, $in, $pos)
        } 1 .. $n ];
    }
    return _get_single($type, $ctx, $in, $pos);
}

sub _get_single {
    my ($type, $ctx, $in, $pos) = @_;
    if ($type == 0x0A) {
        return Posthorn::Codec::Missing->new(_num($in, $pos, 'V'));
    }
    return _num($in, $pos, $FIXED{$type}) if $FIXED{$type};
    return _zwstr($in, $pos) if $type == 0x1F;
    return _from_cp($ctx, _zstr($in, $pos)) if $type == 0x1E;
    return _take($in, $pos, 16) if $type == 0x48;
    return _take($in, $pos, _num($in, $pos, 'v'))
        if $type == 0xFB
        || (($type == 0x102 || $type == 0x0D) && !_wide($ctx));
    return _take($in, $pos, _num($in, $pos, 'V'))
        if $type == 0x102 || $type == 0x0D;
    return get_mapi_restriction($ctx, $in, $pos) if $type == 0xFD;
    return _get_actions($in, $pos) if $type == 0xFE;
    return undef if $type == 1;
    croak(sprintf('malformed: value of type %04x', $type));
}

sub _get_actions {
    my ($in, $pos) = @_;
    my $start = $$pos;
    my $n = _num($in, $pos, 'v');
    _take($in, $pos, _num($in, $pos, 'v')) for 1 .. $n;
    return substr($$in, $start, $$pos - $start);
}

sub put_mapi_value {
    my ($x, $ctx, $out) = @_;
    my $tag = PR($x->[0]);
    $$out .= pack('V', $tag);
    put_value($tag & 0xFFFF, $x->[1], $ctx, $out);
}

# packed properties of the wire protocol: { tag => packed bytes }
sub get_mapi_values {
    my ($ctx, $in, $pos) = @_;
    my (undef, $n, $size) = map { _num($in, $pos, $_) } qw(C V V);
    my @dir = unpack 'V*', _take($in, $pos, 8 * $n);
    my $data = _take($in, $pos, $size);
    my (%at) = @dir;
    my ($end, %v) = ($size);
    for my $tag (sort { $at{$b} <=> $at{$a} } keys %at) {
        $v{$tag} = substr $data, $at{$tag}, $end - $at{$tag};
        $end = $at{$tag};
    }
    return \%v;
}

sub get_mapi_value {
    my ($ctx, $in, $pos) = @_;
    my $tag = _num($in, $pos, 'V');
    return [ $tag, get_value($tag & 0xFFFF, $ctx, $in, $pos) ];
}

# PropertyRow: a list of values, missing ones as Posthorn::Codec::Missing
sub get_row {
    my ($cols, $ctx, $in, $pos) = @_;
    my $flagged = _num($in, $pos, 'C');
    croak("malformed: row flag $flagged") if $flagged > 1;
    my @row;
    for my $tag (@$cols) {
        my $type = $tag & 0xFFFF;
        my $typed = $type == 0;
        $type = _num($in, $pos, 'v') if $typed;
        my $flag = $flagged ? _num($in, $pos, 'C') : 0;
        if ($flag == 0) {
            push @row, get_value($type, $ctx, $in, $pos);
        } elsif ($flag == 1) {
            push @row, Posthorn::Codec::Missing->new(0x8004010F);
        } elsif ($flag == 10) {
            push @row, Posthorn::Codec::Missing->new(_num($in, $pos, 'V'));
        } else {
            croak("malformed: value flag $flag");
        }
    }
    return \@row;
}

sub put_row {
    my ($cols, $row, $ctx, $out) = @_;
    my $flagged = grep { ref eq 'Posthorn::Codec::Missing' } @$row;
    $$out .= pack('C', $flagged ? 1 : 0);
    for my $i (0 .. $#$cols) {
        if (ref $row->[$i] eq 'Posthorn::Codec::Missing') {
            $$out .= pack('CV', 10, $row->[$i]{ec});
            next;
        }
        $$out .= "\0" if $flagged;
        put_value($cols->[$i] & 0xFFFF, $row->[$i], $ctx, $out);
    }
}

sub put_mapi_rowset {
    my ($x, $ctx, $out) = @_;
    $$out .= pack('V V*', scalar @{ $x->{cols} }, @{ $x->{cols} });
    $$out .= pack('V', scalar @{ $x->{rows} });
    put_row($x->{cols}, $_, $ctx, $out) for @{ $x->{rows} };
}

sub get_mapi_rowset {
    my ($ctx, $in, $pos) = @_;
    my @cols = map { _num($in, $pos, 'V') } 1 .. _num($in, $pos, 'V');
    my $n = _num($in, $pos, 'V');
    return { cols => \@cols,
             rows => [ map { get_row(\@cols, $ctx, $in, $pos) } 1 .. $n ] };
}

# ---- names, sort orders, typed strings, long term ids ----

# [ guid, lid ] or [ guid, name ]; numbers are lids
sub put_mapi_propname {
    my ($x, $ctx, $out) = @_;
    if ($x->[1] =~ /^\d+$/) {
        $$out .= pack('C a16 V', 0, $x->[0], $x->[1]);
    } else {
        my $n = _utf16($x->[1]) . "\0\0";
        $$out .= pack('C a16 C', 1, $x->[0], length $n) . $n;
    }
}

sub get_mapi_propname {
    my ($ctx, $in, $pos) = @_;
    my $kind = _num($in, $pos, 'C');
    my $guid = _take($in, $pos, 16);
    return [ $guid, _num($in, $pos, 'V') ] if $kind == 0;
    return [ $guid, undef ] if $kind == 0xFF;
    my $name = Encode::decode('UTF-16LE',
        _take($in, $pos, _num($in, $pos, 'C')));
    $name =~ s/\0\z//;
    return [ $guid, $name ];
}

# { sort => [ [ tag, order ], ... ], categories, expanded }, or the list alone
sub put_mapi_sorts {
    my ($x, $ctx, $out) = @_;
    $x = { sort => $x } if ref $x eq 'ARRAY';
    $$out .= pack('v v v', scalar @{ $x->{sort} }, $x->{categories} || 0,
        $x->{expanded} || 0);
    $$out .= pack('V C', PR($_->[0]), $_->[1] || 0) for @{ $x->{sort} };
}

sub get_mapi_sorts {
    my ($ctx, $in, $pos) = @_;
    my $n = _num($in, $pos, 'v');
    my %x = (categories => _num($in, $pos, 'v'),
             expanded => _num($in, $pos, 'v'));
    $x{sort} = [ map { [ _num($in, $pos, 'V'), _num($in, $pos, 'C') ] }
        1 .. $n ];
    return \%x;
}

sub put_mapi_typed_string {
    my ($x, $ctx, $out) = @_;
    $$out .= !defined $x ? "\0" : $x eq '' ? "\1" : "\4" . _utf16($x) . "\0\0";
}

sub get_mapi_typed_string {
    my ($ctx, $in, $pos) = @_;
    my $type = _num($in, $pos, 'C');
    return undef if $type == 0;
    return '' if $type == 1;
    return _from_cp($ctx, _zstr($in, $pos)) if $type == 2;
    return Encode::decode('ISO-8859-1', _zstr($in, $pos)) if $type == 3;
    return _zwstr($in, $pos) if $type == 4;
    croak("malformed: typed string $type");
}

# the 24 bytes
sub put_mapi_ltid { my ($x, $ctx, $out) = @_; $$out .= pack('a24', $x) }
sub get_mapi_ltid { my ($ctx, $in, $pos) = @_; return _take($in, $pos, 24) }

# ---- restrictions ----

my %RELOP = ('<' => 0, '<=' => 1, '>' => 2, '>=' => 3, '==' => 4, '!=' => 5,
    're' => 6);
my %RELOP_NAME = reverse %RELOP;

sub _relop { exists $RELOP{ $_[0] } ? $RELOP{ $_[0] } : $_[0] }

sub put_mapi_restriction {
    my ($x, $ctx, $out) = @_;
    my ($k, @a) = @$x;
    my $has = _ab($ctx) ? "\xFF" : '';
    my $tagged = sub {
        my ($tag, $value, $value_tag) = @_;
        $$out .= $has;
        put_mapi_value([ defined $value_tag ? $value_tag : $tag, $value ],
            $ctx, $out);
    };
    if ($k eq 'and' || $k eq 'or') {
        $$out .= pack('C', $k eq 'and' ? 0 : 1)
            . pack(_wide($ctx) ? 'V' : 'v', scalar @a);
        put_mapi_restriction($_, $ctx, $out) for @a;
    } elsif ($k eq 'not') {
        $$out .= "\2";
        put_mapi_restriction($a[0], $ctx, $out);
    } elsif ($k eq 'content') {
        $$out .= pack('C V V', 3, $a[0], PR($a[1]));
        $tagged->(@a[1 .. $#a]);
    } elsif ($k eq 'prop') {
        $$out .= pack('C C V', 4, _relop($a[0]), PR($a[1]));
        $tagged->(@a[1 .. $#a]);
    } elsif ($k eq 'cmp') {
        $$out .= pack('C C V V', 5, _relop($a[0]), PR($a[1]), PR($a[2]));
    } elsif ($k eq 'bitmask') {
        $$out .= pack('C C V V', 6, $a[0], PR($a[1]), $a[2]);
    } elsif ($k eq 'size') {
        $$out .= pack('C C V V', 7, _relop($a[0]), PR($a[1]), $a[2]);
    } elsif ($k eq 'exist') {
        $$out .= pack('C V', 8, PR($a[0]));
    } elsif ($k eq 'sub') {
        $$out .= pack('C V', 9, PR($a[0]));
        put_mapi_restriction($a[1], $ctx, $out);
    } elsif ($k eq 'comment') {
        $$out .= pack('C C', 10, scalar @{ $a[0] });
        put_mapi_value($_, $ctx, $out) for @{ $a[0] };
        $$out .= $a[1] ? "\1" : "\0";
        put_mapi_restriction($a[1], $ctx, $out) if $a[1];
    } elsif ($k eq 'count') {
        $$out .= pack('C V', 11, $a[0]);
        put_mapi_restriction($a[1], $ctx, $out);
    } elsif ($k eq 'null') {
        $$out .= "\xFF";
    } else {
        croak("no restriction `$k'");
    }
}

sub get_mapi_restriction {
    my ($ctx, $in, $pos) = @_;
    my $k = _num($in, $pos, 'C');
    my $u32 = sub { _num($in, $pos, 'V') };
    my $relop = sub { my $r = _num($in, $pos, 'C');
                      exists $RELOP_NAME{$r} ? $RELOP_NAME{$r} : $r };
    my $child = sub { get_mapi_restriction($ctx, $in, $pos) };
    my $tagged = sub {
        my $tag = $u32->();
        _num($in, $pos, 'C') if _ab($ctx);
        my $v = get_mapi_value($ctx, $in, $pos);
        return ($tag, $v->[1], $v->[0] == $tag ? () : $v->[0]);
    };
    if ($k == 0 || $k == 1) {
        my $n = _num($in, $pos, _wide($ctx) ? 'V' : 'v');
        return [ $k ? 'or' : 'and', map { $child->() } 1 .. $n ];
    }
    return [ 'not', $child->() ] if $k == 2;
    return [ 'content', $u32->(), $tagged->() ] if $k == 3;
    return [ 'prop', $relop->(), $tagged->() ] if $k == 4;
    return [ 'cmp', $relop->(), $u32->(), $u32->() ] if $k == 5;
    return [ 'bitmask', _num($in, $pos, 'C'), $u32->(), $u32->() ] if $k == 6;
    return [ 'size', $relop->(), $u32->(), $u32->() ] if $k == 7;
    return [ 'exist', $u32->() ] if $k == 8;
    return [ 'sub', $u32->(), $child->() ] if $k == 9;
    if ($k == 10 || $k == 12) {
        my $n = _num($in, $pos, 'C');
        my @v = map { get_mapi_value($ctx, $in, $pos) } 1 .. $n;
        return [ 'comment', \@v, _num($in, $pos, 'C') ? $child->() : undef ];
    }
    return [ 'count', $u32->(), $child->() ] if $k == 11;
    return ['null'] if $k == 255;
    croak("malformed: restriction $k");
}

# ---- recipient rows ----

# RecipientRow into { pr name or tag => value }
sub get_recipient_row {
    my ($cols, $ctx, $in, $pos) = @_;
    my $flags = _num($in, $pos, 'v');
    my $type = $flags & 7;
    my %r;
    my $str = sub { $flags & 0x200 ? _zwstr($in, $pos)
                                   : _from_cp($ctx, _zstr($in, $pos)) };
    if ($type == 1) {
        _num($in, $pos, 'C');
        $r{PR_DISPLAY_TYPE} = _num($in, $pos, 'C');
        $r{PR_EMAIL_ADDRESS} = _zstr($in, $pos);
        $r{PR_ADDRTYPE} = 'EX';
    } elsif ($type == 3) {
        $r{PR_ADDRTYPE} = 'SMTP';
    } elsif ($type >= 6) {
        $r{PR_ENTRYID} = _take($in, $pos, _num($in, $pos, 'v'));
        $r{PR_SEARCH_KEY} = _take($in, $pos, _num($in, $pos, 'v'));
    } elsif ($type == 0 && $flags & 0x8000) {
        $r{PR_ADDRTYPE} = _zstr($in, $pos);
    }
    $r{PR_EMAIL_ADDRESS} = $str->() if $flags & 0x08;
    $r{PR_DISPLAY_NAME} = $str->() if $flags & 0x10;
    $r{PR_7BIT_DISPLAY_NAME} = $str->() if $flags & 0x400;
    $r{PR_TRANSMITABLE_DISPLAY_NAME} = $str->() if $flags & 0x20;
    $r{PR_TRANSMITABLE_DISPLAY_NAME} = $r{PR_DISPLAY_NAME} if $flags & 0x40;
    my $n = _num($in, $pos, 'v');
    my @c = @$cols[ 0 .. $n - 1 ];
    my $row = get_row(\@c, $ctx, $in, $pos);
    for my $i (0 .. $#c) {
        $r{ tag_name($c[$i]) } = $row->[$i]
            unless ref $row->[$i] eq 'Posthorn::Codec::Missing';
    }
    return \%r;
}

# the RecipientRow of an SMTP address, without further columns
sub smtp_recipient_row {
    my ($name, $address) = @_;
    return pack('v', 0x200 | 0x40 | 0x10 | 0x08 | 3)
        . _utf16($address) . "\0\0" . _utf16($name) . "\0\0"
        . pack('v C', 0, 0);
}

package Posthorn::Codec::Missing;

use overload '""' => sub { 'missing (' . Posthorn::Codec::ec_name($_[0]{ec})
    . ')' }, 'bool' => sub { 0 }, fallback => 1;

sub new { return bless { ec => $_[1] }, $_[0] }

1;
