package Posthorn::Garbage;

# Requests that are nearly right: structures of the descriptions with random
# values, and bytes changed here and there.  The generator is seeded, so a run can
# be had again.

use strict;
use warnings;

use Posthorn::Codec;

my @EDGES8 = (0, 1, 2, 0x7f, 0x80, 0xfe, 0xff);
my @WORDS = ('', 'x', 'victim@example.test', 'nobody@example.test',
    '/o=x/cn=y', "\x{e4}\x{20ac}", 'a' x 300, 'IPM.Note', '*', "a\nb");

sub new {
    my ($class, %opt) = @_;
    srand($opt{seed} // 1);
    return bless { files => {} }, $class;
}

sub pick { return $_[rand @_] }

sub number {
    my ($bits) = @_;
    my $max = $bits >= 64 ? ~0 : (1 << $bits) - 1;
    my $kind = int rand 6;
    return int rand 4 if $kind < 2;
    return $max if $kind == 2;
    return $max >> 1 if $kind == 3;
    return int(rand 256) & $max if $kind == 4;
    return (int(rand 2**31) << 31 | int rand 2**31) & $max;
}

# What a type of the notation may hold; conditions see the fields before.
my %BITS = (u8 => 8, u16 => 16, u32 => 32, u64 => 64, bool => 1, eid => 64,
    ec => 32, time => 64);

sub value {
    my ($self, $t, $depth) = @_;
    my $k = $t->{t};

    return number($BITS{$k}) if $BITS{$k};
    return number($1 - 1) if $k =~ /^i(\d+)$/;
    return pick(0x0037001F, 0x1000001F, 0x0E060040, 0x0E080003, 0x67480014,
        0x0E1B000B, 0x80010102, 0x00000001, number(32)) if $k eq 'tag';
    return join '', map { chr int rand 256 } 1 .. 16 if $k eq 'guid';
    return bytes(int rand 40) =~ tr/\0//dr if $k eq 'astr' || $k eq 'cpstr';
    if ($k eq 'wstr' || $k eq 'lstr' || $k eq 'str') {
        return pick(@WORDS) =~ s/[^\x20-\x7e]//gr;
    }
    return bytes(int rand 64) if $k eq 'bin' || $k eq 'rest';
    return bytes($t->{n} // int rand 64) if $k eq 'bytes';
    return $self->fields($t->{file}{structs}{ $t->{name} }, $depth + 1)
        if $k eq 'struct';
    if ($k eq 'list') {
        return [] if $depth > 4;
        return [ map { $self->value($t->{of}, $depth + 1) }
            1 .. ($t->{n} // int rand 4) ];
    }
    if ($k eq 'opt' || $k eq 'sized') {
        return rand() < 0.5 || $depth > 4 ? undef
            : $self->value($t->{of}, $depth + 1);
    }
    return undef;    # custom: the codec's own idea of nothing
}

sub fields {
    my ($self, $struct, $depth) = @_;
    my %v;
    my @todo = @{ $struct->{fields} };
    while (my $f = shift @todo) {
        if ($f->{cond}) {
            unshift @todo, @{ $f->{fields} };
            next;
        }
        # counts and flags of other fields follow from these
        next if grep { !$_->{cond} && (($_->{type}{field} // '') eq $f->{name}
            || ($_->{type}{flag} // '') eq $f->{name}) } @todo;
        $v{ $f->{name} } = $self->value($f->{type}, $depth);
    }
    return \%v;
}

# Bytes of structure NAME of FILE.desc; random bytes where it has a type that
# cannot be made up.
sub structure {
    my ($self, $file, $name) = @_;
    my $codec = $self->{files}{$file} ||= Posthorn::Codec->new($file);
    my $struct = $codec->{file}{structs}{$name} or return bytes(int rand 64);
    my $out = eval {
        local $SIG{__WARN__} = sub { };
        $codec->encode($name, $self->fields($struct, 0), {});
    };
    return defined $out && rand() < 0.9 ? $out : bytes(int rand 64);
}

sub operations {
    my ($self, $file) = @_;
    my $codec = $self->{files}{$file} ||= Posthorn::Codec->new($file);
    return @{ $codec->{file}{ops} };
}

sub bytes {
    my ($n) = @_;
    return join '', map { chr int rand 256 } 1 .. $n;
}

# Changes bytes of a string; as often as not it leaves it alone.
sub mutate {
    my ($self, $s) = @_;

    for (1 .. int rand 4) {
        my $at = int rand(length($s) || 1);
        my $kind = int rand 7;
        last if $s eq '';
        if ($kind == 0) {
            substr($s, $at, 1) = chr(ord(substr($s, $at, 1))
                ^ 1 << int rand 8);
        } elsif ($kind == 1) {
            substr($s, $at, 1) = chr int rand 256;
        } elsif ($kind == 2) {
            substr($s, $at, 1) = chr pick(@EDGES8);
        } elsif ($kind == 3) {
            $s = substr($s, 0, $at);
        } elsif ($kind == 4) {
            substr($s, $at, int rand 9) = '';
        } elsif ($kind == 5) {
            substr($s, $at, 0) = substr($s, $at, 1 + int rand 32);
        } else {
            substr($s, $at, 0) = bytes(1 + int rand 8);
        }
    }
    return $s;
}

1;
