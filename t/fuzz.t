#!/usr/bin/perl

# A short run of every fuzz target: over its corpus, and over mutations of it.
# Long runs are made with auto/configure --with-fuzzing.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(basename dirname);
use File::Temp qw(tempdir);
use Test::More;

my $source = abs_path(dirname(__FILE__) . '/..');
my $build = $ENV{POSTHORN_BUILD} || "$source/objs";
my $only = $ENV{POSTHORN_ONLY} // '';
my $seconds = $ENV{POSTHORN_FUZZ_SECONDS} || 3;

my @targets = map { basename($_, '.c') }
    sort(glob("$source/t/fuzz/fuzz-*.c"), glob("$build/gen/fuzz-*.c"));
if ($only ne '' && 'fuzz' !~ /\Q$only/) {
    @targets = grep { index($_, $only) >= 0 } @targets;
}
plan skip_all => 'no fuzz target matches' unless @targets;
plan tests => scalar @targets;

my $libfuzzer = do {
    open my $f, '<', "$build/Makefile" or die "$build is not configured";
    local $/;
    <$f> =~ /^FUZZING\s*=\s*YES/m;
};
my $dir = tempdir(CLEANUP => 1);
chdir $dir or die "$dir: $!";
$ENV{ASAN_OPTIONS} //= 'detect_leaks=1:allocator_may_return_null=1';

for my $name (@targets) {
    my $program = "$build/fuzz/$name";
    my ($short) = $name =~ /^fuzz-(.*)/;
    my @corpus = grep { -d } "$source/t/fuzz/corpus/$short";

    if (!-x $program) {
        fail("$name is built");
        next;
    }
    my $command;
    if ($libfuzzer) {
        mkdir "$dir/$name";
        $command = "$program -max_total_time=$seconds -rss_limit_mb=4096"
            . " -timeout=20 $dir/$name @corpus";
    } else {
        $command = "$program -seconds=$seconds @corpus";
    }
    my $output = `timeout -k 5 120 $command 2>&1 </dev/null`;
    my $status = $?;
    my ($runs) = $output =~ /(\d+ mutated|DONE.*)/;
    ok($status == 0, "$name" . ($runs ? ": $runs" : ''));
    if ($status != 0) {
        my @lines = split /\n/, $output;
        diag("    $_") for @lines > 60 ? @lines[0 .. 59] : @lines;
        if (open my $f, '<:raw', "$dir/crash-input") {
            local $/;
            diag("input (hex): " . unpack('H*', substr(<$f>, 0, 2000)));
        }
    }
    unlink "$dir/crash-input";
}
