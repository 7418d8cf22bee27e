#!/usr/bin/perl

# The descriptions of binary structures: what the generator refuses, and where.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Test::More;

my $source = abs_path(dirname(__FILE__) . '/..');
my $gen = "$source/backend/mapi/desc/gen.pl";
my $dir = tempdir(CLEANUP => 1);

sub generate {
    my ($name, $text) = @_;
    open my $f, '>', "$dir/$name.desc" or die "$dir: $!";
    print $f $text;
    close $f;
    my $out = `"$^X" "$gen" --out "$dir/gen" "$dir/$name.desc" 2>&1`;
    $out =~ s/\Q$dir\E\///g;
    return ($? == 0, $out);
}

my @bad = (
    [ 'no prefix', "struct a { u8 b }\n", 'x.desc:1: `prefix NAME' ],
    [ 'an unknown type', "prefix x\nstruct a {\n    u9 b\n}\n",
      "x.desc:3: no struct `u9'" ],
    [ 'a word of C', "prefix x\nstruct a { u8 int }\n",
      "x.desc:2: `int' is a word of C" ],
    [ 'a field twice', "prefix x\nstruct a { u8 b ; u16 b }\n",
      "x.desc:2: `b' is there twice" ],
    [ 'a struct twice', "prefix x\nstruct a { u8 b }\nstruct a { u8 b }\n",
      "x.desc:3: `a' is there twice" ],
    [ 'recursion', "prefix x\nstruct a { b b }\nstruct b { list16 a a }\n",
      'contains itself' ],
    [ 'a condition on nothing', "prefix x\nstruct a { if c { u8 b } }\n",
      "x.desc:2: no field `c' before this" ],
    [ 'a count that is no number',
      "prefix x\nstruct a { astr n ; list[n] u8 b }\n",
      "x.desc:2: `n' is not a number" ],
    [ 'rest in the middle', "prefix x\nstruct a { rest b ; u8 c }\n",
      "x.desc:2: `rest' must be the last" ],
    [ 'a list of nothing', "prefix x\nstruct e { }\n"
      . "struct a { list32 e e }\n",
      'x.desc:3: a list of elements that may take no room' ],
    [ 'a list of lists', "prefix x\nstruct a { list8 list8 u8 b }\n",
      'put it into a struct' ],
    [ 'a context without one', "prefix x\nstruct a { cpstr b }\n",
      "x.desc:2: `cpstr' needs a `context'" ],
    [ 'a ROP twice', "prefix x\nrop 1 A in { }\nrop 0x01 B in { }\n",
      'x.desc:3: ROP 1 is there twice' ],
    [ 'a bad role', "prefix x\nrop 1 A inn { }\n",
      "x.desc:2: `inn' is no handle role" ],
    [ 'an unknown part', "prefix x\nop 1 a { question { } }\n",
      "x.desc:2: `question' does not belong here" ],
    [ 'an unknown ROP', "prefix x\nunhandled 5 { Nothing }\n",
      'x.desc:2: no such ROP: Nothing' ],
    [ 'a file that ends early', "prefix x\nstruct a {\n    u8 b\n",
      'the file ends where' ],
    [ 'a strange character', "prefix x\nstruct a { u8 b\$ }\n",
      'x.desc:2: cannot read' ],
    [ 'a file that is not there', "prefix x\nuse nothing\n",
      'nothing.desc:0:' ],
);

for my $b (@bad) {
    my ($name, $text, $want) = @$b;
    my ($ok, $out) = generate('x', $text);
    ok(!$ok && index($out, $want) >= 0, "$name is refused") or diag($out);
}

my ($ok, $out) = generate('y', <<'END');
prefix y
const A = 0x10
struct second { first f ; opt u16 o ; sized16 first s }
struct first { u8 kind ; if kind & 0x3 in 1,2 { str16 t } else { bin8 b } }
op 0x01 ask write { request { list[3] eid e } answer { bytes[16] id } }
event 2 told { guid g }
END
ok($ok, 'forward references, conditions, lists') or diag($out);
my $h = do { local (@ARGV, $/) = "$dir/gen/y.h"; <> };
like($h, qr/#define Y_A  0x10/, 'a constant');
like($h, qr/#define Y_FLAG_WRITE  0x1/, 'a flag');
like($h, qr/#define Y_OP_ASK  0x01/, 'an operation');
like($h, qr/#define Y_EVENT_TOLD  2/, 'an event');
ok(index($h, '} y_first_t;') < index($h, '} y_second_t;'),
    'structs stand in the order of their use');
my $time = (stat "$dir/gen/y.h")[9];
utime $time - 100, $time - 100, "$dir/gen/y.h";
system($^X, $gen, '--out', "$dir/gen", "$dir/y.desc");
is((stat "$dir/gen/y.h")[9], $time - 100,
    'what stays the same is not written again');

done_testing();
