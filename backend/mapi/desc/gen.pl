#!/usr/bin/perl

# Writes C from descriptions of binary structures; see README.md beside this.
#
#   perl gen.pl --out DIR file.desc...
#
# DIR/foo.h, DIR/foo.c and DIR/fuzz-foo.c for foo.desc; DIR/rop_handlers.h when
# the file describes ROPs.  A file whose content would stay the same is not
# touched, so that make rebuilds only what a change reaches.

use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Desc;

my %CTYPE = (
    u8 => 'uint8_t', u16 => 'uint16_t', u32 => 'uint32_t', u64 => 'uint64_t',
    i16 => 'int16_t', i32 => 'int32_t', i64 => 'int64_t', bool => 'bool',
    eid => 'mapi_eid_t', guid => 'mapi_guid_t', tag => 'uint32_t',
    ec => 'uint32_t', time => 'uint64_t',
);
my %WIDTH = (u8 => 8, u16 => 16, u32 => 32, u64 => 64, i16 => 16, i32 => 32,
    i64 => 64, bool => 8, eid => 64, tag => 32, ec => 32, time => 64);

my ($F, $buf);

sub out { $buf .= join('', @_) }

sub ctype {
    my $t = shift;
    return $CTYPE{ $t->{t} } if $CTYPE{ $t->{t} };
    return "$t->{file}{prefix}_$t->{name}_t" if $t->{t} eq 'struct';
    return "$t->{name}_t" if $t->{t} eq 'custom';
    return 'ph_str_t';
}

sub count_of {
    my ($t, $lv) = @_;
    return $t->{n} ? $t->{n} : $t->{w} ? "${lv}_count" : "v->$t->{field}";
}

# ---- types ----

sub emit_members {
    my ($fields) = @_;
    for my $f (@$fields) {
        if ($f->{cond}) {
            emit_members($f->{fields});
            next;
        }
        my ($t, $n) = ($f->{type}, $f->{name});
        if ($t->{t} eq 'list') {
            out("    uint$t->{w}_t  ${n}_count;\n") if $t->{w};
            out("    ", ctype($t->{of}), $t->{n} ? "  ${n}[$t->{n}];\n"
                : "  *$n;\n");
        } elsif ($t->{t} eq 'opt' || $t->{t} eq 'sized') {
            out("    bool  has_$n;\n    ", ctype($t->{of}), "  $n;\n");
        } elsif ($t->{t} eq 'bytes' && defined $t->{n}) {
            out("    uint8_t  ${n}[$t->{n}];\n");
        } else {
            out("    ", ctype($t), "  $n;\n");
        }
    }
}

sub condition {
    my ($c) = @_;
    my $e = ($c->{arg} ? 'ctx->' : 'v->') . $c->{field};
    $e = "($e & $c->{mask})" if $c->{mask};
    if ($c->{values}) {
        $e = join($c->{op} eq '==' ? ' || ' : ' && ',
            map { "$e $c->{op} $_" } @{ $c->{values} });
        $e = "($e)" if $c->{not} || $c->{invert};
    } elsif ($c->{mask}) {
        $e = "$e != 0";
        $e = "($e)" if $c->{not} || $c->{invert};
    }
    my $not = ($c->{not} ? 1 : 0) ^ ($c->{invert} ? 1 : 0);
    return $not ? "!$e" : $e;
}

# ---- decoder ----

sub call {
    my ($verb, $t, $first, $lv) = @_;
    my ($fn, $ctx) = ref $t->{file}
        ? ("$t->{file}{prefix}_$t->{name}", $t->{file}{context})
        : ($t->{name}, $F->{context});
    my $args = join(', ', @$first, ($ctx ? ('ctx') : ()), "&$lv");
    return "${fn}_$verb($args)";
}

sub dec {
    my ($t, $lv, $in, $cur) = @_;
    my $k = $t->{t};
    if ($k eq 'guid') {
        out("$in$lv = mapi_guid_read($cur);\n");
    } elsif ($k eq 'bool') {
        out("$in$lv = ph_cur_u8($cur) != 0;\n");
    } elsif ($k =~ /^i/) {
        out("$in$lv = ($CTYPE{$k}) ph_cur_u$WIDTH{$k}($cur);\n");
    } elsif ($WIDTH{$k}) {
        out("$in$lv = ph_cur_u$WIDTH{$k}($cur);\n");
    } elsif ($k eq 'astr') {
        out("$in$lv = ph_cur_astr($cur);\n");
    } elsif ($k eq 'wstr') {
        out("${in}PH_TRY(mapi_wstr_read($cur, pool, &$lv));\n");
    } elsif ($k eq 'cpstr') {
        out("${in}PH_TRY(mapi_cpstr_read($cur, pool, ctx, &$lv));\n");
    } elsif ($k eq 'str') {
        out("${in}if (v->$t->{flag}) {\n");
        dec({ t => 'wstr' }, $lv, "$in    ", $cur);
        out("$in} else {\n");
        dec({ t => $F->{context} ? 'cpstr' : 'astr' }, $lv, "$in    ", $cur);
        out("$in}\n");
    } elsif ($k eq 'lstr') {
        out("${in}PH_TRY(mapi_utf8_read($cur, ph_cur_u$t->{w}($cur), ",
            "&$lv));\n");
    } elsif ($k eq 'bin') {
        out("$in$lv = ph_cur_bytes($cur, ph_cur_u$t->{w}($cur));\n");
    } elsif ($k eq 'bytes' && defined $t->{n}) {
        out("${in}mapi_bytes_read($cur, $lv, $t->{n});\n");
    } elsif ($k eq 'bytes') {
        out("$in$lv = ph_cur_bytes($cur, v->$t->{field});\n");
    } elsif ($k eq 'rest') {
        out("$in$lv = ph_cur_rest($cur);\n");
    } elsif ($k eq 'struct' || $k eq 'custom') {
        out("${in}PH_TRY(", call('decode', $t, [ $cur, 'pool' ], $lv),
            ");\n");
    } elsif ($k eq 'list') {
        my $count = count_of($t, $lv);
        out("$in$count = ph_cur_u$t->{w}($cur);\n") if $t->{w};
        if ($t->{n}) {
            out("${in}for (size_t i = 0; i < $count; i++) {\n");
            dec($t->{of}, "${lv}[i]", "$in    ", $cur);
            out("$in}\n");
            return;
        }
        out("${in}if (!ph_cur_count($cur, $count, ",
            Desc::type_size($t->{of}), ")) {\n",
            "$in    return PH_INVALID;\n$in}\n",
            "$in$lv = ph_pcalloc_array(pool, $count, sizeof(*$lv));\n",
            "${in}if ($lv == NULL) {\n$in    return PH_NOMEM;\n$in}\n",
            "${in}for (size_t i = 0; i < $count; i++) {\n");
        dec($t->{of}, "${lv}[i]", "$in    ", $cur);
        out("$in}\n");
    } elsif ($k eq 'opt') {
        (my $has = $lv) =~ s/(\w+)$/has_$1/;
        out("$in$has = ph_cur_u8($cur) != 0;\n${in}if ($has) {\n");
        dec($t->{of}, $lv, "$in    ", $cur);
        out("$in}\n");
    } elsif ($k eq 'sized') {
        (my $has = $lv) =~ s/(\w+)$/has_$1/;
        out("$in\{\n$in    ph_cur_t  sub = ph_cur_sub($cur, ",
            "ph_cur_u$t->{w}($cur));\n",
            "$in    $has = ph_cur_left(&sub) != 0;\n$in    if ($has) {\n");
        dec($t->{of}, $lv, "$in        ", '&sub');
        out("$in        if (sub.error || ph_cur_left(&sub) != 0) {\n",
            "$in            return PH_INVALID;\n$in        }\n",
            "$in    }\n$in}\n");
    } else {
        die "decoder: $k";
    }
}

sub walk {
    my ($fields, $in, $leaf, $dump) = @_;
    for my $f (@$fields) {
        if ($f->{cond}) {
            next if $dump && $f->{cond}{arg};    # a dump has no context
            out("${in}if (", condition($f->{cond}), ") {\n");
            walk($f->{fields}, "$in    ", $leaf, $dump);
            out("$in}\n");
        } else {
            $leaf->($f, $in);
        }
    }
}

# ---- encoder ----

sub enc {
    my ($t, $lv, $in) = @_;
    my $k = $t->{t};
    if ($k eq 'guid') {
        out("${in}ph_put_bytes(b, $lv.b, sizeof($lv.b));\n");
    } elsif ($k eq 'bool') {
        out("${in}ph_put_u8(b, $lv ? 1 : 0);\n");
    } elsif ($WIDTH{$k}) {
        my $cast = $k =~ /^i/ ? "(uint$WIDTH{$k}_t) " : '';
        out("${in}ph_put_u$WIDTH{$k}(b, $cast$lv);\n");
    } elsif ($k eq 'astr') {
        out("${in}PH_TRY(mapi_astr_write(b, $lv));\n");
    } elsif ($k eq 'wstr') {
        out("${in}PH_TRY(mapi_wstr_write(b, $lv));\n");
    } elsif ($k eq 'cpstr') {
        out("${in}PH_TRY(mapi_cpstr_write(b, ctx, $lv));\n");
    } elsif ($k eq 'str') {
        out("${in}if (v->$t->{flag}) {\n");
        enc({ t => 'wstr' }, $lv, "$in    ");
        out("$in} else {\n");
        enc({ t => $F->{context} ? 'cpstr' : 'astr' }, $lv, "$in    ");
        out("$in}\n");
    } elsif ($k eq 'lstr' || $k eq 'bin') {
        if ($t->{w} < 64) {
            my $max = $t->{w} == 8 ? 'UINT8_MAX' : $t->{w} == 16
                ? 'UINT16_MAX' : 'UINT32_MAX';
            out("${in}if ($lv.len > $max) {\n$in    return PH_TOOBIG;\n",
                "$in}\n");
        }
        out("${in}ph_put_u$t->{w}(b, (uint$t->{w}_t) $lv.len);\n",
            "${in}ph_put_str(b, $lv);\n");
    } elsif ($k eq 'bytes' && defined $t->{n}) {
        out("${in}ph_put_bytes(b, $lv, $t->{n});\n");
    } elsif ($k eq 'bytes') {
        out("${in}if ($lv.len != v->$t->{field}) {\n",
            "$in    return PH_INVALID;\n$in}\n",
            "${in}ph_put_str(b, $lv);\n");
    } elsif ($k eq 'rest') {
        out("${in}ph_put_str(b, $lv);\n");
    } elsif ($k eq 'struct' || $k eq 'custom') {
        out("${in}PH_TRY(", call('encode', $t, ['b'], $lv), ");\n");
    } elsif ($k eq 'list') {
        my $count = count_of($t, $lv);
        out("${in}ph_put_u$t->{w}(b, $count);\n") if $t->{w};
        out("${in}for (size_t i = 0; i < $count; i++) {\n");
        enc($t->{of}, "${lv}[i]", "$in    ");
        out("$in}\n");
    } elsif ($k eq 'opt') {
        (my $has = $lv) =~ s/(\w+)$/has_$1/;
        out("${in}ph_put_u8(b, $has ? 0xFF : 0);\n${in}if ($has) {\n");
        enc($t->{of}, $lv, "$in    ");
        out("$in}\n");
    } elsif ($k eq 'sized') {
        (my $has = $lv) =~ s/(\w+)$/has_$1/;
        die "sized8 has no encoder" if $t->{w} == 8;
        out("$in\{\n$in    size_t  at = b->len;\n",
            "$in    ph_put_u$t->{w}(b, 0);\n$in    if ($has) {\n");
        enc($t->{of}, $lv, "$in        ");
        out("$in        PH_TRY(mapi_size_write$t->{w}(b, at));\n",
            "$in    }\n$in}\n");
    } else {
        die "encoder: $k";
    }
}

# ---- dump ----

sub dmp {
    my ($t, $lv, $in) = @_;
    my $k = $t->{t};
    if ($k =~ /^(?:guid|eid|tag|ec|time)$/) {
        my $amp = $k eq 'guid' ? '&' : '';
        out("${in}mapi_dump_$k(out, $amp$lv);\n");
    } elsif ($k eq 'bool') {
        out("${in}ph_put_fmt(out, \"%d\", $lv);\n");
    } elsif ($k =~ /^i/) {
        out("${in}ph_put_fmt(out, \"%\" PRId64, (int64_t) $lv);\n");
    } elsif ($WIDTH{$k}) {
        out("${in}mapi_dump_uint(out, $lv);\n");
    } elsif ($k =~ /^(?:astr|wstr|cpstr|str|lstr)$/) {
        out("${in}mapi_dump_str(out, $lv);\n");
    } elsif ($k eq 'bytes' && defined $t->{n}) {
        out("${in}mapi_dump_bin(out, (ph_str_t) { $t->{n}, $lv });\n");
    } elsif ($k =~ /^(?:bin|bytes|rest)$/) {
        out("${in}mapi_dump_bin(out, $lv);\n");
    } elsif ($k eq 'struct' || $k eq 'custom') {
        my $fn = $k eq 'struct' ? "$t->{file}{prefix}_$t->{name}" : $t->{name};
        out("${in}ph_put_u8(out, '{');\n") if $k eq 'struct';
        out("$in${fn}_dump(out, &$lv);\n");
        out("${in}ph_put_u8(out, '}');\n") if $k eq 'struct';
    } elsif ($k eq 'list') {
        my $count = count_of($t, $lv);
        out("${in}ph_put_u8(out, '[');\n",
            "${in}for (size_t i = 0; i < $count; i++) {\n",
            "$in    if (!mapi_dump_next(out, i, $count)) {\n",
            "$in        break;\n$in    }\n");
        dmp($t->{of}, "${lv}[i]", "$in    ");
        out("$in}\n${in}ph_put_u8(out, ']');\n");
    } elsif ($k eq 'opt' || $k eq 'sized') {
        (my $has = $lv) =~ s/(\w+)$/has_$1/;
        out("${in}if ($has) {\n");
        dmp($t->{of}, $lv, "$in    ");
        out("$in} else {\n$in    ph_put_u8(out, '-');\n$in}\n");
    } else {
        die "dump: $k";
    }
}

# ---- one structure ----

sub protos {
    my ($n, $end) = @_;
    my $ctx = $F->{context} ? "const $F->{context}_t *ctx, " : '';
    my $c4 = $F->{context} ? "const $F->{context}_t *ctx,\n    " : '';
    return (
        "ph_int_t\n${n}_decode(ph_cur_t *cur, ph_pool_t *pool, ${c4}${n}_t *v)",
        "ph_int_t\n${n}_encode(ph_wbuf_t *b, ${ctx}const ${n}_t *v)",
        "void\n${n}_dump(ph_wbuf_t *out, const ${n}_t *v)",
        "ph_int_t\n${n}_decode_all(ph_str_t body, ph_pool_t *pool, "
            . "${c4}${n}_t *v)",
        "ph_int_t\n${n}_encode_new(ph_pool_t *pool, ${ctx}const ${n}_t *v,\n"
            . "    ph_str_t *body_r)",
    );
}

sub emit_struct_header {
    my ($s) = @_;
    my $n = "$F->{prefix}_$s->{name}";
    out("typedef struct {\n");
    if (@{ $s->{fields} }) {
        emit_members($s->{fields});
    } else {
        out("    uint8_t  empty_;    /* nothing on the wire */\n");
    }
    out("} ${n}_t;\n");
    my $ctx = $F->{context} ? 'ctx, ' : '';
    my ($dec, $enc, $dump, $all, $new) = protos($n);
    out(join('', map { (my $p = $_) =~ s/^(\w+)\n/$1 /; "$p;\n" }
        ($dec, $enc, $dump)));
    out("static inline $all\n{\n    ph_cur_t  cur;\n\n",
        "    ph_cur_init(&cur, body.data, body.len);\n",
        "    PH_TRY(${n}_decode(&cur, pool, ${ctx}v));\n",
        "    return ph_cur_left(&cur) != 0 ? PH_INVALID : PH_OK;\n}\n\n");

    out("static inline $new\n{\n    ph_wbuf_t  b;\n\n",
        "    ph_wbuf_init(&b, pool, MAPI_DESC_MAX_BODY);\n",
        "    PH_TRY(${n}_encode(&b, ${ctx}v));\n",
        "    *body_r = ph_wbuf_str(&b);\n    return PH_OK;\n}\n\n");

}

sub emit_struct_code {
    my ($s) = @_;
    my $n = "$F->{prefix}_$s->{name}";
    my $ctx = $F->{context} ? 'ctx, ' : '';
    my ($dec, $enc, $dump) = protos($n);
    my $unused_ctx = $F->{context} ? "    (void) ctx;\n" : '';

    out("$dec\n{\n    memset(v, 0, sizeof(*v));\n    (void) pool;\n",
        $unused_ctx);
    walk($s->{fields}, '    ', sub {
        dec($_[0]{type}, "v->$_[0]{name}", $_[1], 'cur') });
    out("    return cur->error ? PH_INVALID : PH_OK;\n}\n\n");

    out("$enc\n{\n    (void) v;\n", $unused_ctx);
    walk($s->{fields}, '    ', sub {
        enc($_[0]{type}, "v->$_[0]{name}", $_[1]) });
    out("    return b->error ? PH_TOOBIG : PH_OK;\n}\n\n");

    my $sep = '';
    out("$dump\n{\n    (void) out;\n    (void) v;\n");
    walk($s->{fields}, '    ', sub {
        my ($f, $in) = @_;
        out("${in}ph_put_fmt(out, \"%s$f->{name}=\", ",
            "mapi_dump_space(out));\n");
        if ($f->{secret}) {
            out("${in}ph_put_fmt(out, \"***\");\n");
        } else {
            dmp($f->{type}, "v->$f->{name}", $in);
        }
    }, 1);
    out("}\n\n");

    out("static ph_int_t\n${n}_decode_any(ph_cur_t *cur, ph_pool_t *pool,\n",
        "    const mapi_ctx_t *ctx, void *v)\n{\n    (void) ctx;\n",
        "    return ${n}_decode(cur, pool, ${ctx}v);\n}\n\n",
        "static ph_int_t\n${n}_encode_any(ph_wbuf_t *b, ",
        "const mapi_ctx_t *ctx, const void *v)\n{\n    (void) ctx;\n",
        "    return ${n}_encode(b, ${ctx}v);\n}\n\n",
        "static void\n${n}_dump_any(ph_wbuf_t *out, const void *v)\n{\n",
        "    ${n}_dump(out, v);\n}\n\n");
}

# ---- tables ----

sub flag_bits {
    my ($flags) = @_;
    my $p = uc $F->{prefix};
    my @f = map { "${p}_FLAG_" . uc $_ } grep { $flags->{$_} }
        @{ $F->{flags} };
    return @f ? join(' | ', @f) : '0';
}

sub codec_ref {
    my ($name) = @_;
    return 'NULL' unless $name;
    my %at = map { $F->{order}[$_] => $_ } 0 .. $#{ $F->{order} };
    return "&$F->{prefix}_types[$at{$name}]";
}

sub emit_header {
    my $p = $F->{prefix};
    my $P = uc $p;
    my $guard = 'GEN_' . uc($F->{name}) . '_H';
    out("/* Made by gen.pl from $F->{name}.desc. */\n\n",
        "#ifndef $guard\n#define $guard\n\n#include \"mapi/mapi_desc.h\"\n");
    out("#include \"gen/$_->{name}.h\"\n") for @{ $F->{uses} };
    out("\n");
    out("#define ${P}_$_->[0]  $_->[1]\n") for @{ $F->{consts} };
    my $bit = 0;
    out("#define ${P}_FLAG_", uc $_, '  0x', sprintf('%x', 1 << $bit++), "\n")
        for @{ $F->{flags} };
    out("#define ${P}_OP_", uc $_->{name}, "  $_->{op}\n")
        for @{ $F->{ops} };
    out("#define ${P}_EVENT_", uc $_->{name}, "  $_->{op}\n")
        for @{ $F->{events} };
    out("#define ROP_", uc $_->{snake}, sprintf("  0x%02X\n", $_->{id}))
        for @{ $F->{rops} };
    out("\n");
    emit_struct_header($F->{structs}{$_}) for @{ $F->{order} };
    out("/* every structure of the file */\n#define ${P}_TYPES_COUNT  ",
        scalar @{ $F->{order} }, "\nextern const mapi_codec_t  ${p}_types[];\n");
    if (@{ $F->{ops} }) {
        out("\n/* operations and events in the order of their numbers */\n",
            "extern const mapi_op_info_t  ${p}_ops[];\n",
            "extern const size_t  ${p}_ops_count;\n",
            "/* NULL: no such operation or event */\n",
            "const mapi_op_info_t *${p}_op_find(uint16_t op);\n");
    }
    out("\nextern const mapi_rop_info_t  rop_infos[256];\n")
        if @{ $F->{rops} };
    out("\n#endif\n");
}

sub emit_code {
    my $p = $F->{prefix};
    out("/* Made by gen.pl from $F->{name}.desc. */\n\n",
        "#include \"gen/$F->{name}.h\"\n\n");
    emit_struct_code($F->{structs}{$_}) for @{ $F->{order} };
    out("const mapi_codec_t  ${p}_types[] = {\n");
    for my $s (@{ $F->{order} }) {
        my $n = "${p}_$s";
        out("    { \"$s\", sizeof(${n}_t), ${n}_decode_any, ${n}_encode_any,\n",
            "      ${n}_dump_any },\n");
    }
    out("};\n");
    if (@{ $F->{ops} }) {
        my @all = sort { hex($a->{op}) <=> hex($b->{op}) }
            (@{ $F->{ops} }, map { { %$_, flags => {}, event => 1 } }
                @{ $F->{events} });
        out("\nconst mapi_op_info_t  ${p}_ops[] = {\n");
        out("    { $_->{op}, \"$_->{name}\", ", flag_bits($_->{flags}), ",\n",
            "      ", codec_ref($_->{event} ? $_->{name} : $_->{request}),
            ", ", codec_ref($_->{answer}), " },\n") for @all;
        out("};\n\nconst size_t  ${p}_ops_count = ", scalar @all, ";\n\n",
            "const mapi_op_info_t *\n${p}_op_find(uint16_t op)\n{\n",
            "    return mapi_op_find(${p}_ops, ${p}_ops_count, op);\n}\n");
    }
    if (@{ $F->{rops} }) {
        out("\nconst mapi_rop_info_t  rop_infos[256] = {\n");
        for my $r (sort { $a->{id} <=> $b->{id} } @{ $F->{rops} }) {
            my @h = map { 'ROP_HANDLE_' . uc $_ } @{ $r->{handles} };
            my $un = $F->{unhandled}{ $r->{name} };
            out(sprintf("    [0x%02X] = {\n", $r->{id}),
                "        .name = \"$r->{name}\", .handles_count = ",
                scalar @h, ",\n        .handles = { ", join(', ', @h), " },\n",
                "        .flags = ", flag_bits($r->{flags}), ",\n",
                "        .unhandled = ", ($un ? $un->{code} : '0'), ",\n",
                "        .request = ", codec_ref($r->{request}), ",\n",
                "        .response = ", codec_ref($r->{response}), ",\n",
                "        .failure_code = ", ($r->{failure_code} || '0'), ",\n",
                "        .failure = ", codec_ref($r->{failure}), ",\n    },\n");
        }
        out("};\n");
    }
}

sub emit_handlers {
    out("/* Made by gen.pl from $F->{name}.desc: the ROPs that have a handler. ",
        "*/\n\n#ifndef GEN_ROP_HANDLERS_H\n#define GEN_ROP_HANDLERS_H\n\n",
        "#include \"gen/$F->{name}.h\"\n\n",
        "typedef struct ex_rop_s  ex_rop_t;\n\n",
        "/* X(id, name) for each */\n#define ROP_HANDLERS(X)");
    my @rops = grep { !$F->{unhandled}{ $_->{name} }
                      && $_->{handles}[0] ne 'server' } @{ $F->{rops} };
    out(sprintf(" \\\n    X(0x%02X, %s)", $_->{id}, $_->{snake})) for @rops;
    out("\n\n");
    for my $r (@rops) {
        my $n = "$F->{prefix}_$r->{snake}";
        out("uint32_t rop_$r->{snake}(ex_rop_t *rop, const ${n}_request_t *req,",
            "\n    ${n}_response_t *res);\n");
    }
    out("\n#endif\n");
}

sub emit_fuzz {
    my $p = $F->{prefix};
    out("/* Made by gen.pl from $F->{name}.desc. */\n\n",
        "#include \"gen/$F->{name}.h\"\n\n",
        "int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);\n\n",
        "int\nLLVMFuzzerTestOneInput(const uint8_t *data, size_t size)\n{\n",
        "    return mapi_codec_fuzz(${p}_types, ", scalar @{ $F->{order} },
        ", data, size);\n}\n");
}

sub put_file {
    my ($path, $emit) = @_;
    $buf = '';
    $emit->();
    if (open(my $old, '<', $path)) {
        local $/;
        my $was = <$old>;
        return if defined $was && $was eq $buf;
    }
    open(my $fh, '>', "$path.tmp") or die "$path.tmp: $!\n";
    print $fh $buf or die "$path.tmp: $!\n";
    close($fh) or die "$path.tmp: $!\n";
    rename("$path.tmp", $path) or die "$path: $!\n";
}

my ($dir, @files);
while (@ARGV) {
    my $a = shift @ARGV;
    if ($a eq '--out') {
        $dir = shift @ARGV;
    } else {
        push @files, $a;
    }
}
die "usage: gen.pl --out DIR file.desc...\n" unless $dir && @files;
-d $dir or mkdir $dir or die "$dir: $!\n";

for my $path (@files) {
    $F = Desc::load($path);
    my $base = "$dir/$F->{name}";
    put_file("$base.h", \&emit_header);
    put_file("$base.c", \&emit_code);
    put_file("$dir/fuzz-$F->{name}.c", \&emit_fuzz);
    put_file("$dir/rop_handlers.h", \&emit_handlers) if @{ $F->{rops} };
}
