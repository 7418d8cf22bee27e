#!/usr/bin/perl

# Runs every unit test of t/unit, one subtest each: the programs print TAP.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(basename dirname);
use File::Temp qw(tempdir);
use Test::More;

my $source = abs_path(dirname(__FILE__) . '/..');
my $build = $ENV{POSTHORN_BUILD} || "$source/objs";
my $only = $ENV{POSTHORN_ONLY} // '';

my @tests = map { basename($_, '.c') } sort glob("$source/t/unit/test-*.c");
if ($only ne '' && 'unit' !~ /\Q$only/) {
    @tests = grep { index($_, $only) >= 0 } @tests;
}
plan skip_all => 'no unit test matches' unless @tests;
plan tests => scalar @tests;

$ENV{ASAN_OPTIONS} //= 'detect_leaks=1:allocator_may_return_null=1';
$ENV{UBSAN_OPTIONS} //= 'print_stacktrace=1';
$ENV{TMPDIR} = tempdir(CLEANUP => 1);
# a test of dropped privileges works in it as somebody else
chmod 0755, $ENV{TMPDIR};
chdir $source or die "$source: $!";

for my $name (@tests) {
    my $program = "$build/t/$name";
    if (!-x $program) {
        fail("$name is built");
        next;
    }
    # timeout(1): a test that hangs must not stop the others
    my $output = `timeout -k 5 300 $program 2>&1 </dev/null`;
    my $status = $?;

    my $checks = () = $output =~ /^(?:not )?ok \d+/mg;
    my @failed = $output =~ /^(not ok \d+.*)$/mg;
    my ($plan) = $output =~ /^1\.\.(\d+)/m;

    if (defined $plan && $plan == 0 && $status == 0) {
        my ($why) = $output =~ /# SKIP\s+(.*)/;
        SKIP: { skip("$name: " . ($why // 'skipped'), 1); }
        next;
    }
    my $good = $status == 0 && !@failed && defined $plan && $plan == $checks;
    ok($good, "$name: $checks checks");
    next if $good;

    diag("exit status " . ($status & 127 ? "signal " . ($status & 127)
        : $status >> 8));
    diag(defined $plan ? "plan $plan, ran $checks" : "no plan");
    my @lines = split /\n/, $output;
    diag($_) for @failed;
    diag("    $_") for @lines > 60 ? @lines[-60 .. -1] : @lines;
}
