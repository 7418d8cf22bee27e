package Posthorn::Sink;

# An SMTP server that takes every message and writes it to a folder, for tests
# and for the demo: what it holds has left the server for the outside.
#
#     perl -It/lib -MPosthorn::Sink -e 'Posthorn::Sink::run(@ARGV)' PORT FOLDER
#
# A message becomes FOLDER/N.eml (written as N.tmp, renamed when it is whole),
# with the envelope as X-Sink-From and X-Sink-To lines in front.  Recipients tell
# what is to happen by their names: refuse...@ is refused with 550, defer...@
# with 451.

use strict;
use warnings;

use IO::Socket::INET;
use POSIX ":sys_wait_h";

sub run {
    my ($port, $folder) = @_;

    my $server = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 64,
        ReuseAddr => 1, Proto => 'tcp')
        or die "smtp sink: cannot listen on port $port: $!\n";

    $SIG{CHLD} = sub { 1 while waitpid(-1, WNOHANG) > 0 };
    $SIG{TERM} = sub { exit 0 };

    mkdir $folder;
    my $n = 0;

    while (1) {
        my $client = $server->accept or next;
        $n++;
        my $pid = fork;
        if (!defined $pid || $pid) {
            close $client;
            next;
        }
        close $server;
        $SIG{CHLD} = 'DEFAULT';
        eval { session($client, $folder, $n) };
        exit 0;
    }
}

sub session {
    my ($s, $folder, $n) = @_;
    my ($from, @to);
    my $messages = 0;

    binmode $s;
    $s->autoflush(1);
    local $SIG{ALRM} = sub { die "timeout\n" };
    alarm 300;

    print $s "220 sink.invalid ESMTP\r\n";

    while (defined(my $line = <$s>)) {
        $line =~ s/\r?\n\z//;

        if ($line =~ /^EHLO/i) {
            print $s "250-sink.invalid\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
                . "250-PIPELINING\r\n250-SIZE 100000000\r\n250-DSN\r\n"
                . "250 ENHANCEDSTATUSCODES\r\n";
        } elsif ($line =~ /^HELO/i) {
            print $s "250 sink.invalid\r\n";
        } elsif ($line =~ /^MAIL FROM:\s*<(.*?)>/i) {
            ($from, @to) = ($1);
            print $s "250 2.1.0 ok\r\n";
        } elsif ($line =~ /^RCPT TO:\s*<(.*?)>/i) {
            my $rcpt = $1;
            if ($rcpt =~ /^refuse/i) {
                print $s "550 5.1.1 no such user\r\n";
            } elsif ($rcpt =~ /^defer/i) {
                print $s "451 4.2.0 come again\r\n";
            } else {
                push @to, $rcpt;
                print $s "250 2.1.5 ok\r\n";
            }
        } elsif ($line =~ /^DATA/i) {
            if (!@to) {
                print $s "554 5.5.1 no valid recipients\r\n";
                next;
            }
            print $s "354 go ahead\r\n";
            $messages++;
            my $name = "$folder/$n-$$-$messages";
            open my $f, '>:raw', "$name.tmp" or die "$name: $!";
            print $f "X-Sink-From: <$from>\r\n";
            print $f "X-Sink-To: <$_>\r\n" for @to;
            while (defined($line = <$s>)) {
                last if $line =~ /^\.\r?\n\z/;
                $line =~ s/^\.//;
                print $f $line;
            }
            close $f;
            rename "$name.tmp", "$name.eml";
            print $s "250 2.0.0 taken\r\n";
            ($from, @to) = ();
        } elsif ($line =~ /^RSET/i) {
            ($from, @to) = ();
            print $s "250 2.0.0 ok\r\n";
        } elsif ($line =~ /^NOOP/i) {
            print $s "250 2.0.0 ok\r\n";
        } elsif ($line =~ /^QUIT/i) {
            print $s "221 2.0.0 bye\r\n";
            return;
        } else {
            print $s "502 5.5.1 unknown command\r\n";
        }
    }
}

# The messages that are there: list of { from, to => [], data }.
sub messages {
    my ($folder) = @_;
    my @all;

    for my $name (sort glob("$folder/*.eml")) {
        open my $f, '<:raw', $name or next;
        local $/;
        my $data = <$f>;
        my ($from) = $data =~ /^X-Sink-From: <(.*?)>/m;
        my @to = $data =~ /^X-Sink-To: <(.*?)>/mg;
        $data =~ s/^(?:X-Sink-(?:From|To): <.*?>\r\n)+//;
        push @all, { from => $from, to => \@to, data => $data };
    }
    return @all;
}

1;
