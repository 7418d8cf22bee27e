#!/usr/bin/perl

# The main job: a mail arrives, Outlook's protocol reads it, an answer leaves.
# SMTP -> Postfix -> LMTP -> store -> MAPI over HTTPS -> submission -> Postfix ->
# a mail server that stands for the outside.

use strict;
use warnings;

use Encode ();
use MIME::Base64 ();
use Test::More;

use Posthorn::MAPI qw(PR EC);
use Posthorn::Test;

my $t = Posthorn::Test->new(
    servers => [qw(directory exmdb delivery sink postfix nginx)]);
$t->start;

sub mapi {
    my ($user) = @_;
    my $m = Posthorn::MAPI->new(url => $t->url, user => $t->address($user),
        password => $t->password($user));
    $m->connect;
    $m->logon;
    return $m;
}

# a property, or undef where it is missing
sub value {
    my ($v) = @_;
    return ref $v eq 'Posthorn::Codec::Missing' ? undef : $v;
}

# the message with this subject in a folder: [ { fid, mid } ], polled
sub find_message {
    my ($m, $folder, $subject, $seconds) = @_;
    return $t->wait_for("\"$subject\" in $folder", $seconds || 30, sub {
        my $h = $m->open_folder($folder);
        my ($row) = grep { (value($_->{PR_SUBJECT}) // '') eq $subject }
            $m->contents($h, [qw(PidTagMid PR_SUBJECT PR_MESSAGE_FLAGS
                PR_HASATTACH PR_MESSAGE_SIZE)]);
        $m->release($h);
        return $row;
    });
}

my $attachment = join '', map { chr($_ * 7 & 255) } 1 .. 100_000;
my $mime = Encode::encode('UTF-8', <<"END");
From: "Outside Person" <person\@outside.test>
To: Alice <alice\@example.test>
Cc: "Somebody Else" <else\@outside.test>
Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe_aus_der_Ferne?=
Date: Sat, 21 Nov 2026 10:11:12 +0100
Message-ID: <main-job-1\@outside.test>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="outer"

--outer
Content-Type: multipart/alternative; boundary="inner"

--inner
Content-Type: text/plain; charset=utf-8

Text with \x{e4}\x{f6}\x{fc} and \x{20ac}.
--inner
Content-Type: text/html; charset=utf-8

<html><body><p>Text with <b>\x{e4}\x{f6}\x{fc}</b> and &euro;.</p></body></html>
--inner--
--outer
Content-Type: application/octet-stream; name="data.bin"
Content-Disposition: attachment; filename="data.bin"
Content-Transfer-Encoding: base64

@{[ MIME::Base64::encode_base64($attachment) ]}
--outer--
END

# ---- 1. mail comes in --------------------------------------------------------

like($t->send_mail(port => 'smtp', from => 'person@outside.test',
    to => $t->address('alice'), data => $mime), qr/^250 /,
    'Postfix takes a message by SMTP');
like($t->send_mail(port => 'smtp', from => 'person@outside.test',
    to => $t->address('nobody'), data => $mime), qr/^5\d\d /,
    'and refuses an unknown recipient');
like($t->send_mail(port => 'lmtp', from => 'person@outside.test',
    to => $t->address('alice'),
    data => "From: person\@outside.test\nSubject: by LMTP\n\ndirect\n"),
    qr/^250 /, 'our LMTP port takes one');

# ---- 2. Autodiscover ---------------------------------------------------------

my $m = Posthorn::MAPI->new(url => $t->url, user => $t->address('alice'),
    password => $t->password('alice'));
my $xml = $m->discover;
my ($emsmdb) = $xml =~ m{<MailStore>.*?<ExternalUrl>([^<]+)</ExternalUrl>}s;
my ($nspi) = $xml =~ m{<AddressBook>.*?<ExternalUrl>([^<]+)</ExternalUrl>}s;
ok($emsmdb, 'Autodiscover names the mailbox URL') or diag($xml);
ok($nspi, 'and that of the address book');
like($m->{dn}, qr{^/o=}, 'and the DN');
my $port = $t->port('https');
my ($path) = ($emsmdb // '') =~ m{^https://[^/]+:$port(/.*)$};
ok($path, 'the URL leads here') or diag($emsmdb);
$m->{path} = $path =~ s/&amp;/&/gr if $path;

{
    my $wrong = Posthorn::MAPI->new(url => $t->url,
        user => $t->address('alice'), password => 'wrong');
    ok(!eval { $wrong->discover; 1 }, 'not with a wrong password');
    like($@, qr/HTTP 401/, 'which is a 401');
}

# ---- 3. reading --------------------------------------------------------------

my $connect = $m->connect;
is($connect->{error_code}, 0, 'Connect');
my $logon = $m->logon;
my @special = qw(ipm_subtree inbox outbox sent_items deleted_items
    common_views finder);
is(scalar(grep { $m->{folders}{$_} } @special), scalar @special,
    'Logon gives the special folders');

# the others by their properties
my $inbox = $m->open_folder('inbox');
for my $name (qw(PR_IPM_DRAFTS_ENTRYID PR_IPM_APPOINTMENT_ENTRYID
    PR_IPM_CONTACT_ENTRYID PR_IPM_TASK_ENTRYID PR_IPM_NOTE_ENTRYID
    PR_IPM_JOURNAL_ENTRYID))
{
    my $v = value($m->get($inbox, $name)->{$name});
    is(length($v // ''), 46, "$name on the Inbox");
}

my $row = find_message($m, 'inbox', "Gr\x{fc}\x{df}e aus der Ferne");
ok($row, 'the message from SMTP is in the Inbox');
ok(find_message($m, 'inbox', 'by LMTP'), 'and that from LMTP');
ok($row->{PR_HASATTACH}, 'the row says that it has attachments');
is($row->{PR_MESSAGE_FLAGS} & 1, 0, 'and that it is unread');
cmp_ok($row->{PR_MESSAGE_SIZE}, '>', 100_000, 'and its size');

my $message = $m->open_message($m->{folders}{inbox}, $row->{PidTagMid});
is($message->{ec}, 0, 'OpenMessage');
my $h = $message->{handle};
is($message->{info}{recipient_count}, 2, 'two recipients');

my $all = $m->rop('GetPropertiesAll', { property_size_limit => 0,
    want_unicode => 1 }, $h);
my %props = map { Posthorn::Codec::tag_name($_->[0]) => $_->[1] }
    @{ $all->{props} };
cmp_ok(scalar keys %props, '>', 40, scalar(keys %props) . ' properties');
is(value($props{PR_SENDER_SMTP_ADDRESS}
    // $m->get($h, 'PR_SENDER_EMAIL_ADDRESS')->{PR_SENDER_EMAIL_ADDRESS}),
    'person@outside.test', 'the sender');
is($props{PR_DISPLAY_TO}, 'Alice', 'display-to');
is($props{PR_DISPLAY_CC}, 'Somebody Else', 'display-cc');
is($props{PR_INTERNET_MESSAGE_ID}, '<main-job-1@outside.test>', 'message id');
is($props{PR_MESSAGE_CLASS}, 'IPM.Note', 'message class');

my $body = Encode::decode('UTF-16LE', $m->read_stream($h, PR('PR_BODY')));
like($body, qr/^Text with \x{e4}\x{f6}\x{fc} and \x{20ac}\./, 'the text');
like($m->read_stream($h, PR('PR_HTML')), qr/<b>.*<\/b>/s, 'the HTML');

my $recipients = $m->rop('ReadRecipients', { row_id => 0 }, $h);
is($recipients->{row_count}, 2, 'ReadRecipients');

my $table = $m->rop('GetAttachmentTable', { table_flags => 0 }, $h)->{handle};
my ($a) = $m->rows($table, qw(PR_ATTACH_NUM PR_ATTACH_LONG_FILENAME
    PR_ATTACH_SIZE PR_ATTACH_METHOD));
is($a->{PR_ATTACH_LONG_FILENAME}, 'data.bin', 'the attachment\'s name');
my $attach = $m->rop('OpenAttachment', { open_attachment_flags => 0,
    attachment_id => $a->{PR_ATTACH_NUM} }, $h)->{handle};
ok($m->read_stream($attach, PR('PR_ATTACH_DATA_BIN'), chunk => 30_000)
    eq $attachment, 'its bytes, streamed');
$m->release($attach, $table);

$m->rop('SetReadFlags', { want_asynchronous => 0, read_flags => 0,
    message_ids => [ $row->{PidTagMid} ] }, $inbox);
is(find_message($m, 'inbox', "Gr\x{fc}\x{df}e aus der Ferne")
    ->{PR_MESSAGE_FLAGS} & 1, 1, 'marked read');

my $archive = $m->create_folder($m->open_folder('ipm_subtree'), 'Archive');
$m->release($h);
$m->rop('MoveCopyMessages', { message_ids => [ $row->{PidTagMid} ],
    want_asynchronous => 0, want_copy => 0 }, [ $inbox, $archive->{handle} ]);
is(scalar(grep { $_->{PR_SUBJECT} eq "Gr\x{fc}\x{df}e aus der Ferne" }
    $m->contents($inbox, [qw(PR_SUBJECT)])), 0, 'moved out of the Inbox');
is(scalar($m->contents($archive->{handle}, [qw(PR_SUBJECT)])), 1,
    'into the other folder');

# ---- phctl shows it ------------------------------------------------------------

{
    my $pid = open(my $trace, '-|') // die $!;
    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT;
        exec $t->program('phctl'), '-c', $t->conf_file, 'trace',
            $t->address('alice'), '--count', 2, '--seconds', 60;
        exit 127;
    }
    my $line = <$trace> // '';
    like($line, qr/tracing alice/, 'phctl trace begins');
    $m->get($inbox, 'PR_DISPLAY_NAME');
    my $lines = join '', <$trace>;
    close $trace;
    like($lines, qr/-> GetPropertiesSpecific .*PR_DISPLAY_NAME/,
        'it shows a request, decoded');
    like($lines, qr/<- \[\d+ us\] GetPropertiesSpecific ecSuccess/,
        'and the answer');
    is($? >> 8, 0, 'and ends when it was told to');
    like($t->phctl_ok('top'), qr/alice\@example\.test/,
        'phctl top shows the session');
}

# ---- 5. a parked NotificationWait --------------------------------------------

my $bob = mapi('bob');
$bob->rop('RegisterNotification', { notification_types => 0x02,
    want_whole_store => 1, folder_id => 0, message_id => 0 }, $bob->{logon});
$bob->wait_start;
ok(!defined $bob->wait_finish(0.5), 'NotificationWait is parked');

# ---- 4. writing and sending --------------------------------------------------

my $draft = $m->rop('CreateMessage', { cpid => 0xFFF,
    folder_id => $m->{folders}{outbox}, associated_flag => 0 },
    $m->{logon})->{handle};
$m->set($draft, PR_MESSAGE_CLASS => 'IPM.Note', PR_SUBJECT => 'An answer',
    PR_BODY => "Dear all,\r\nhere it is: \x{20ac} 5.\r\n");
$m->recipients($draft, [ 1, 'Bob', $t->address('bob') ],
    [ 1, 'Outside Person', 'person@outside.test' ]);
my $new = $m->rop('CreateAttachment', {}, $draft);
$m->set($new->{handle}, PR_ATTACH_LONG_FILENAME => 'answer.bin',
    PR_ATTACH_METHOD => 1, PR_RENDERING_POSITION => 0xFFFFFFFF);
$m->write_stream($new->{handle}, PR('PR_ATTACH_DATA_BIN'), $attachment);
$m->rop('SaveChangesAttachment', { save_flags => 0 }, $new->{handle});
$m->rop('SaveChangesMessage', { save_flags => 0x0A }, $draft);
$m->rop('SubmitMessage', { submit_flags => 0 }, $draft);

my $got = find_message($bob, 'inbox', 'An answer', 40);
ok($got, 'bob has it in his Inbox');
ok($bob->wait_finish(20), 'his NotificationWait wakes');
ok((grep { $_->{name} eq 'Notify' } $bob->poll), 'with a notification');
ok(find_message($m, 'sent_items', 'An answer'), 'it is in alice\'s Sent Items');
is(scalar($m->contents($m->open_folder('outbox'), [qw(PR_SUBJECT)])), 0,
    'and not in the Outbox any more');

my $bh = $bob->open_message($bob->{folders}{inbox}, $got->{PidTagMid});
is($bh->{ec}, 0, 'bob opens it');
my $bt = $bob->rop('GetAttachmentTable', { table_flags => 0 },
    $bh->{handle})->{handle};
my ($ba) = $bob->rows($bt, qw(PR_ATTACH_NUM PR_ATTACH_LONG_FILENAME));
is($ba->{PR_ATTACH_LONG_FILENAME}, 'answer.bin', 'with the attachment');
my $bah = $bob->rop('OpenAttachment', { open_attachment_flags => 0,
    attachment_id => $ba->{PR_ATTACH_NUM} }, $bh->{handle})->{handle};
ok($bob->read_stream($bah, PR('PR_ATTACH_DATA_BIN'), chunk => 30_000)
    eq $attachment, 'byte for byte');

my $out = $t->wait_for('the outside has the message', 40, sub {
    my ($x) = grep { $_->{data} =~ /^Subject: An answer/m }
        $t->sink_messages;
    return $x;
});
is_deeply($out->{to}, ['person@outside.test'], 'its outside recipient only');
is($out->{from}, $t->address('alice'), 'the envelope sender');
like($out->{data}, qr/^To: .*bob\@example\.test/m, 'all recipients in To');
like($out->{data}, qr/answer\.bin/, 'with the attachment');
like($out->{data}, qr/^Received: .*Postfix/ms, 'it went through Postfix');

# ---- afterwards --------------------------------------------------------------

is($m->disconnect->{error_code} // 0, 0, 'Disconnect');
my ($rc, $text, $err) = $t->phctl('check-store', '--all');
is($rc, 0, 'nothing is wrong with the stores') or diag("$text$err");

$t->stop;
done_testing();
