package Posthorn::MAPI;

# A MAPI/HTTP client for tests.
#
#   my $m = Posthorn::MAPI->new(url => $t->url, user => 'alice@example.test',
#                               password => 'password-alice');
#   $m->connect;
#   my $logon = $m->logon;                        # folder ids: $m->{folders}
#   my $r = $m->rop('OpenFolder', { folder_id => $m->{folders}{inbox} },
#                   $m->{logon});                 # dies when it fails
#   my $r = $m->try('OpenFolder', ...);           # look at $r->{ec}
#   my @r = $m->batch([ 'OpenFolder', { ... }, $h ],
#                     [ 'GetContentsTable', { table_flags => 0 }, \0 ]);
#
# Notifications that came with answers are in @{ $m->{notifications} }.

use strict;
use warnings;

use Carp qw(croak);
use Exporter qw(import);
use Posthorn::Codec qw(PR EC ec_name tag_name eid filetime);
use Posthorn::HTTP;
use Posthorn::ROP;

our @EXPORT_OK = qw(PR EC ec_name tag_name eid filetime);

our @FOLDERS = qw(root deferred_action spooler_queue ipm_subtree inbox outbox
    sent_items deleted_items common_views schedule finder views shortcuts);

my $HTTP_CODEC;

sub new {
    my ($class, %o) = @_;
    $HTTP_CODEC ||= Posthorn::Codec->new('mapihttp');
    my $self = bless {
        url => $o{url}, user => $o{user}, password => $o{password},
        dn => $o{dn}, cookies => {}, columns => {}, notifications => [],
        timeout => $o{timeout} || 30, request => 0, cpid => $o{cpid} || 1252,
        id => sprintf('{%08X-0000-4000-8000-%012X}', rand(2**32), $$),
        path => $o{path} || '/mapi/emsmdb/?MailboxId=' . $o{user},
        execute_flags => 3,
    }, $class;
    $self->{http} = $self->_http;
    return $self;
}

sub _http {
    my $self = shift;
    return Posthorn::HTTP->new(url => $self->{url}, user => $self->{user},
        password => $self->{password}, timeout => $self->{timeout});
}

# the legacy DN, by Autodiscover
sub discover {
    my $self = shift;
    my $xml = '<?xml version="1.0"?><Autodiscover xmlns="http://schemas.'
        . 'microsoft.com/exchange/autodiscover/outlook/requestschema/2006">'
        . "<Request><EMailAddress>$self->{user}</EMailAddress>"
        . '<AcceptableResponseSchema>http://schemas.microsoft.com/exchange/'
        . 'autodiscover/outlook/responseschema/2006a'
        . '</AcceptableResponseSchema></Request></Autodiscover>';
    my $r = $self->{http}->request('POST', '/autodiscover/autodiscover.xml',
        { 'Content-Type' => 'text/xml', 'X-MapiHttpCapability' => 1 }, $xml);
    croak("autodiscover: HTTP $r->{status}") if $r->{status} != 200;
    ($self->{dn}) = $r->{body} =~ m{<LegacyDN>([^<]+)</LegacyDN>}
        or croak('autodiscover: no LegacyDN');
    return $r->{body};
}

# ---- HTTP ----

sub headers {
    my ($self, $type) = @_;
    my %h = (
        'Content-Type' => 'application/mapi-http',
        'X-RequestType' => $type,
        'X-RequestId' => "$self->{id}:" . ++$self->{request},
        'X-ClientInfo' => "$self->{id}:1",
        'X-ClientApplication' => 'Outlook/16.0.10730.20000',
    );
    $h{Cookie} = join '; ', map { "$_=$self->{cookies}{$_}" }
        sort keys %{ $self->{cookies} } if %{ $self->{cookies} };
    return \%h;
}

# { code, body, headers, http } of an answer; takes its cookies
sub answer {
    my ($self, $r) = @_;
    for my $c (@{ $r->{headers}{'set-cookie'} || [] }) {
        $self->{cookies}{$1} = $2 if $c =~ /^([^=;\s]+)=([^;]*)/;
    }
    my %a = (http => $r, status => $r->{status},
             code => $r->{headers}{'x-responsecode'}[0]);
    return \%a if $r->{status} != 200 || !defined $a{code} || $a{code} != 0;
    my $end = index($r->{body}, "\r\n\r\n");
    croak('answer without its header lines') if $end < 0;
    my ($first, @lines) = split /\r\n/, substr($r->{body}, 0, $end);
    croak("answer begins with $first") if $first ne 'PROCESSING';
    shift @lines while @lines && $lines[0] eq 'PENDING';
    croak('answer without DONE') if !@lines || shift(@lines) ne 'DONE';
    my %late = map { /^([^:]+):\s*(.*)$/ ? (lc $1, $2) : () } @lines;
    $a{code} = $late{'x-responsecode'} if defined $late{'x-responsecode'};
    $a{body} = substr($r->{body}, $end + 4);
    return \%a;
}

sub post {
    my ($self, $type, $body) = @_;
    my $r = $self->{http}->request('POST', $self->{path},
        $self->headers($type), $body);
    return $self->answer($r);
}

sub _body {
    my ($self, $what, $a) = @_;
    croak("$what: HTTP $a->{status}") if $a->{status} != 200;
    croak("$what: X-ResponseCode " . (defined $a->{code} ? $a->{code} : '-'))
        if !defined $a->{code} || $a->{code} != 0;
    return $a->{body};
}

sub connect {
    my ($self, %o) = @_;
    $self->discover if !defined $self->{dn} && !defined $o{dn};
    my $a = $self->post('Connect', $HTTP_CODEC->encode('connect_request', {
        user_dn => defined $o{dn} ? $o{dn} : $self->{dn},
        flags => $o{flags} || 0, default_code_page => $self->{cpid},
        lcid_sort => 1033, lcid_string => 1033 }));
    my $body = $self->_body('Connect', $a);
    my $status = unpack('V', $body);
    croak("Connect: StatusCode $status") if $status;
    my $r = $HTTP_CODEC->decode('connect_response', \$body);
    croak('Connect: ' . ec_name($r->{error_code}))
        if $r->{error_code} && !$o{may_fail};
    return $r;
}

sub disconnect {
    my $self = shift;
    my $body = $self->_body('Disconnect', $self->post('Disconnect',
        $HTTP_CODEC->encode('disconnect_request', {})));
    $self->{cookies} = {};
    return $HTTP_CODEC->decode('disconnect_response', \$body);
}

sub ping { return $_[0]->post('PING', '') }

# Execute of a ready ROP buffer; { error_code, rop_buffer, ... }
sub execute_raw {
    my ($self, $buffer, %o) = @_;
    my $a = $self->post('Execute', $HTTP_CODEC->encode('execute_request', {
        flags => defined $o{flags} ? $o{flags} : $self->{execute_flags},
        rop_buffer => $buffer,
        max_rop_out => $o{max_rop_out} || 0x10008 }));
    my $body = $self->_body('Execute', $a);
    return $HTTP_CODEC->decode('execute_response', \$body);
}

# NotificationWait on a connection of its own
sub wait_start {
    my $self = shift;
    $self->{waiter} ||= $self->_http;
    $self->{waiter}->start('POST', $self->{path},
        $self->headers('NotificationWait'),
        $HTTP_CODEC->encode('notification_wait_request', {}));
}

# whether events are pending; undef while the answer is not there
sub wait_finish {
    my ($self, $seconds) = @_;
    my $r = $self->{waiter}->finish($seconds);
    return undef unless $r;
    my $body = $self->_body('NotificationWait', $self->answer($r));
    my $v = $HTTP_CODEC->decode('notification_wait_response', \$body);
    croak('NotificationWait: ' . ec_name($v->{error_code}))
        if $v->{error_code};
    return $v->{event_pending};
}

# ---- ROPs ----

# Each argument: [ name, fields, handle, options ]; see Posthorn::ROP::add.
# Responses in the order of the requests (Release has none).
sub batch {
    my ($self, @reqs) = @_;
    my %o = ref $reqs[0] eq 'HASH' ? %{ shift @reqs } : ();
    my $b = Posthorn::ROP->new(columns => $self->{columns},
        cpid => $self->{cpid}, public_logon => $self->{public_logon});
    $b->{recipient_columns} = $self->{recipient_columns} ||= {};
    $b->add($_->[0], $_->[1], $_->[2], %{ $_->[3] || {} }) for @reqs;
    my $r = $self->execute_raw(Posthorn::ROP::wrap($b->payload), %o);
    $self->{last_ec} = $r->{error_code};
    croak('Execute: ' . ec_name($r->{error_code})) if $r->{error_code};
    my @parts = Posthorn::ROP::unwrap($r->{rop_buffer});
    my @out;
    for my $v ($b->parse($parts[0])) {
        if ($v->{name} eq 'Notify' || $v->{name} eq 'Pending') {
            my $cols = $self->{columns}{ $v->{notification_handle} || 0 };
            if ($cols && defined $v->{row} && length $v->{row}) {
                my ($bytes, $at) = ($v->{row}, 0);
                $v->{row} = Posthorn::Codec::get_row($cols,
                    { cpid => $self->{cpid} }, \$bytes, \$at);
            }
            push @{ $self->{notifications} }, $v;
            next;
        }
        $self->{recipient_columns}{ $v->{handle} } =
            ($v->{info} || {})->{recipient_columns}
            if defined $v->{handle} && $v->{info};
        push @out, $v;
    }
    $self->{parts} = \@parts;
    return @out;
}

sub try {
    my ($self, $name, $fields, $handle, %o) = @_;
    my ($r) = $self->batch([ $name, $fields || {}, $handle, \%o ]);
    return $r;
}

sub rop {
    my ($self, @args) = @_;
    my $r = $self->try(@args);
    croak("$args[0]: " . ec_name($r->{ec}))
        if $r && $r->{ec} && ($r->{ec} >> 16) != 4;
    return $r;
}

sub release {
    my ($self, @handles) = @_;
    $self->batch(map { [ 'Release', {}, $_ ] } @handles);
    delete $self->{columns}{$_} for @handles;
}

# Collects queued notifications: an Execute without ROPs.
sub poll {
    my $self = shift;
    $self->batch();
    return splice @{ $self->{notifications} };
}

sub logon {
    my ($self, %o) = @_;
    my $dn = defined $o{dn} ? $o{dn} : $self->{dn};
    my $r = $self->rop('Logon', {
        logon_flags => defined $o{logon_flags} ? $o{logon_flags} : 1,
        open_flags => defined $o{open_flags} ? $o{open_flags} : 0x01000004,
        essdn => "$dn\0" });
    $self->{logon} = $r->{handle};
    @{ $self->{folders} }{@FOLDERS} = @{ $r->{folder_ids} };
    $self->{logon_response} = $r;
    return $r;
}

# ---- helpers ----

# [ [ tag, value ], ... ] of a hash of names
sub props {
    my (%p) = @_;
    return [ map { [ PR($_), $p{$_} ] } sort keys %p ];
}

# { name => value } of some properties; missing ones are false objects
sub get {
    my ($self, $h, @tags) = @_;
    my $r = $self->rop('GetPropertiesSpecific',
        { want_unicode => 1, tags => \@tags }, $h);
    my %v;
    @v{@tags} = @{ $r->{row} };
    return \%v;
}

# dies on any problem
sub set {
    my ($self, $h, %p) = @_;
    my $r = $self->rop('SetProperties', { props => { v => props(%p) } }, $h);
    my ($bad) = @{ $r->{problems} };
    croak('SetProperties: ' . tag_name($bad->{tag}) . ' '
        . ec_name($bad->{error})) if $bad;
    return $r;
}

sub open_folder {
    my ($self, $fid) = @_;
    $fid = $self->{folders}{$fid} if exists $self->{folders}{$fid};
    return $self->rop('OpenFolder', { folder_id => $fid },
        $self->{logon})->{handle};
}

sub create_folder {
    my ($self, $parent, $name, %o) = @_;
    return $self->rop('CreateFolder', { folder_type => 1, use_unicode => 1,
        display_name => $name, comment => '', %o }, $parent);
}

# all rows of a table as hashes { name => value }
sub rows {
    my ($self, $table, @tags) = @_;
    $self->rop('SetColumns', { tags => \@tags }, $table) if @tags;
    my @names = map { tag_name($_) } @{ $self->{columns}{$table} };
    my @rows;
    while (1) {
        my $r = $self->rop('QueryRows', { forward_read => 1,
            row_count => 1000 }, $table);
        last unless $r->{row_count};
        for my $row (@{ $r->{rows} }) {
            my %v;
            @v{@names} = @$row;
            push @rows, \%v;
        }
    }
    return @rows;
}

# rows of a folder's contents table, which is released again
sub contents {
    my ($self, $folder, $tags, %o) = @_;
    my $t = $self->rop('GetContentsTable',
        { table_flags => $o{associated} ? 2 : 0 }, $folder)->{handle};
    my @rows = $self->rows($t, @$tags);
    $self->release($t);
    return @rows;
}

# A message in a folder, saved: { handle, message_id }.  $o{recipients}: list of
# [ type, name, address ].
sub create_message {
    my ($self, $fid, $props, %o) = @_;
    my $h = $self->rop('CreateMessage', { cpid => 0xFFF, folder_id => $fid,
        associated_flag => $o{associated} || 0 }, $self->{logon})->{handle};
    $self->set($h, %$props) if %$props;
    $self->recipients($h, @{ $o{recipients} }) if $o{recipients};
    my $s = $self->rop('SaveChangesMessage', { save_flags => 2 }, $h);
    return { handle => $h, message_id => $s->{message_id} };
}

sub recipients {
    my ($self, $h, @list) = @_;
    my $id = 0;
    return $self->rop('ModifyRecipients', { columns => [], rows => [
        map { { row_id => $id++, recipient_type => $_->[0],
                row => Posthorn::Codec::smtp_recipient_row($_->[1],
                    $_->[2]) } } @list ] }, $h);
}

sub open_message {
    my ($self, $fid, $mid, $mode) = @_;
    $fid = $self->{folders}{$fid} if exists $self->{folders}{$fid};
    return $self->rop('OpenMessage', { cpid => 0xFFF, folder_id => $fid,
        open_mode_flags => $mode || 0, message_id => $mid }, $self->{logon});
}

# the whole content of a property, by a stream
sub read_stream {
    my ($self, $h, $tag, %o) = @_;
    my $s = $self->rop('OpenStream', { tag => $tag, open_mode_flags => 0 },
        $h);
    my $data = '';
    while (1) {
        my $r = $self->rop('ReadStream', { byte_count => $o{chunk} || 8192 },
            $s->{handle});
        last if $r->{data} eq '';
        $data .= $r->{data};
    }
    $self->release($s->{handle});
    return $data;
}

sub write_stream {
    my ($self, $h, $tag, $data, %o) = @_;
    my $s = $self->rop('OpenStream', { tag => $tag, open_mode_flags => 2 },
        $h)->{handle};
    my $chunk = $o{chunk} || 16384;
    for (my $at = 0; $at < length $data; $at += $chunk) {
        $self->rop('WriteStream', { data => substr($data, $at, $chunk) }, $s);
    }
    $self->rop('CommitStream', {}, $s);
    $self->release($s);
}

sub DESTROY { }

1;
