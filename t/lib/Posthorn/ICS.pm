package Posthorn::ICS;

# A client's side of incremental change synchronization (MS-OXCFXICS).
#
#   my $r = sync($mapi, $folder_handle, contents => 1, state => $state, ...);
#   $r->{changes}   [ { head => {}, props => {}, recipients, attachments } ]
#   $r->{deleted} $r->{nolonger} $r->{read} $r->{unread}   [ [ lo, hi ], ... ]
#   $r->{state}     { given, seen, fai, read }: bytes, for the next time

use strict;
use warnings;

use Carp qw(croak);
use Exporter qw(import);

use Posthorn::Codec qw(PR);
use Posthorn::FX qw(elements fx_read);

our @EXPORT_OK = qw(sync configure collector upload_state transfer_state
    idset_decode idset_encode gid xid version in_ranges counter);

my %STATE = (given => 0x40170003, seen => 0x67960102, fai => 0x67DA0102,
    read => 0x67D20102);

# ---- ids ----

sub counter { my $id = shift; return unpack('Q>', "\0\0" . substr(pack('Q<',
    $id), 2)) }
sub _glob { return substr(pack('Q>', $_[0]), 2) }
sub _num { return unpack('Q>', "\0\0$_[0]") }

# the PR_SOURCE_KEY of an eid
sub gid { my ($m, $eid) = @_; return $m->{logon_response}{mailbox_guid}
    . substr(pack('Q<', $eid), 2) }

# a change key of nobody else
my $next = 0;
sub xid { my $guid = shift || pack('a16', "client $$"); return $guid
    . pack('N', ++$next) }

# { key (GUID or replid) => [ [ lo, hi ], ... ] }
sub idset_decode {
    my ($data, $by_guid) = @_;
    my ($pos, %set) = (0);
    my $take = sub { my $n = shift; croak('id set ends') if $pos + $n
        > length $data; $pos += $n; return substr($data, $pos - $n, $n) };
    while ($pos < length $data) {
        my $key = $by_guid ? $take->(16) : unpack('v', $take->(2));
        my (@stack, @r);
        while ((my $c = ord $take->(1)) != 0) {
            my $common = join '', @stack;
            if ($c <= 6) {
                my $v = $common . (my $push = $take->($c));
                croak('seven bytes') if length $v > 6;
                if (length $v == 6) {
                    push @r, [ _num($v), _num($v) ];
                } else {
                    push @stack, $push;
                }
            } elsif ($c == 0x50) {
                croak('pop of nothing') unless @stack;
                pop @stack;
            } elsif ($c == 0x52) {
                my $n = 6 - length $common;
                my $lo = _num($common . $take->($n));
                push @r, [ $lo, _num($common . $take->($n)) ];
            } elsif ($c == 0x42) {
                croak('mask') if length $common != 5;
                my $v = _num($common . $take->(1));
                my $mask = ord $take->(1);
                push @r, [ $v, $v ], map { [ $v + 1 + $_, $v + 1 + $_ ] }
                    grep { $mask >> $_ & 1 } 0 .. 7;
            } else {
                croak(sprintf 'command %02X', $c);
            }
        }
        croak('end with bytes on the stack') if @stack;
        my @all;
        for my $r (@r) {
            croak('not in order') if @all && $r->[0] <= $all[-1][1];
            if (@all && $r->[0] == $all[-1][1] + 1) {
                $all[-1][1] = $r->[1];
            } else {
                push @all, [ @$r ];
            }
        }
        push @{ $set{$key} }, @all;
    }
    return \%set;
}

sub idset_encode {
    my ($key, @ranges) = @_;
    return $key . join('', map { "\x52" . _glob($_->[0]) . _glob($_->[1]) }
        @ranges) . "\0";
}

sub in_ranges {
    my ($n, $ranges) = @_;
    return scalar grep { $n >= $_->[0] && $n <= $_->[1] } @{ $ranges || [] };
}

# ---- downloads ----

sub upload_state {
    my ($m, $h, $state) = @_;
    for my $name (qw(given seen fai read)) {
        my $v = ($state || {})->{$name};
        next unless defined $v;
        $m->rop('SynchronizationUploadStateStreamBegin',
            { state_property => $STATE{$name},
              transfer_buffer_size => length $v }, $h);
        # in two pieces
        my $half = int(length($v) / 2);
        $m->rop('SynchronizationUploadStateStreamContinue', { data => $_ },
            $h) for substr($v, 0, $half), substr($v, $half);
        $m->rop('SynchronizationUploadStateStreamEnd', {}, $h);
    }
}

# the handle of a download
sub configure {
    my ($m, $h, %o) = @_;
    my $contents = $o{contents} // 1;
    my $flags = $o{flags} // ($contents ? 0x39 : 0x01);
    my $x = $m->rop('SynchronizationConfigure', {
        synchronization_type => $contents ? 1 : 2,
        send_options => $o{send} // ($flags & 1),
        synchronization_flags => $flags,
        restriction => $o{restriction},
        synchronization_extra_flags => $o{extra} // 7,
        tags => $o{tags} || [] }, $h)->{handle};
    upload_state($m, $x, $o{state});
    return $x;
}

sub _parse {
    my @e = elements($_[0]);
    my %r = (changes => [], state => {}, folders => []);
    my ($in, $change, $to) = ('');
    my %open = (INCRSYNCDEL => 'del', INCRSYNCREAD => 'readstate',
        INCRSYNCSTATEBEGIN => 'state', INCRSYNCPROGRESSMODE => 'total',
        INCRSYNCPROGRESSPERMSG => 'per');
    for my $e (@e) {
        croak('something behind the end') if $r{ended};
        if (my $k = $e->{marker}) {
            if ($k eq 'INCRSYNCCHG' || $k eq 'INCRSYNCCHGPARTIAL') {
                $change = { head => {}, order => [], props => {}, groups => {},
                    recipients => [], attachments => 0, depth => 0,
                    partial => $k ne 'INCRSYNCCHG',
                    group_id => $r{group_id}, progress => delete $r{per} };
                push @{ $r{changes} }, $change;
                ($in, $to) = ('change', $change->{head});
            } elsif ($k eq 'INCRSYNCMESSAGE') {
                $to = $change->{props};
                $change->{full} = 1;
            } elsif ($k eq 'INCRSYNCEND') {
                $r{ended} = 1;
            } elsif ($k eq 'INCRSYNCSTATEEND') {
                $in = '';
            } elsif ($k eq 'INCRSYNCGROUPINFO') {
                $in = 'group';
            } elsif ($open{$k}) {
                $in = $open{$k};
                $change = undef;
            } elsif ($k eq 'STARTRECIP') {
                push @{ $change->{recipients} }, $to = {};
            } elsif ($k eq 'NEWATTACH') {
                $change->{attachments}++ unless $change->{depth};
                $change->{depth}++;
                $to = {};
            } elsif ($k eq 'ENDATTACH') {
                $change->{depth}--;
                $to = {};
            } elsif ($k eq 'STARTEMBED' || $k eq 'ENDEMBED'
                || $k eq 'ENDTORECIP')
            {
                $to = {};
            } else {
                croak("$k in a synchronization");
            }
            next;
        }
        my ($tag, $v) = @$e{qw(tag value)};
        my %del = (0x67E50102 => 'deleted', 0x40210102 => 'nolonger',
            0x402D0102 => 'read', 0x402E0102 => 'unread');
        if ($in eq 'del' || $in eq 'readstate') {
            my $name = $del{$tag} or croak(sprintf 'deletion %08X', $tag);
            my $set = idset_decode($v, 0);
            croak('replicas') if join(',', keys %$set) ne '1';
            $r{$name} = $set->{1};
        } elsif ($in eq 'state') {
            my %tag = (%STATE, given => 0x40170102);
            my ($name) = grep { $tag{$_} == $tag
                || $STATE{$_} == $tag } keys %tag;
            croak(sprintf 'state %08X', $tag) unless $name;
            $r{state}{$name} = $v;
        } elsif ($in eq 'total') {
            $r{total} = $v;
        } elsif ($in eq 'per') {
            push @{ $r{per} }, $v;
        } elsif ($in eq 'group') {
            $r{group_id} = $v if $tag == 0x407C0003;
            $r{groups} = $v if $tag == 0x00000102;
        } elsif ($tag == 0x407A0003) {
            $change->{groups}{$v} = $to = {};
            $change->{props}{$_} = $to->{$_} for keys %$to;
        } elsif ($tag == PR('MetaTagFXDelProp')) {
            push @{ $change->{del} }, $v;
        } else {
            croak(sprintf 'property %08X outside', $tag) unless $change;
            my $key = $e->{name} ? join(':', unpack('H*', $e->{name}[0]),
                $e->{name}[1]) : $tag;
            croak(sprintf '%08X twice', $tag) if exists $to->{$key}
                && $to == $change->{props};
            $to->{$key} = $v;
            push @{ $change->{order} }, $tag if $to == $change->{head};
        }
    }
    return \%r;
}

sub sync {
    my ($m, $h, %o) = @_;
    my $x = configure($m, $h, %o);
    my $bytes = fx_read($m, $x, %{ $o{read} || {} });
    my $r = _parse($bytes);
    croak('no IncrSyncEnd') unless $r->{ended};
    $r->{bytes} = $bytes;
    if ($o{keep}) {
        $r->{handle} = $x;
    } else {
        $m->release($x);
    }
    return $r;
}

# ---- uploads ----

sub collector {
    my ($m, $h, $contents, $state) = @_;
    my $x = $m->rop('SynchronizationOpenCollector',
        { is_contents_collector => $contents }, $h)->{handle};
    upload_state($m, $x, $state);
    return $x;
}

# the state of a context, as { given, seen, ... }
sub transfer_state {
    my ($m, $x) = @_;
    my $h = $m->rop('SynchronizationGetTransferState', {}, $x)->{handle};
    my $r = _parse(fx_read($m, $h));
    $m->release($h);
    return $r->{state};
}

# the four header values of ImportMessageChange
sub version {
    my ($key, $ck, $time, @others) = @_;
    my %xid = map { substr($_, 0, 16) => $_ } @others, $ck;
    my $pcl = join '', map { pack('C', length $xid{$_}) . $xid{$_} }
        sort keys %xid;
    return ([ PR('PR_SOURCE_KEY'), $key ],
        [ PR('PR_LAST_MODIFICATION_TIME'), $time
            || (time + 11644473600) * 10000000 ],
        [ PR('PR_CHANGE_KEY'), $ck ],
        [ PR('PR_PREDECESSOR_CHANGE_LIST'), $pcl ]);
}

1;
