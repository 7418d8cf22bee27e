package Desc;

# Reads descriptions of binary structures (see README.md) into a tree.  Used by
# gen.pl and, so that the test client speaks every ROP, by t/lib/Posthorn.
#
#   my $file = Desc::load('backend/mapi/desc/rop.desc');
#
# The tree: { name, path, prefix, context, consts, structs, order, ops, events,
# rops, unhandled, flags, uses }.  A struct is { name, line, fields }; a field is
# { name, type, secret, line } or { cond, fields, line }; a type is a hash with
# the key `t`.  Errors die with "FILE:LINE: what".

use strict;
use warnings;

our %SCALAR = (
    u8 => 1, u16 => 2, u32 => 4, u64 => 8, i16 => 2, i32 => 4, i64 => 8,
    bool => 1, eid => 8, guid => 16, tag => 4, ec => 4, time => 8,
);
my %PLAIN = map { $_ => 1 } qw(astr wstr cpstr rest);
my %KEYWORD = map { $_ => 1 } qw(
    auto break case char const continue default do double else enum extern
    float for goto if inline int long register restrict return short signed
    sizeof static struct switch typedef union unsigned void volatile while);
my %ROLE = map { $_ => 1 } qw(in out src dst resp server);

sub fail {
    my ($self, $line, $what) = @_;
    die "$self->{path}:$line: $what\n";
}

sub load {
    my ($path, $loading) = @_;
    $loading ||= {};
    my ($dir, $name) = $path =~ m{^(.*/)?([^/]+)\.desc$}
        or die "$path:0: not a .desc file\n";
    $dir = '' unless defined $dir;
    die "$path:0: `use` goes round in a circle\n" if $loading->{$name}++;
    my $self = bless {
        path => $path, dir => $dir, name => $name, consts => [], structs => {},
        order => [], ops => [], events => [], rops => [], flags => [],
        unhandled => {}, uses => [], loading => $loading,
    }, __PACKAGE__;
    open(my $fh, '<', $path) or die "$path:0: $!\n";
    $self->tokenize($fh);
    close($fh);
    $self->parse_file();
    $self->resolve();
    delete @$self{qw(tok loading)};
    delete $loading->{$name};
    return $self;
}

sub tokenize {
    my ($self, $fh) = @_;
    my @tok;
    while (my $l = <$fh>) {
        my $n = $.;
        chomp $l;
        $l =~ s/#.*//;
        while ($l =~ /\G\s*(?:
                  ([A-Za-z_]\w*(?:\[\w+\]|\(\w+\))?)
                | (0x[0-9A-Fa-f]+|\d+)
                | (==|!=|[&!@=,{};])
                )/gcx) {
            push @tok, [ defined $1 ? ('w', $1) : defined $2 ? ('n', $2)
                         : ('p', $3), $n ];
        }
        $self->fail($n, "cannot read `" . substr($l, pos($l) || 0) . "'")
            if substr($l, pos($l) || 0) =~ /\S/;
        push @tok, [ 'p', ';', $n ];
    }
    $self->{tok} = \@tok;
}

sub peek { my $t = $_[0]{tok}[0]; return $t ? $t->[1] : '' }
sub line { my $t = $_[0]{tok}[0]; return $t ? $t->[2] : 0 }

sub next_tok {
    my ($self, $kind, $what) = @_;
    my $t = shift @{ $self->{tok} };
    die "$self->{path}:0: the file ends where $what should be\n" unless $t;
    $self->fail($t->[2], "expected $what, found `$t->[1]'")
        if $kind && $t->[0] ne $kind;
    return $t->[1];
}

sub expect {
    my ($self, $p) = @_;
    my $line = $self->line;
    my $t = $self->next_tok('', "`$p'");
    $self->fail($line, "expected `$p', found `$t'") if $t ne $p;
}

sub skip_ends { my $self = shift; shift @{ $self->{tok} } while $self->peek eq ';' }
sub number { my $n = $_[0]->next_tok('n', 'a number'); return $n =~ /^0x/ ? hex $n : $n + 0 }

sub ident {
    my ($self, $what) = @_;
    my $line = $self->line;
    my $w = $self->next_tok('w', $what);
    $self->fail($line, "`$w' is not a $what") if $w !~ /^[a-z]\w*$/;
    $self->fail($line, "`$w' is a word of C") if $KEYWORD{$w};
    return $w;
}

sub flag_list {
    my ($self, $what) = @_;
    my %f;
    while ($self->peek ne '{') {
        my $f = $self->ident($what);
        $f{$f} = 1;
        push @{ $self->{flags} }, $f
            unless grep { $_ eq $f } @{ $self->{flags} };
    }
    return \%f;
}

sub parse_file {
    my $self = shift;
    while ($self->skip_ends, @{ $self->{tok} }) {
        my $line = $self->line;
        my $w = $self->next_tok('w', 'a declaration');
        $self->fail($line, "`prefix NAME' must come first")
            if $w ne 'prefix' && !$self->{prefix};
        if ($w eq 'prefix') {
            $self->{prefix} = $self->ident('prefix');
        } elsif ($w eq 'context') {
            $self->{context} = $self->ident('type name');
        } elsif ($w eq 'use') {
            my $n = $self->ident('file name');
            push @{ $self->{uses} },
                load("$self->{dir}$n.desc", $self->{loading});
        } elsif ($w eq 'flags') {
            push @{ $self->{flags} }, $self->ident('flag')
                while $self->peek ne ';';
        } elsif ($w eq 'const') {
            my $n = $self->next_tok('w', 'a name');
            $self->expect('=');
            push @{ $self->{consts} }, [ $n, $self->next_tok('n', 'a number') ];
        } elsif ($w eq 'struct') {
            my $n = $self->ident('struct name');
            $self->add_struct($n, $line, $self->block);
        } elsif ($w eq 'op') {
            $self->parse_op($line);
        } elsif ($w eq 'event') {
            my $op = $self->next_tok('n', 'a number');
            my $n = $self->ident('event name');
            $self->add_struct($n, $line, $self->block);
            push @{ $self->{events} }, { op => $op, name => $n };
        } elsif ($w eq 'rop') {
            $self->parse_rop($line);
        } elsif ($w eq 'unhandled') {
            $self->parse_unhandled();
        } else {
            $self->fail($line, "`$w' is not a declaration");
        }
    }
    die "$self->{path}:1: no `prefix'\n" unless $self->{prefix};
    my %known = map { $_->{name} => 1 } @{ $self->{rops} };
    for my $n (sort keys %{ $self->{unhandled} }) {
        $self->fail($self->{unhandled}{$n}{line}, "no such ROP: $n")
            unless $known{$n};
    }
}

sub add_struct {
    my ($self, $name, $line, $fields) = @_;
    $self->fail($line, "`$name' is there twice") if $self->{structs}{$name};
    $self->{structs}{$name} = { name => $name, line => $line,
                                fields => $fields };
    push @{ $self->{order} }, $name;
}

sub parts {
    my ($self, $item, $base, @names) = @_;
    my %allowed = map { $_ => 1 } @names;
    $self->expect('{');
    while ($self->skip_ends, $self->peek ne '}') {
        my $line = $self->line;
        my $part = $self->ident('part');
        $self->fail($line, "`$part' does not belong here")
            unless $allowed{$part};
        $self->fail($line, "`$part' is there twice") if $item->{$part};
        $item->{failure_code} = $self->next_tok('n', 'an error code')
            if $part eq 'failure';
        $self->add_struct("${base}_$part", $line, $self->block);
        $item->{$part} = "${base}_$part";
    }
    $self->expect('}');
}

sub parse_op {
    my ($self, $line) = @_;
    my $op = { op => $self->next_tok('n', 'a number'), line => $line };
    $self->fail($line, "operation $op->{op} is there twice")
        if grep { hex($_->{op}) == hex($op->{op}) } @{ $self->{ops} };
    $op->{name} = $self->ident('operation name');
    $op->{flags} = $self->flag_list('flag');
    $self->parts($op, $op->{name}, 'request', 'answer');
    for my $p ('request', 'answer') {
        next if $op->{$p};
        $self->add_struct("$op->{name}_$p", $line, []);
        $op->{$p} = "$op->{name}_$p";
    }
    push @{ $self->{ops} }, $op;
}

sub parse_rop {
    my ($self, $line) = @_;
    my $rop = { id => $self->number, line => $line };
    $self->fail($line, "ROP ids are 0 to 255") if $rop->{id} > 255;
    $self->fail($line, "ROP $rop->{id} is there twice")
        if grep { $_->{id} == $rop->{id} } @{ $self->{rops} };
    $rop->{name} = $self->next_tok('w', 'the name of a ROP');
    ($rop->{snake} = $rop->{name}) =~ s/([a-z0-9])([A-Z])/$1_$2/g;
    $rop->{snake} = lc $rop->{snake};
    my @h;
    do {
        shift @{ $self->{tok} } if $self->peek eq ',';
        my $r = $self->ident('handle role');
        $self->fail($line, "`$r' is no handle role") unless $ROLE{$r};
        push @h, $r;
    } while ($self->peek eq ',');
    $rop->{handles} = \@h;
    $rop->{flags} = $self->flag_list('flag');
    $self->parts($rop, $rop->{snake}, 'request', 'response', 'failure');
    for my $p ('request', 'response') {
        next if $rop->{$p};
        $self->add_struct("$rop->{snake}_$p", $line, []);
        $rop->{$p} = "$rop->{snake}_$p";
    }
    push @{ $self->{rops} }, $rop;
}

sub parse_unhandled {
    my $self = shift;
    my $code = $self->next_tok('n', 'an error code');
    $self->expect('{');
    while ($self->skip_ends, $self->peek ne '}') {
        my $line = $self->line;
        my $n = $self->next_tok('w', 'the name of a ROP');
        $self->{unhandled}{$n} = { code => $code, line => $line };
    }
    $self->expect('}');
}

sub block {
    my $self = shift;
    my @fields;
    $self->expect('{');
    while ($self->skip_ends, $self->peek ne '}') {
        my $line = $self->line;
        if ($self->peek eq 'if') {
            shift @{ $self->{tok} };
            my $cond = $self->condition;
            push @fields, { cond => $cond, fields => $self->block,
                            line => $line };
            if ($self->peek eq 'else') {
                shift @{ $self->{tok} };
                push @fields, { cond => { %$cond, invert => 1 },
                                fields => $self->block, line => $line };
            }
            next;
        }
        my $type = $self->type($line);
        my $f = { type => $type, line => $line };
        $f->{name} = $self->ident('field name');
        if ($self->peek eq 'secret') {
            shift @{ $self->{tok} };
            $f->{secret} = 1;
        }
        my $end = $self->peek;
        $self->fail($line, "expected the end of the field, found `$end'")
            unless $end eq ';' || $end eq '}';
        push @fields, $f;
    }
    $self->expect('}');
    return \@fields;
}

sub condition {
    my $self = shift;
    my %c;
    while ($self->peek eq '!' || $self->peek eq '@') {
        $c{ $self->peek eq '!' ? 'not' : 'arg' } = 1;
        shift @{ $self->{tok} };
    }
    $c{field} = $self->ident('field name');
    if ($self->peek eq '&') {
        shift @{ $self->{tok} };
        $c{mask} = $self->next_tok('n', 'a number');
    }
    if ($self->peek =~ /^(?:==|!=)$/) {
        $c{op} = $self->next_tok('p', 'an operator');
        $c{values} = [ $self->next_tok('n', 'a number') ];
    } elsif ($self->peek eq 'in') {
        $c{op} = '==';
        shift @{ $self->{tok} };
        do {
            shift @{ $self->{tok} } if $self->peek eq ',';
            push @{ $c{values} }, $self->next_tok('n', 'a number');
        } while ($self->peek eq ',');
    }
    return \%c;
}

sub type {
    my ($self, $line) = @_;
    my $w = $self->next_tok('w', 'a type');
    return { t => $w } if $SCALAR{$w} || $PLAIN{$w};
    return { t => 'lstr', w => $1 } if $w =~ /^str(16|32)$/;
    return { t => 'bin', w => $1 } if $w =~ /^bin(8|16|32)$/;
    return { t => 'bytes', n => $1 } if $w =~ /^bytes\[(\d+)\]$/;
    return { t => 'bytes', field => $1 } if $w =~ /^bytes\[(\w+)\]$/;
    return { t => 'str', flag => $1 } if $w =~ /^str\((\w+)\)$/;
    return { t => 'list', w => $1, of => $self->type($line) }
        if $w =~ /^list(8|16|32)$/;
    return { t => 'list', n => $1, of => $self->type($line) }
        if $w =~ /^list\[(\d+)\]$/;
    return { t => 'list', field => $1, of => $self->type($line) }
        if $w =~ /^list\[(\w+)\]$/;
    return { t => 'opt', of => $self->type($line) } if $w eq 'opt';
    return { t => 'sized', w => $1, of => $self->type($line) }
        if $w =~ /^sized(8|16|32)$/;
    return { t => 'custom', name => $self->ident('type name') }
        if $w eq 'custom';
    $self->fail($line, "`$w' is not a type") if $w !~ /^[a-z]\w*$/;
    return { t => 'struct', name => $w };
}

# Every struct that a file uses exists, nothing contains itself, and what a
# condition or a count names stands before it.  Puts `order` so that each struct
# comes behind those that it contains.
sub resolve {
    my $self = shift;
    my (%state, @order);
    my $visit;
    $visit = sub {
        my ($name, $line) = @_;
        return if ($state{$name} || 0) == 2;
        $self->fail($line, "`$name' contains itself") if $state{$name};
        $state{$name} = 1;
        my $s = $self->{structs}{$name};
        my %seen;
        $self->check_fields($s->{fields}, \%seen, $visit, 1);
        $s->{size} = $self->min_size($s->{fields});
        $state{$name} = 2;
        push @order, $name;
    };
    $visit->($_, $self->{structs}{$_}{line}) for @{ $self->{order} };
    $self->{order} = \@order;
}

sub check_fields {
    my ($self, $fields, $seen, $visit, $last_level) = @_;
    for my $i (0 .. $#$fields) {
        my $f = $fields->[$i];
        my $last = $last_level && $i == $#$fields;
        if ($f->{cond}) {
            my $c = $f->{cond};
            $self->fail($f->{line}, "no field `$c->{field}' before this")
                unless $c->{arg} || $seen->{ $c->{field} };
            $self->fail($f->{line}, "`\@' needs a `context'")
                if $c->{arg} && !$self->{context};
            $self->check_fields($f->{fields}, $seen, $visit, $last);
            next;
        }
        $self->check_type($f->{type}, $f->{line}, $seen, $visit, $last);
        $self->fail($f->{line}, "`$f->{name}' is there twice")
            if $seen->{ $f->{name} };
        $seen->{ $f->{name} } = $f->{type};
    }
}

sub check_type {
    my ($self, $t, $line, $seen, $visit, $last) = @_;
    for my $ref (grep { defined } $t->{field}, $t->{flag}) {
        my $what = $seen->{$ref};
        $self->fail($line, "no field `$ref' before this") unless $what;
        $self->fail($line, "`$ref' is not a number")
            unless $what->{t} =~ /^(?:u8|u16|u32|bool)$/;
    }
    $self->fail($line, "`rest' must be the last field")
        if $t->{t} eq 'rest' && !$last;
    $self->fail($line, "`cpstr' needs a `context'")
        if $t->{t} eq 'cpstr' && !$self->{context};
    if ($t->{t} eq 'struct') {
        my ($own) = $self->{structs}{ $t->{name} };
        if ($own) {
            $visit->($t->{name}, $line);
            $t->{file} = $self;
            $t->{size} = $own->{size};
            return;
        }
        for my $u (@{ $self->{uses} }) {
            my $s = $u->{structs}{ $t->{name} } or next;
            $self->fail($line, "`$t->{name}' needs a `context'")
                if $u->{context} && !$self->{context};
            $t->{file} = $u;
            $t->{size} = $s->{size};
            return;
        }
        $self->fail($line, "no struct `$t->{name}'");
    }
    if (my $of = $t->{of}) {
        my $inner = $of->{t};
        $self->fail($line, "a $t->{t} of $inner: put it into a struct")
            if $inner =~ /^(?:list|opt|sized)$/
            || ($inner eq 'bytes' && $t->{t} eq 'list');
        $self->check_type($of, $line, $seen, $visit, $t->{t} eq 'sized');
        $self->fail($line, 'a list of elements that may take no room')
            if $t->{t} eq 'list' && type_size($of) == 0;
    }
}

# the least number of bytes that a type takes
sub type_size {
    my $t = shift;
    my $k = $t->{t};
    return $SCALAR{$k} if $SCALAR{$k};
    return 1 if $k eq 'astr' || $k eq 'cpstr' || $k eq 'str' || $k eq 'opt';
    return 2 if $k eq 'wstr';
    return $t->{w} / 8 if $t->{w};
    return $t->{n} if $k eq 'bytes' && defined $t->{n};
    return $t->{n} * type_size($t->{of}) if $k eq 'list' && $t->{n};
    return $t->{size} || 0 if $k eq 'struct';
    return 1 if $k eq 'custom';
    return 0;
}

sub min_size {
    my ($self, $fields) = @_;
    my $n = 0;
    for my $f (@$fields) {
        $n += type_size($f->{type}) if $f->{type};
    }
    return $n;
}

1;
