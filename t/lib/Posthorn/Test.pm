package Posthorn::Test;

# Servers for one test: configuration in a temporary folder, free loopback ports,
# no root, no DNS, no other host.
#
#     my $t = Posthorn::Test->new(
#         servers => [qw(directory exmdb delivery nginx)],    # the default
#         users   => [qw(alice bob)],                         # @example.test
#         conf    => { exmdb => { workers => 1 } },           # over the defaults
#     );
#     $t->start;             # skips the test when a program is not built
#     ...
#     $t->stop;              # checks that nothing crashed or reported a leak
#     done_testing();
#
# Every user's password is "password-NAME"; "admin" is always there and has the
# administrator's right.  Programs come from $ENV{POSTHORN_BUILD}, or ./objs.

use strict;
use warnings;

use Carp qw(croak);
use Cwd qw(abs_path getcwd);
use File::Basename qw(dirname);
use File::Path qw(make_path remove_tree);
use File::Temp ();
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ":sys_wait_h";
use Test::More ();
use Time::HiRes qw(time sleep);

our $DOMAIN = 'example.test';

my %LIVE;     # harness objects that have processes, by address
my %PORTS;    # ports that this process gave out

# ---- set-up ----------------------------------------------------------------

sub new {
    my ($class, %opt) = @_;

    my $source = abs_path(dirname(__FILE__) . '/../../..');
    my $build = $ENV{POSTHORN_BUILD} || "$source/objs";
    $build = abs_path($build) || $build;

    my $self = bless {
        source  => $source,
        build   => $build,
        servers => $opt{servers} || [qw(directory exmdb delivery nginx)],
        users   => $opt{users} || [qw(alice bob)],
        domain  => $opt{domain} || $DOMAIN,
        conf    => $opt{conf} || {},
        nginx   => $opt{nginx} || {},
        env     => $opt{env} || {},
        options => \%opt,
        pids    => {},
        ports   => {},
        owner   => $$,
    }, $class;

    # short: a unix socket's path has at most 107 bytes
    $self->{dir} = $opt{dir} || File::Temp::tempdir('phXXXXXX', TMPDIR => 1,
        CLEANUP => 0);
    make_path(map { "$self->{dir}/$_" }
        qw(etc run log mail queue mailboxes directory sink nginx));
    chmod 0755, $self->{dir};

    $self->{ports}{$_} = $opt{ports}{$_} || free_port()
        for qw(https http lmtp smtp sink exmdb_tcp);

    $self->{sanitized} = _slurp("$build/Makefile") =~ /^SANITIZE\s*=\s*-f/m
        ? 1 : 0;
    return $self;
}

sub dir       { $_[0]{dir} }
sub build     { $_[0]{build} }
sub source    { $_[0]{source} }
sub sanitized { $_[0]{sanitized} }
sub domain    { $_[0]{domain} }
sub port      { $_[0]{ports}{$_[1]} // croak("no port $_[1]") }
sub url       { "https://127.0.0.1:$_[0]{ports}{https}" }
sub http_url  { "http://127.0.0.1:$_[0]{ports}{http}" }
sub address   { "$_[1]\@$_[0]{domain}" }
sub password  { "password-$_[1]" }
sub pid       { $_[0]{pids}{$_[1]} }
sub conf_file { "$_[0]{dir}/etc/posthorn.conf" }
sub socket    { "$_[0]{dir}/run/$_[1].sock" }
sub has       { my ($self, $name) = @_; grep { $_ eq $name }
                @{ $self->{servers} } }

sub free_port {
    for (1 .. 200) {
        my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
            LocalPort => 0, Listen => 1, Proto => 'tcp') or next;
        my $port = $s->sockport;
        close $s;
        return $port unless $PORTS{$port}++;
    }
    croak("no free port");
}

# The program NAME: of the build, else of the system; undef when it is not there.
sub program {
    my ($self, $name) = @_;

    return "$self->{build}/$name" if -f -x "$self->{build}/$name";
    if ($name eq 'nginx' && -x "$self->{build}/nginx/nginx") {
        return "$self->{build}/nginx/nginx";
    }
    for my $d (split(/:/, $ENV{PATH}), '/usr/sbin', '/sbin') {
        return "$d/$name" if -x "$d/$name" && !-d "$d/$name";
    }
    return undef;
}

sub _program_of {
    my ($self, $server) = @_;
    return $self->program($server) if $server eq 'nginx'
        || $server eq 'postfix';
    return $self->program("posthorn-$server");
}

# ---- start and stop --------------------------------------------------------

sub start {
    my ($self) = @_;

    for my $s (@{ $self->{servers} }) {
        next if $s eq 'sink';
        next if defined $self->_program_of($s);
        Test::More::plan(skip_all => "$s is not built in $self->{build}");
    }
    if ($self->has('postfix') && $> != 0) {
        Test::More::plan(skip_all => "a private Postfix needs root");
    }

    $LIVE{"$self"} = $self;
    $self->write_conf;

    $self->start_server('directory') if $self->has('directory');
    if ($self->has('directory') && $self->has('exmdb')) {
        $self->start_server('exmdb');
    }
    $self->create_users if $self->has('directory') && $self->program('phctl');

    for my $s (qw(sink delivery postfix nginx)) {
        $self->start_server($s) if $self->has($s);
    }
    return $self;
}

sub start_server {
    my ($self, $name) = @_;

    my $method = "_start_$name";
    $self->can($method) ? $self->$method() : $self->_start_daemon($name);
    return $self->{pids}{$name};
}

sub _start_daemon {
    my ($self, $name) = @_;

    my $program = $self->_program_of($name);
    $self->{pids}{$name} = $self->spawn("$self->{dir}/log/$name.err", $program,
        '-f', '-c', $self->conf_file);
    my @sockets = $name eq 'exmdb' ? map { "exmdb$_" }
        ('', map { ".$_" } 0 .. $self->conf('exmdb', 'workers') - 1) : $name;

    for my $s (@sockets) {
        $self->wait_for("$name listens on $s.sock", 20, sub {
            $self->_alive($name) or $self->die_with_logs("$name ended");
            IO::Socket::UNIX->new(Peer => $self->socket($s)) });
    }
    if ($name eq 'delivery') {
        $self->wait_port('lmtp', $name);
    }
}

sub _start_sink {
    my ($self) = @_;

    $self->{pids}{sink} = $self->spawn("$self->{dir}/log/sink.err", $^X,
        "-I$self->{source}/t/lib", '-MPosthorn::Sink', '-e',
        'Posthorn::Sink::run(@ARGV)', $self->port('sink'),
        "$self->{dir}/sink");
    $self->wait_port('sink');
}

sub _start_nginx {
    my ($self) = @_;

    $self->certificate;
    $self->write_nginx_conf;
    my %env;
    if ($self->{sanitized} && $self->program('nginx') !~ /^\Q$self->{build}/) {
        # Debian's binary knows nothing of the sanitizer in our module
        my $lib = `\${CC:-gcc} -print-file-name=libasan.so`;
        chomp $lib;
        %env = (LD_PRELOAD => $lib, ASAN_OPTIONS => $self->asan_options(0));
    }
    local @ENV{keys %env} = values %env;
    $self->{pids}{nginx} = $self->spawn("$self->{dir}/log/nginx.err",
        $self->program('nginx'), '-p', "$self->{dir}/nginx/",
        '-e', "$self->{dir}/log/nginx-error.log",
        '-c', "$self->{dir}/etc/nginx.conf", '-g', 'daemon off;');
    $self->wait_port('https', 'nginx');
}

sub _start_postfix {
    my ($self) = @_;

    $self->write_postfix_conf;
    my $dir = "$self->{dir}/mail";
    my $out = `postfix -c $dir/etc start 2>&1`;
    if ($? != 0) {
        $self->die_with_logs("postfix does not start: $out");
    }
    my $pid = _slurp("$dir/spool/pid/master.pid");
    $pid =~ s/\D//g;
    $self->{pids}{postfix} = $pid;
    $self->wait_port('smtp');
}

# Runs a program in the background with output to a file.  No shell.
sub spawn {
    my ($self, $output, @command) = @_;

    my $pid = fork // croak("fork: $!");
    if ($pid == 0) {
        $self->{owner} = 0;
        %LIVE = ();
        $ENV{ASAN_OPTIONS} ||= $self->asan_options(1);
        $ENV{UBSAN_OPTIONS} ||=
            "print_stacktrace=1:log_path=$self->{dir}/log/ubsan";
        $ENV{$_} = $self->{env}{$_} for keys %{ $self->{env} };
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', $output or POSIX::_exit(127);
        open STDERR, '>&', \*STDOUT;
        { no warnings 'exec'; exec { $command[0] } @command; }
        print STDERR "cannot run $command[0]: $!\n";
        POSIX::_exit(127);
    }
    return $pid;
}

sub asan_options {
    my ($self, $leaks) = @_;
    return "log_path=$self->{dir}/log/asan:detect_leaks=$leaks"
        . ":allocator_may_return_null=1:quarantine_size_mb=16";
}

sub _alive {
    my ($self, $name) = @_;
    my $pid = $self->{pids}{$name} or return 0;
    return 0 if waitpid($pid, WNOHANG) == $pid;
    return kill 0, $pid;
}

# Processes of a server beside its first: the workers of a daemon.
sub workers {
    my ($self, $name) = @_;
    my $pid = $self->{pids}{$name} or return ();
    my @pids;
    for my $stat (glob('/proc/[0-9]*/stat')) {
        my $line = _slurp($stat);
        push @pids, $1 if $line =~ /^(\d+) \(.*\) \w $pid /s;
    }
    return sort { $a <=> $b } @pids;
}

sub stop_server {
    my ($self, $name, $signal) = @_;

    my $pid = delete $self->{pids}{$name} or return;

    if ($name eq 'postfix') {
        system('postfix', '-c', "$self->{dir}/mail/etc", 'stop')
            if $signal || open(my $null, '>', '/dev/null');
        return;
    }
    my @workers = $name eq 'sink' ? () : $self->workers($name);
    $signal ||= $name eq 'nginx' ? 'QUIT' : 'TERM';
    kill $signal, $pid;

    my $end = time + 30;
    while (waitpid($pid, WNOHANG) == 0) {
        if (time > $end) {
            kill 'KILL', $pid, @workers;
            waitpid $pid, 0;
            $self->{slow}{$name} = 1;
            last;
        }
        kill 'TERM', $pid if $name eq 'nginx' && time > $end - 25;
        sleep 0.02;
    }
    $self->{status}{$name} = $?;
    return $self->{status}{$name};
}

sub restart_server {
    my ($self, $name) = @_;
    $self->stop_server($name);
    $self->start_server($name);
}

# SIGHUP: the daemons and nginx read their configuration again.
sub reload {
    my ($self, $name) = @_;
    kill 'HUP', $self->{pids}{$name};
}

# Stops everything and tests that no server crashed.  Removes the folder when
# the test has passed, unless POSTHORN_KEEP is set.
sub stop {
    my ($self, %opt) = @_;

    $self->stop_server($_) for qw(nginx postfix sink);
    $self->stop_server($_) for qw(delivery exmdb directory);
    delete $LIVE{"$self"};

    my @bad = $self->trouble(%opt);
    Test::More::ok(!@bad, 'no crash, no sanitizer report, all ended in time');
    if (@bad) {
        Test::More::diag($_) for @bad;
    }
    my $passing = Test::More->builder->is_passing;
    $self->diag_logs unless $passing;
    if ($passing && !$ENV{POSTHORN_KEEP}) {
        remove_tree($self->{dir});
    } else {
        Test::More::diag("files are kept in $self->{dir}");
    }
    return !@bad;
}

# What went wrong so far: sanitizer reports, deaths by signal, slow stops.
# killed => 1: deaths by SIGKILL are the test's own.
sub trouble {
    my ($self, %opt) = @_;
    my @bad;

    for my $report (glob("$self->{dir}/log/{asan,ubsan}.*")) {
        my $text = _slurp($report);
        next unless $text =~ /\S/;
        push @bad, substr($text, 0, 6000);
    }
    for my $log (glob("$self->{dir}/log/*.{err,log}")) {
        my $text = _slurp($log);
        while ($text =~ /^(.*(?:exited\ on\ signal|killed\ by\ signal
            |signal=|AddressSanitizer|runtime\ error:|Assertion\ ).*)$/mgx)
        {
            my $line = $1;
            next if $opt{killed}
                && $line =~ /signal[= ]"?(?:9|KILL|SIGKILL)\b/;
            push @bad, "$log: $line";
        }
    }
    push @bad, "$_ did not stop within 30 seconds" for sort keys
        %{ $self->{slow} || {} };
    for my $name (sort keys %{ $self->{status} || {} }) {
        my $status = $self->{status}{$name};
        next if $name eq 'sink' || $status == 0 || $self->{slow}{$name};
        push @bad, "$name ended with "
            . ($status & 127 ? "signal " . ($status & 127)
                : "exit code " . ($status >> 8));
    }
    return @bad;
}

END {
    my $status = $?;
    for my $t (values %LIVE) {
        next if $t->{owner} != $$;
        $t->diag_logs;
        Test::More::diag("files are kept in $t->{dir}");
        for my $name (keys %{ $t->{pids} }) {
            my @pids = ($t->{pids}{$name}, $t->workers($name));
            if ($name eq 'postfix') {
                system("postfix -c $t->{dir}/mail/etc stop >/dev/null 2>&1");
            } else {
                kill 'TERM', @pids;
            }
            waitpid $pids[0], WNOHANG;
        }
        sleep 0.5;
        for my $name (keys %{ $t->{pids} }) {
            next if $name eq 'postfix';
            kill 'KILL', $t->{pids}{$name}, $t->workers($name);
        }
    }
    $? = $status;
}

# ---- waiting ---------------------------------------------------------------

# Polls until the code gives something true; its value.  Fails the whole test
# with the logs' last lines after `seconds`.
sub wait_for {
    my ($self, $what, $seconds, $code) = @_;

    # a sanitizer build on a busy machine is slow
    my $end = time + $seconds * ($self->{sanitized} ? 3 : 2);
    my $pause = 0.01;

    while (1) {
        my $value = $code->();
        return $value if $value;
        last if time > $end;
        sleep $pause;
        $pause *= 1.5 if $pause < 0.2;
    }
    $self->die_with_logs("waited in vain: $what");
}

sub wait_port {
    my ($self, $port, $server) = @_;
    $self->wait_for("port $port", 20, sub {
        if ($server && !$self->_alive($server)) {
            $self->die_with_logs("$server ended");
        }
        IO::Socket::INET->new(PeerAddr => '127.0.0.1',
            PeerPort => $self->port($port), Proto => 'tcp', Timeout => 2) });
}

sub log_text {
    my ($self, $name) = @_;
    return join '', map { _slurp($_) } grep { -f }
        map { "$self->{dir}/log/$_" } ("$name.log", "$name.err",
            "$name-error.log");
}

sub diag_logs {
    my ($self, $lines) = @_;
    $lines ||= 8;
    for my $file (glob("$self->{dir}/log/*")) {
        my @lines = split /\n/, _slurp($file);
        next if !@lines || $file =~ m{/(?:a|ub)san\.};
        splice @lines, 0, @lines - $lines if @lines > $lines;
        Test::More::diag("--- last lines of $file");
        Test::More::diag("    " . substr($_, 0, 400)) for @lines;
    }
}

sub die_with_logs {
    my ($self, $why) = @_;
    Test::More::fail($why);
    for my $report (glob("$self->{dir}/log/{asan,ubsan}.*")) {
        Test::More::diag(substr(_slurp($report), 0, 3000));
    }
    Test::More::BAIL_OUT($why) if $ENV{POSTHORN_BAIL};
    die "$why\n";
}

# ---- configuration ---------------------------------------------------------

# The value of an option as this test's servers have it.
sub conf {
    my ($self, $section, $name) = @_;
    return $self->{all_conf}{$section}{$name};
}

sub _defaults {
    my ($self) = @_;
    my $d = $self->{dir};

    return {
        main => {
            run_dir => "$d/run",
        },
        log => {
            level => 'info',
        },
        directory => {
            listen          => ["unix:$d/run/directory.sock"],
            database        => "$d/directory/directory.db",
            state_dir       => "$d/directory",
            sasl_listen     => "unix:$d/run/sasl.sock",
            socketmap_listen => ["unix:$d/run/socketmap.sock"],
            postfix_transport => "lmtp:inet:127.0.0.1:$self->{ports}{lmtp}",
            postfix_group   => 'postfix',
            hash            => 'sha512',
            hash_cost       => 1000,
            auth_failure_delay => '0',
        },
        exmdb => {
            workers         => 2,
            socket          => "$d/run/exmdb.sock",
            directory       => "unix:$d/run/directory.sock",
            delivery        => "unix:$d/run/delivery.sock",
            mailbox_root    => "$d/mailboxes",
        },
        delivery => {
            listen          => "unix:$d/run/delivery.sock",
            lmtp_listen     => ["tcp:127.0.0.1:$self->{ports}{lmtp}"],
            directory       => "unix:$d/run/directory.sock",
            exmdb           => "unix:$d/run/exmdb.sock",
            queue_dir       => "$d/queue",
            relay           => $self->has('postfix')
                ? "127.0.0.1:$self->{ports}{smtp}"
                : "127.0.0.1:$self->{ports}{sink}",
        },
    };
}

# Options that the servers know, by section: a default for one that this
# version does not have is left out, a test's own is not.
sub _known {
    my ($self) = @_;
    my %known;
    for my $def (glob("$self->{source}/backend/lib/options/*.def")) {
        my $text = _slurp($def);
        $known{$1}{$2} = $3
            while $text =~ /PH_OPT\(\s*(\w+)\s*,\s*(\w+)\s*,\s*(\w+)/g;
    }
    return \%known;
}

sub write_conf {
    my ($self) = @_;
    my $known = $self->_known;
    my $all = $self->_defaults;

    for my $section (keys %$all) {
        for my $name (keys %{ $all->{$section} }) {
            delete $all->{$section}{$name} unless $known->{$section}{$name};
        }
    }
    for my $section (keys %{ $self->{conf} }) {
        $all->{$section}{$_} = $self->{conf}{$section}{$_}
            for keys %{ $self->{conf}{$section} };
    }
    $self->{all_conf} = $all;

    my $text = '';
    for my $section (sort keys %$all) {
        $text .= "$section {\n";
        for my $name (sort keys %{ $all->{$section} }) {
            my $value = $all->{$section}{$name};
            my $type = $known->{$section}{$name} // '';
            my $quoted;
            if (ref $value || $type eq 'LIST') {
                $quoted = '{' . join(', ', map { qq("$_") }
                    ref $value ? @$value : $value) . '}';
            } elsif ($type eq 'INT' || $type eq 'BOOL') {
                $quoted = $value;
            } else {
                $quoted = qq("$value");
            }
            $text .= "    $name = $quoted\n";
        }
        $text .= "}\n";
    }
    _spew($self->conf_file, $text);
}

# Sets options and writes the file; the servers see it after reload().
sub set_conf {
    my ($self, $section, %options) = @_;
    $self->{conf}{$section}{$_} = $options{$_} for keys %options;
    $self->write_conf;
}

sub certificate {
    my ($self) = @_;
    my ($cert, $key) = map { "$self->{dir}/etc/$_.pem" } qw(cert key);

    return ($cert, $key) if -f $cert;
    my $out = `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 \\
        -nodes -days 30 -subj /CN=localhost \\
        -addext "subjectAltName=DNS:localhost,DNS:$self->{domain},DNS:autodiscover.$self->{domain},IP:127.0.0.1" \\
        -keyout $key -out $cert 2>&1`;
    croak("openssl: $out") if $?;
    return ($cert, $key);
}

# conf/nginx.conf.in with this test's places.
sub write_nginx_conf {
    my ($self) = @_;
    my ($cert, $key) = $self->certificate;
    my $text = _slurp("$self->{source}/conf/nginx.conf.in");
    my %value = (
        PREFIX     => "$self->{dir}/nginx",
        HTTPS_PORT => $self->port('https'),
        HTTP_PORT  => $self->port('http'),
        LISTEN     => '127.0.0.1',
        HOST       => '127.0.0.1',
        DOMAIN     => $self->{domain},
        CERT       => $cert,
        KEY        => $key,
        RUN        => "$self->{dir}/run",
        LOG        => "$self->{dir}/log",
        MODULES    => "$self->{build}/nginx",
        USER       => scalar(getpwuid($>)),
        MAIL_AUTH_SECRET => 'secret-of-this-test',
        %{ $self->{nginx} },
    );
    my $edit = delete $value{edit};
    $text =~ s/\@([A-Z_]+)\@/$value{$1} \/\/ croak("nginx.conf.in: \@$1\@")/ge;
    $text = $edit->($text) if $edit;
    make_path(map { "$self->{dir}/nginx/$_" } qw(logs tmp));
    _spew("$self->{dir}/etc/nginx.conf", $text);
}

# A Postfix of its own: queue, ports and configuration below the test's folder.
sub write_postfix_conf {
    my ($self) = @_;
    my $dir = "$self->{dir}/mail";
    my $cmd = "$self->{source}/auto/postfix";

    make_path($dir);
    my $out = `sh $cmd --dir $dir --port $self->{ports}{smtp} \\
        --relay 127.0.0.1:$self->{ports}{sink} --domain $self->{domain} \\
        --lmtp $self->{ports}{lmtp} --run $self->{dir}/run --log $self->{dir}/log/postfix.log 2>&1`;
    croak("postfix configuration: $out") if $?;
}

# ---- phctl, users ----------------------------------------------------------

# Runs phctl; (exit code, output, errors).  A last argument \"text" is its input.
sub phctl {
    my ($self, @args) = @_;
    my $input = ref $args[-1] ? ${ pop @args } : '';
    my ($in, $out, $err) = map { File::Temp->new } 1 .. 3;

    print $in $input;
    $in->flush;
    my $pid = fork // croak("fork: $!");
    if ($pid == 0) {
        $self->{owner} = 0;
        %LIVE = ();
        open STDIN, '<', $in->filename;
        open STDOUT, '>', $out->filename;
        open STDERR, '>', $err->filename;
        $ENV{ASAN_OPTIONS} = $self->asan_options(1);
        my $program = $self->program('phctl');
        { no warnings 'exec'; exec $program, '-c', $self->conf_file, @args; }
        POSIX::_exit(127);
    }
    waitpid $pid, 0;
    my $status = $?;
    return ($status & 127 ? 128 + ($status & 127) : $status >> 8,
        _slurp($out->filename), _slurp($err->filename));
}

# The same, must succeed; gives the output.
sub phctl_ok {
    my ($self, @args) = @_;
    my ($rc, $out, $err) = $self->phctl(@args);
    if ($rc != 0) {
        $self->die_with_logs("phctl @{[ grep { !ref } @args ]}: "
            . "exit code $rc: $out$err");
    }
    return $out;
}

sub create_users {
    my ($self) = @_;

    $self->phctl_ok('domain', 'create', $self->{domain});
    my @mailbox = $self->has('exmdb') ? () : '--no-mailbox';
    for my $name (@{ $self->{users} }, 'admin') {
        $self->phctl_ok('user', 'create', $self->address($name), '--stdin',
            '--display-name', $name, @mailbox,
            ($name eq 'admin' ? '--admin' : ()),
            \($self->password($name) . "\n"));
    }
}

# ---- mail ------------------------------------------------------------------

# One message by SMTP or LMTP.  %opt: port (name), from, to => [..], data (lines
# end with LF or CRLF), lmtp => 1.  Gives the answers to the data: for LMTP one a
# recipient, refused ones included.
sub send_mail {
    my ($self, %opt) = @_;
    my $lmtp = $opt{lmtp} // ($opt{port} || 'lmtp') eq 'lmtp';
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', Proto => 'tcp',
        PeerPort => $self->port($opt{port} || 'lmtp'), Timeout => 20)
        or return ("421 cannot connect: $!");

    $s->autoflush(1);
    local $SIG{ALRM} = sub { die "no answer from the mail server\n" };
    my @answers = eval {
        alarm($opt{timeout} || 120);
        _expect($s, 220);
        _command($s, $lmtp ? 'LHLO test.invalid' : 'EHLO test.invalid', 250);
        _command($s, "MAIL FROM:<" . ($opt{from} // '') . ">"
            . ($opt{mail_args} ? " $opt{mail_args}" : ''), 250);
        my (@refused, $taken);
        for my $to (ref $opt{to} ? @{ $opt{to} } : $opt{to}) {
            my $answer = _command($s, "RCPT TO:<$to>");
            if ($answer =~ /^25/) { $taken++ } else { push @refused, $answer }
        }
        return @refused unless $taken;
        _command($s, 'DATA', 354);
        my $data = $opt{data};
        $data =~ s/\r?\n/\r\n/g;
        $data =~ s/^\./../mg;
        $data .= "\r\n" unless $data =~ /\r\n\z/;
        print $s $data, ".\r\n";
        my @a = map { _answer($s) } 1 .. ($lmtp ? $taken : 1);
        _command($s, 'QUIT');
        return (@refused, @a);
    };
    alarm 0;
    @answers = ("421 $@") if $@;
    chomp @answers;
    return wantarray ? @answers : $answers[0];
}

sub _answer {
    my ($s) = @_;
    my $all = '';
    while (defined(my $line = <$s>)) {
        $all .= $line;
        last if $line =~ /^\d{3} /;
    }
    die "connection closed\n" if $all eq '';
    return $all =~ s/\r//gr;
}

sub _command {
    my ($s, $command, $want) = @_;
    print $s "$command\r\n";
    return _expect($s, $want, $command);
}

sub _expect {
    my ($s, $want, $command) = @_;
    my $answer = _answer($s);
    die(($command // 'connect') . ": $answer")
        if $want && $answer !~ /^$want/;
    return $answer;
}

# Messages that the sink has taken: list of { from, to => [], data }.
sub sink_messages {
    my ($self) = @_;
    require Posthorn::Sink;
    return Posthorn::Sink::messages("$self->{dir}/sink");
}

# ---- measuring -------------------------------------------------------------

# Every process of all our servers: { name => [pids] }.
sub processes {
    my ($self) = @_;
    return { map { $_ => [$self->{pids}{$_}, $self->workers($_)] }
        grep { $_ ne 'sink' && $_ ne 'postfix' } keys %{ $self->{pids} } };
}

# Proportional set size of all of them, in bytes.
sub memory {
    my ($self) = @_;
    my $sum = 0;
    for my $pid (map { @$_ } values %{ $self->processes }) {
        $sum += $1 * 1024
            if _slurp("/proc/$pid/smaps_rollup") =~ /^Pss:\s+(\d+) kB/m;
    }
    return $sum;
}

# ---- small things ----------------------------------------------------------

sub _slurp {
    my ($path) = @_;
    open my $f, '<:raw', $path or return '';
    local $/;
    my $text = <$f>;
    return $text // '';
}

sub _spew {
    my ($path, $text) = @_;
    open my $f, '>:raw', "$path.new" or croak("$path: $!");
    print $f $text;
    close $f or croak("$path: $!");
    rename "$path.new", $path or croak("$path: $!");
}

sub DESTROY { }

1;
