#!/usr/bin/perl

# The build, and the rules of the house that a machine can check.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(basename dirname);
use File::Find qw(find);
use File::Temp qw(tempdir);
use Test::More;

my $source = abs_path(dirname(__FILE__) . '/..');
my $build = $ENV{POSTHORN_BUILD} || "$source/objs";
my $dir = tempdir(CLEANUP => 1);

chdir $source or die "$source: $!";

# ---- the files ---------------------------------------------------------------

my @files = `git ls-files 2>/dev/null`;
chomp @files;
if (!@files) {
    find({ no_chdir => 1, wanted => sub {
        $File::Find::prune = 1 if m{^\./(?:\.git|objs)$};
        push @files, s{^\./}{}r if -f;
    } }, '.');
}
@files = grep { -f } @files;
my @c = grep { m{^(?:backend|ngx_modules|t)/.*\.[ch]$} } @files;
my %text = map { $_ => slurp($_) } @files;

sub slurp {
    my ($path) = @_;
    open my $f, '<:raw', $path or die "$path: $!";
    local $/;
    return scalar(<$f>) // '';
}

# C without comments and without what is inside literals; lines stay where they are
sub code {
    my ($c) = @_;
    $c =~ s{(/\*.*?\*/)|("(?:[^"\\\n]|\\.)*")|('(?:[^'\\\n]|\\.)*')}
        {defined $1 ? "\n" x ($1 =~ tr/\n//) : defined $2 ? '""' : "' '"}gse;
    return $c;
}

sub line_of { return 1 + (substr($_[0], 0, $_[1]) =~ tr/\n//) }

sub none {
    my ($name, @found) = @_;
    ok(!@found, $name) or diag(join "\n", @found[0 .. ($#found > 30 ? 30
        : $#found)]);
}

sub search {
    my ($re, $text, @in) = @_;
    my @found;
    for my $f (@in) {
        my $t = $text->($f);
        while ($t =~ /$re/g) {
            push @found, "$f:" . line_of($t, $-[0]) . ": $&";
        }
    }
    return @found;
}

my %code = map { $_ => code($text{$_}) } @c;

# ---- rules -------------------------------------------------------------------

{
    my %top = map { (split m{/})[0] => 1 } @files;
    my %allowed = map { $_ => 1 } qw(ngx_modules backend php-bridge conf t auto
        README.md LICENSE CHANGES Makefile);
    none('nothing else at the top level',
        grep { !$allowed{$_} && !/^\./ } sort keys %top);
}

none('no call that cannot be used safely',
    search(qr/\b(?:strcpy|strcat|strncat|sprintf|vsprintf|gets|strtok|alloca
        |system|popen|tmpnam|mktemp|atoi|atol)\s*\(/x, sub { $code{$_[0]} },
        grep { !m{^t/bench/} } @c));

none('no unfinished business', search(
    qr/\b(?:TODO|FIX[M]E|XX[X]|HAC[K])\b|\bstu[b]\b|not\ implemente[d]
        |for\ no[w]\b/x, sub { $text{$_[0]} },
    grep { !m{^t/(?:data|fuzz/corpus)/} && $_ ne 't/build.t' } @files));

none('no path of a machine', search(
    qr{/wor[k]/|/tmp/(?:tea[m]|b-)|/home/\w+|shared/(?:spec|prob[e])},
    sub { $text{$_[0]} },
    grep { !m{^t/(?:data|fuzz/corpus)/} && $_ ne 't/build.t' } @files));

none('files of at most 1000 lines', map {
    my $n = $text{$_} =~ tr/\n//; $n > 1000 ? "$_: $n lines" : () } @c);

none('lines of at most 80 columns', map {
    my ($f, $n) = ($_, 0);
    map { $n++; my $l = $_; utf8::decode($l);
        length $l > 80 ? "$f:$n: " . length($l) . " columns" : () }
        split /\n/, $text{$f};
} @c);

none('no tabs, no white space at the end of a line',
    search(qr/\t|[ ]+$/m, sub { $text{$_[0]} }, @c));

none('no mutable globals outside a root object', map {
    my ($f, $t) = ($_, $code{$_});
    my @found;
    # file scope: not indented, static, no const, no function
    while ($t =~ /^static\ (?!const\b|inline\b|_Thread_local\b)
        ([\w*\ ]+?[\ *])(\w+)(?:\[[^\]]*\])*\s*(?:=|;)/mgx)
    {
        my ($type, $name, $at) = ($1, $2, $-[0]);
        # what a pthread_once() sets; what a callback without argument needs
        next if $type =~ /\bconst\b|_once_t\b/;
        next if $name =~ /^(?:mapi_collator|ph_conf_loading)$/;
        push @found, "$f:" . line_of($t, $at) . ": $name";
    }
    @found;
} grep { m{^backend/} } @c);

# ---- options, log codes, directives are documented ---------------------------

# arguments of MACRO(...), as auto/man reads them
sub calls {
    my ($t, $macro) = @_;
    my @calls;
    $t =~ s{/\*.*?\*/}{}gs;
    while ($t =~ /\b$macro\s*\(/g) {
        my (@args, $arg);
        while ($t =~ /\G\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",()]+)|(,)|(\)))/gc) {
            if (defined $1 || defined $2) {
                $arg = ($arg // '') . ($1 // $2);
            } else {
                push @args, $arg // '';
                undef $arg;
                last if defined $4;
            }
        }
        push @calls, \@args;
    }
    return @calls;
}

my $backend = join "\n", map { $text{$_} } grep { m{^backend/.*\.[ch]$} } @c;

{
    my (@bad, %seen);
    for my $def (sort grep { m{^backend/lib/options/} } @files) {
        for my $o (calls($text{$def}, 'PH_OPT')) {
            my ($section, $name, $type, $default, $doc) = @$o;
            push @bad, "$section.$name: twice" if $seen{"$section.$name"}++;
            push @bad, "$section.$name: no documentation"
                if length($doc // '') < 10;
            push @bad, "$section.$name: nothing reads it"
                unless $backend =~ /"\Q$name\E"/;
        }
    }
    ok(scalar keys %seen, 'options are found');
    none('each option is documented and used', @bad);
}

{
    my %range = (lib => [1000, 1999], directory => [2000, 2999],
        store => [3000, 3999], exmdb => [4000, 4999],
        delivery => [5000, 5999], nginx => [6000, 6999],
        tools => [7000, 7999]);
    my (@bad, %seen);
    my $all = join "\n", map { $code{$_} } grep { !m{^t/} } @c;
    for my $def (sort grep { m{^backend/lib/codes/} } @files) {
        my ($area) = $def =~ m{([^/]+)\.def$};
        my $last = 0;
        for my $c (calls($text{$def}, 'PH_CODE')) {
            my ($n, $what, $cause, $remedy) = @$c;
            push @bad, "PH$n: twice" if $seen{$n}++;
            push @bad, "PH$n: not ascending" if $n <= $last;
            $last = $n;
            push @bad, "PH$n: not in the range of $area"
                if !$range{$area} || $n < $range{$area}[0]
                    || $n > $range{$area}[1];
            push @bad, "PH$n: text, cause or remedy is missing"
                if grep { length($_ // '') < 4 } $what, $cause, $remedy;
            push @bad, "PH$n: nothing logs it"
                unless $all =~ ($area eq 'nginx' ? qr/\b$n\b/ : qr/\bPH$n\b/);
        }
    }
    ok(scalar keys %seen, 'log codes are found');
    none('each log code is documented and used', @bad);
}

{
    my @bad;
    my $readme = join "\n", map { $text{$_} }
        grep { m{^ngx_modules/.*README\.md$} } @files;
    my @directives;
    for my $f (grep { m{^ngx_modules/.*\.c$} } @c) {
        my $t = $text{$f};
        while ($t =~ /ngx_command_t\s+\w+\[\]\s*=\s*\{(.*?)ngx_null_command/gs)
        {
            my $commands = $1;
            push @directives, $1 while $commands =~ /ngx_string\("(\w+)"\)/g;
        }
    }
    for my $d (@directives) {
        if ($readme !~ /^#+\s*`?$d`?\s*$(.*?)(?=^#|\z)/ms) {
            push @bad, "$d: not in a README.md below ngx_modules";
            next;
        }
        my $part = $1;
        for my $field (qw(Syntax Default Context)) {
            push @bad, "$d: no $field" unless $part =~ /\b$field\b/;
        }
    }
    SKIP: {
        skip 'no nginx module', 1
            unless grep { m{^ngx_modules/.*\.c$} } @files;
        ok(scalar @directives, 'nginx directives are found');
    }
    none('each nginx directive is documented', @bad);
}

{
    my @bad;
    for my $daemon (map { basename(dirname($_)) }
        grep { m{^backend/\w+/main\.c$} && !m{/tools/} } @files)
    {
        push @bad, "conf/man/posthorn-$daemon.8 is missing"
            unless -f "conf/man/posthorn-$daemon.8";
    }
    none('each daemon has a manual page', @bad);
}

SKIP: {
    skip 'phctl is not built', 1 unless -x "$build/phctl";
    my @bad;
    my $page = $text{'conf/man/phctl.1'} =~ s/\\-/-/gr =~ s/\\f.|[\\"]//gr;
    for my $line (split /\n/, `$build/phctl help`) {
        next unless $line =~ /^  ([a-z-]+(?: [a-z]+)?)\b/;
        my ($name, $verb) = split / /, $1;
        my $re = defined $verb ? qr/\b$name $verb\b/
            : qr/(?<![\w-])\Q$name\E\b/;
        push @bad, "phctl.1: $1" unless $page =~ $re;
    }
    my %known;
    for my $name ($text{'backend/tools/main.c'} =~ /ctl_(\w+)_commands/g) {
        my ($f) = grep { -f } "backend/tools/cmd_$name.c";
        next unless $f;
        my ($c) = $text{$f} =~ /ctl_\w+_commands\[\]\s*=\s*\{(.*?)\n\};/s;
        $known{$_}++ for map { split ' ' } map { s/"\s*"//gr =~ s/"//gr }
            $c =~ /((?:"[a-z: -]+"\s*)+),\s*\d/g;
    }
    for my $o (map { s/:$//r } keys %known) {
        push @bad, "phctl.1: --$o" unless $page =~ /--\Q$o\E\b/;
    }
    none('phctl(1) has every command and option', @bad);
}

# ---- scripts -----------------------------------------------------------------

{
    my @bad;
    for my $f (grep { m{^(?:auto|\.ci)/} } @files) {
        next unless $text{$f} =~ m{^#!/bin/sh};
        push @bad, "$f: $_" for split /\n/, `sh -n $f 2>&1`;
    }
    none('shell scripts parse', @bad);

    @bad = ();
    for my $f (grep { /\.(?:t|pl|pm)$/ || $text{$_} =~ m{^#!/usr/bin/perl} }
        @files)
    {
        my $out = `$^X -It/lib -Ibackend/mapi/desc -c $f 2>&1`;
        push @bad, "$f: $out" if $? != 0;
    }
    none('Perl files parse', @bad);
}

# ---- the build ---------------------------------------------------------------

SKIP: {
    skip "$build is not a finished build", 9
        unless -f "$build/Makefile" && -x "$build/phctl";
    my $make = "make -f $build/Makefile";

    # what make would do when a header were newer
    my $would = `$make -n -W $source/backend/lib/ph_buf.h programs tests 2>&1`;
    like($would, qr{o/backend/lib/ph_buf\.o}, 'a header rebuilds its objects');
    like($would, qr{ar crs \S*/libph\.a}, 'and the library');
    like($would, qr{-o \S*/phctl }, 'and the programs');

    $would = `$make -n -W $source/backend/tools/ctl.h programs 2>&1`;
    like($would, qr{o/backend/tools/ctl_args\.o}, 'a folder\'s own header too');
    unlike($would, qr{o/backend/lib/ph_buf\.o},
        'what does not include it is left alone');

    # not with -n, which assumes that generated headers will change
    my $did = `$make programs 2>&1`;
    unlike($did, qr{ (?:CC|AR|LINK) }, 'nothing to do when nothing changed')
        or diag($did);

    my $out = `$make install DESTDIR=$dir/dest 2>&1`;
    is($?, 0, 'make install DESTDIR=') or diag($out);
    my ($prefix) = slurp("$build/Makefile") =~ /^PREFIX\s*=\s*(\S+)/m;
    my $p = "$dir/dest$prefix";
    my @missing = grep { !-e "$p/$_" } ('bin/phctl',
        (map { "sbin/posthorn-$_" } grep { -x "$build/posthorn-$_" }
            qw(directory exmdb delivery)),
        'etc/posthorn/posthorn.conf', 'share/man/man1/phctl.1',
        'share/man/man5/posthorn.conf.5', 'share/man/man7/posthorn-codes.7',
        'share/bash-completion/completions/phctl',
        'share/posthorn/systemd/posthorn-exmdb.service');
    none('everything is installed', @missing);
    my $placeholders = `grep -rlI '%p/' $p/share/posthorn/systemd 2>/dev/null`;
    is($placeholders, '', 'placeholders are replaced');
}

# ---- hardening ---------------------------------------------------------------

SKIP: {
    skip 'phctl is not built', 2 unless -x "$build/phctl";
    my $elf = `readelf -hdl $build/phctl 2>/dev/null`;
    skip 'no readelf', 2 if $elf eq '';
    like($elf, qr/Type:\s+DYN/, 'programs are position independent');
    like($elf, qr/GNU_RELRO.*BIND_NOW|BIND_NOW.*GNU_RELRO|NOW/s,
        'with full RELRO');
}

# ---- what configure says when something is missing ---------------------------

{
    # a compiler that does not find two libraries
    open my $cc, '>', "$dir/cc" or die $!;
    print $cc <<'END';
#!/bin/sh
for a; do
    case $a in
        *.c) grep -qE 'jansson.h|uv.h' $a && { echo no such file >&2; exit 1; }
    esac
done
exec cc "$@"
END
    close $cc;
    chmod 0755, "$dir/cc";

    my $out = `./auto/configure --builddir=$dir/b CC=$dir/cc 2>&1`;
    isnt($?, 0, 'configure fails without a library');
    like($out, qr/libuv.*Debian package libuv1-dev/, 'names the package');
    like($out, qr/jansson.*Debian package libjansson-dev/, 'and each other one');
    like($out, qr/apt-get install.*libuv1-dev.*libjansson-dev/,
        'and what to type');

    $out = `./auto/configure --builddir=$dir/b --nonsense 2>&1`;
    isnt($?, 0, 'an unknown option is an error');

    $out = `./auto/configure --builddir=$dir/b2 --without-seccomp \\
        --without-argon2 --without-nginx --prefix=/usr/local 2>&1`;
    is($?, 0, 'optional libraries can be left out') or diag($out);
    unlike(slurp("$dir/b2/ph_config.h"), qr/PH_HAVE_(?:SECCOMP|ARGON2)/,
        'and are not used then');
}

# ---- a plain nginx source tree -----------------------------------------------

SKIP: {
    skip 'no nginx module', 2 unless -f 'ngx_modules/config';
    my $nginx = nginx_source("$dir/nginx-source");
    skip 'Debian\'s source of nginx cannot be had', 2 unless $nginx;

    my $out = `./auto/configure --builddir=$dir/n --with-nginx=$nginx 2>&1`;
    is($?, 0, 'configure with a plain nginx source') or diag($out);
    $out = `make -j2 -f $dir/n/Makefile nginx 2>&1`;
    my @so = glob("$dir/n/nginx/*.so");
    ok($? == 0 && @so && -x "$dir/n/nginx/nginx", 'the modules build with it')
        or diag(substr($out, -4000));
}

# apt-get source, with lists of its own: the machine's are left alone
sub nginx_source {
    my ($to) = @_;

    return $ENV{POSTHORN_NGINX_SOURCE} if $ENV{POSTHORN_NGINX_SOURCE};
    mkdir $to;
    mkdir "$to/$_" for qw(lists lists/partial cache parts);
    my $release = `. /etc/os-release; echo \$VERSION_CODENAME`;
    chomp $release;
    my ($uri) = map { /^URIs:\s*(\S+)/m ? $1 : /^deb\s+(http\S+)/m ? $1 : () }
        map { slurp($_) } grep { -f } ('/etc/apt/sources.list.d/debian.sources',
            '/etc/apt/sources.list');
    $uri ||= 'http://deb.debian.org/debian';
    open my $f, '>', "$to/sources.list" or return;
    print $f "deb-src $uri $release main\n";
    close $f;
    my $apt = "apt-get -q -o Dir::Etc::sourcelist=$to/sources.list"
        . " -o Dir::Etc::sourceparts=$to/parts -o Dir::State::lists=$to/lists"
        . " -o Dir::Cache=$to/cache -o Acquire::http::Timeout=20"
        . " -o Acquire::Retries=1 -o APT::Sandbox::User=root";
    my $out = `cd $to && timeout 120 $apt update 2>&1 \\
        && timeout 120 $apt --only-source --download-only source nginx 2>&1`;
    my ($tar) = glob("$to/nginx_*.orig.tar.gz");
    if (!$tar) {
        note($out);
        return;
    }
    system("tar -xzf $tar -C $to") == 0 or return;
    my ($tree) = grep { -f "$_/src/core/nginx.h" } glob("$to/nginx-*");
    return $tree;
}

done_testing();
