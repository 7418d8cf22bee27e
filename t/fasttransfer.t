#!/usr/bin/perl

# FastTransfer end to end: folders, messages and attachments of one user are
# read with RopFastTransferSource... and written to another user's mailbox, in
# buffers of every size, and compared property by property.

use strict;
use warnings;
use utf8;

use Encode ();
use Test::More;

use Posthorn::Codec qw(tag_name);
use Posthorn::FX qw(fx_source fx_read fx_read_packed fx_write fx_dest elements
    encode atoms tree);
use Posthorn::MAPI qw(PR EC ec_name eid);
use Posthorn::Test;

# one worker: a logon to another's mailbox is where that mailbox is
my $t = Posthorn::Test->new(servers => [qw(directory exmdb nginx)],
    conf => { exmdb => { workers => 1 } });
$t->start;

sub client {
    my ($user) = @_;
    my $m = Posthorn::MAPI->new(url => $t->url, user => $t->address($user),
        password => $t->password($user));
    $m->connect;
    $m->logon;
    return $m;
}

my $alice = client('alice');
my $bob = client('bob');

sub is_ec {
    my ($r, $want, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return is(ec_name($r->{ec}), $want, $name);
}

# ---- what an object has ----

# what belongs to the place of an object, and who made the copy
my %PLACE = map { PR($_) => 1 } qw(PidTagMid PidTagFolderId PidTagChangeNumber
    PidTagParentFolderId PidTagInstID PR_ENTRYID PR_PARENT_ENTRYID PR_RECORD_KEY
    PR_INSTANCE_KEY PR_SOURCE_KEY PR_PARENT_SOURCE_KEY PR_CHANGE_KEY
    PR_PREDECESSOR_CHANGE_LIST PR_STORE_ENTRYID PR_STORE_RECORD_KEY
    PR_MAPPING_SIGNATURE PR_LOCAL_COMMIT_TIME PR_LOCAL_COMMIT_TIME_MAX
    PR_INTERNET_ARTICLE_NUMBER PR_LAST_MODIFIER_NAME
    PR_LAST_MODIFIER_ENTRYID PR_CREATOR_NAME PR_CREATOR_ENTRYID
    PR_HIERARCHY_CHANGE_NUM PR_FOLDER_PATHNAME PR_PARENT_DISPLAY
    PR_ACCESS_LEVEL
    PR_MESSAGE_SIZE PR_MESSAGE_SIZE_EXTENDED PR_NORMAL_MESSAGE_SIZE
    PR_NORMAL_MESSAGE_SIZE_EXTENDED PR_ASSOC_MESSAGE_SIZE
    PR_ASSOC_MESSAGE_SIZE_EXTENDED PR_CREATION_TIME
    PR_LAST_MODIFICATION_TIME);
my %EXACT = map { PR($_) => 1 } qw(PR_LAST_MODIFICATION_TIME);

# { tag or name => value }; $message: with its times
sub all_props {
    my ($m, $h, $message) = @_;
    my @tags = grep { ($_ & 0xFFFF) != 0xD }
        @{ $m->rop('GetPropertiesList', {}, $h)->{tags} };
    my %v;
    while (my @part = splice @tags, 0, 50) {
        my @row = @{ $m->rop('GetPropertiesSpecific',
            { want_unicode => 1, tags => \@part }, $h)->{row} };
        my @named = grep { $_ >> 16 >= 0x8000 } @part;
        my %name;
        if (@named) {
            my $r = $m->rop('GetNamesFromPropertyIds',
                { ids => [ map { $_ >> 16 } @named ] }, $m->{logon});
            @name{@named} = map { unpack('H*', $_->[0]) . ":$_->[1]" }
                @{ $r->{names} };
        }
        for my $i (0 .. $#part) {
            my $tag = $part[$i];
            next if $PLACE{$tag} && !($message && $EXACT{$tag});
            my $value = $row[$i];
            $value = $m->read_stream($h, $tag, chunk => 0x7000)
                if ref $value eq 'Posthorn::Codec::Missing'
                && $value->{ec} == EC('ecMAPIOOM');
            $v{ $name{$tag} ? $name{$tag} . sprintf(':%04X', $tag & 0xFFFF)
                : tag_name($tag) } = $value;
        }
    }
    return \%v;
}

sub content {
    my ($m, $h, $info) = @_;
    my %c = (props => all_props($m, $h, 1));
    my $r = $m->try('ReadRecipients', { row_id => 0, reserved => 0 }, $h);
    $c{recipients} = [ map { { id => $_->{row_id}, type => $_->{type},
        props => $_->{props} } } @{ $r->{rows} || [] } ];
    my $table = $m->rop('GetAttachmentTable', {}, $h)->{handle};
    for my $row ($m->rows($table, 'PR_ATTACH_NUM')) {
        my $at = $m->rop('OpenAttachment', { open_attachment_flags => 0,
            attachment_id => $row->{PR_ATTACH_NUM} }, $h)->{handle};
        my %at = (props => all_props($m, $at));
        delete $at{props}{PR_ATTACH_NUM};
        delete $at{props}{PR_ATTACH_SIZE};
        my $e = $m->try('OpenEmbeddedMessage', { cpid => 0xFFF,
            open_mode_flags => 0 }, $at);
        $at{embedded} = content($m, $e->{handle}) if $e->{ec} == 0;
        $m->release($e->{handle}) if $e->{ec} == 0;
        push @{ $c{attachments} }, \%at;
        $m->release($at);
    }
    $m->release($table);
    return \%c;
}

sub message_content {
    my ($m, $fid, $mid) = @_;
    my $h = $m->open_message($fid, $mid)->{handle};
    my $c = content($m, $h);
    $m->release($h);
    return $c;
}

sub folder_content {
    my ($m, $fid) = @_;
    my $h = $m->open_folder($fid);
    my %c = (props => all_props($m, $h));
    for my $fai (0, 1) {
        $c{"messages$fai"} = [ map { message_content($m, $fid,
            $_->{PidTagMid}) } sort { $a->{PR_SUBJECT} cmp $b->{PR_SUBJECT} }
            $m->contents($h, [qw(PidTagMid PR_SUBJECT)],
                associated => $fai) ];
    }
    my $table = $m->rop('GetHierarchyTable', {}, $h)->{handle};
    $c{folders}{ $_->{PR_DISPLAY_NAME} } =
        folder_content($m, $_->{PidTagFolderId})
        for $m->rows($table, qw(PidTagFolderId PR_DISPLAY_NAME));
    $m->release($table, $h);
    return \%c;
}

sub subfolder {
    my ($m, $h, $name) = @_;
    my $table = $m->rop('GetHierarchyTable', {}, $h)->{handle};
    my ($row) = grep { $_->{PR_DISPLAY_NAME} eq $name }
        $m->rows($table, qw(PidTagFolderId PR_DISPLAY_NAME));
    $m->release($table);
    return $row && $row->{PidTagFolderId};
}

# ---- something to copy ----

my $PS = "\x29\x03\x02\0\0\0\0\0\xC0\0\0\0\0\0\0\x46";    # PS_PUBLIC_STRINGS

sub named {
    my ($m, $type, @names) = @_;
    my $r = $m->rop('GetPropertyIdsFromNames', { flags => 2,
        names => [ map { [ $PS, $_ ] } @names ] }, $m->{logon});
    return map { $_ << 16 | $type } @{ $r->{ids} };
}

# shifts the ids of named properties, so that the two stores differ
named($bob, 0x1F, 'somebody else', 'and another');

my ($n_text, $n_list, $n_long) = (named($alice, 0x1F, 'fx-text'),
    named($alice, 0x101F, 'fx-list'), named($alice, 3, 0x8505));
my $big_text = join '', map { chr(0x20 + $_ % 90) . "é\x{4E2D}" }
    1 .. 40_000;
my $blob = join '', map { pack 'V', $_ * 2654435761 % 4294967296 }
    1 .. 300_000;

sub rich {
    my ($m, $fid, $subject, %o) = @_;
    my $h = $m->rop('CreateMessage', { cpid => 0xFFF, folder_id => $fid,
        associated_flag => $o{fai} || 0 }, $m->{logon})->{handle};
    $m->set($h, PR_MESSAGE_CLASS => 'IPM.Note', PR_SUBJECT => $subject,
        PR_IMPORTANCE => 2, PR_MESSAGE_FLAGS => $o{flags} // 1,
        $n_text => "näme 中", $n_list => [ 'one', 'zwei é', '' ],
        $n_long => 4711, 0x7001000B => 1, 0x70020005 => 2.5,
        0x70030102 => "\0\1\2", 0x70041102 => [ 'a', '', "\0b" ],
        0x70051003 => [ 1, 2, 3 ], 0x70060048 => 'g' x 16,
        0x70070014 => 1 << 40, 0x70080040 => 130000000000000000,
        0x70090002 => -5, 0x700A0102 => '', 0x700B001F => '',
        %{ $o{props} || {} });
    $m->recipients($h, [ 1, 'Ünal', 'unal@example.org' ],
        [ 2, 'Bob', 'bob@example.org' ], [ 3, 'Secret', 's@example.org' ]);
    if ($o{body}) {
        $m->set($h, PR_INTERNET_CPID => 65001);
        $m->write_stream($h, PR('PR_HTML'), Encode::encode('UTF-8',
            $o{body}));
    } else {
        $m->set($h, PR_BODY => "Grüße, 中文\r\n$subject");
    }
    $m->write_stream($h, 0x700C0102, $o{value}) if $o{value};
    $o{more}->($h) if $o{more};
    my $mid = $m->rop('SaveChangesMessage', { save_flags => 2 }, $h)
        ->{message_id};
    $m->release($h);
    return $mid;
}

sub attach {
    my ($m, $h, $data, %props) = @_;
    my $at = $m->rop('CreateAttachment', {}, $h)->{handle};
    $m->set($at, PR_ATTACH_METHOD => 1, PR_ATTACH_LONG_FILENAME => "dätei.bin",
        %props);
    $m->write_stream($at, PR('PR_ATTACH_DATA_BIN'), $data);
    $m->rop('SaveChangesAttachment', { save_flags => 0 }, [ $at, $h ]);
    $m->release($at);
}

sub embed {
    my ($m, $h, $depth) = @_;
    my $at = $m->rop('CreateAttachment', {}, $h)->{handle};
    $m->set($at, PR_ATTACH_METHOD => 5, PR_DISPLAY_NAME => "level $depth");
    my $e = $m->rop('OpenEmbeddedMessage', { cpid => 0xFFF,
        open_mode_flags => 2 }, $at)->{handle};
    $m->set($e, PR_SUBJECT => "inner $depth", PR_MESSAGE_CLASS => 'IPM.Note',
        PR_BODY => 'b' x 10_000, $n_text => "inside $depth");
    $m->recipients($e, [ 1, "R$depth", 'r@example.org' ]);
    attach($m, $e, 'x' x 70_000);
    embed($m, $e, $depth - 1) if $depth > 1;
    $m->rop('SaveChangesMessage', { save_flags => 0 }, $e);
    $m->rop('SaveChangesAttachment', { save_flags => 0 }, [ $at, $h ]);
    $m->release($e, $at);
}

my $root = $alice->create_folder($alice->open_folder('ipm_subtree'),
    'fx source', comment => 'the köpy');
my $fid = $root->{folder_id};
$alice->set($root->{handle}, $n_text => 'of a folder',
    0x70200102 => 'q' x 20_000, PR_CONTAINER_CLASS => 'IPF.Note');
my $plain = rich($alice, $fid, 'plain');
my $html = rich($alice, $fid, 'html', flags => 0,
    body => '<html><body>' . 'Grün &amp; 中 ' x 9_000 . '</body></html>');
my $large = rich($alice, $fid, 'large', value => $blob,
    props => { 0x700D001F => 't' x 5_000 }, more => sub {
        $alice->write_stream($_[0], 0x700E001F, Encode::encode('UTF-16LE',
            $big_text));
        attach($alice, $_[0], $blob);
        attach($alice, $_[0], '', PR_ATTACH_EXTENSION => '.bin');
    });
my $nested = rich($alice, $fid, 'nested', flags => 9, more => sub {
    embed($alice, $_[0], 4);
    attach($alice, $_[0], 'small');
});
rich($alice, $fid, 'settings', fai => 1,
    props => { PR_MESSAGE_CLASS => 'IPM.Configuration.Test' });
my $sub = $alice->create_folder($root->{handle}, 'süb');
rich($alice, $sub->{folder_id}, 'in sub');
$alice->create_folder($alice->create_folder($sub->{handle}, 'empty')->{handle},
    'deep');
my $want = folder_content($alice, $fid);

sub target {
    my ($name) = @_;
    return $bob->create_folder($bob->open_folder('ipm_subtree'), $name);
}

# ---- whole copies ----

subtest 'a folder to another user' => sub {
    my ($last, $total) = (-1, 0);
    my $data = fx_read($alice, fx_source($alice, 'CopyFolder', $root->{handle}),
        each => sub {
            my $r = shift;
            cmp_ok($r->{in_progress_count}, '>=', $last, 'progress')
                if $r->{in_progress_count} < $last;
            ($last, $total) = @$r{qw(in_progress_count total_step_count)};
        });
    is($last, $total, "all $total steps are done at the end");
    is($total, 6, 'a step a message');
    my $tree = tree('top', elements($data));
    my $top = $tree->{children}[0];
    is($top->{marker}, 'STARTTOPFLD', 'a topFolder');
    is(join(' ', map { $_->{marker} } @{ $top->{children} }),
        'STARTFAIMSG ' . 'STARTMESSAGE ' x 4 . 'STARTSUBFLD',
        'associated ones, normal ones, folders');
    ok(!grep({ ($_->{tag} || 0) == PR('MetaTagFXDelProp') } elements($data)),
        'without MetaTagFXDelProp');
    is($_->{props}[0]{tag}, PR('PidTagMid'), 'PidTagMid is first')
        for grep { $_->{kind} eq 'message' } @{ $top->{children} };
    my $folder = $top->{children}[-1];
    is(join(' ', map { tag_name($_->{tag}) } @{ $folder->{props} }[0 .. 2]),
        'PidTagFolderId PR_DISPLAY_NAME PR_COMMENT', 'of a subfolder');

    my $to = target('whole');
    fx_write($bob, fx_dest($bob, 4, $to->{handle}), $data, 0x7000);
    my $copy = subfolder($bob, $to->{handle}, 'fx source');
    ok($copy, 'the folder is there');
    is_deeply(folder_content($bob, $copy), $want, 'all of it');
    my $h = fx_dest($bob, 4, $to->{handle});
    is_ec($bob->try('FastTransferDestinationPutBuffer',
        { data => substr $data, 0, 0x7000 }, $h), 'ecDuplicateName',
        'its name is taken now');

    # and back, into an existing folder
    my $back = $alice->create_folder($alice->open_folder('ipm_subtree'),
        'back');
    $h = fx_dest($alice, 1, $back->{handle});
    fx_write($alice, $h, fx_read($bob, fx_source($bob, 'CopyTo',
        $bob->open_folder($copy)), maximum => 1000), 999);
    my $got = folder_content($alice, $back->{folder_id});
    is($got->{props}{PR_DISPLAY_NAME}, 'back', 'it keeps its name');
    $got->{props}{PR_DISPLAY_NAME} = $want->{props}{PR_DISPLAY_NAME};
    is_deeply($got, $want, 'CopyTo of a folder');
    $alice->release($h);
};

subtest 'buffers' => sub {
    my @ids = ($plain, $html, $nested);
    my $of = sub { fx_source($alice, 'CopyMessages', $root->{handle},
        message_ids => \@ids) };
    my $data = fx_read($alice, $of->());
    my %may = map { $_->[0] => 1 } atoms($data);
    my ($packed, $n) = fx_read_packed($alice, $of->());
    ok($packed eq $data, 'packed answers have the same stream');
    cmp_ok($n, '<=', 1 + length($data) / 100_000, "in $n requests");
    for my $size ([ 0xBABE, 1000 ], [ 0xBABE, 0xFFFF ], [ 15480 ], [ 99 ],
        [ 0x7000 ], [ 1001 ])
    {
        my (@cuts, $over, $short);
        my $at = 0;
        my $got = fx_read($alice, $of->(), size => $size->[0],
            maximum => $size->[1], each => sub {
                my $l = length $_[0]{data};
                my $max = $size->[0] == 0xBABE ? $size->[1] : $size->[0];
                $over++ if $l > $max;
                $short++ if $_[0]{transfer_status} == 1 && $l < $max - 90
                    && $l < 0x7000;
                push @cuts, $at += $l;
            });
        ok($got eq $data, "size @$size: the same stream");
        ok(!$over, 'no buffer is too long');
        ok(!$short, 'buffers are full');
        is(scalar(grep { !$may{$_} && $_ < length $data } @cuts), 0,
            'cut between atoms and inside of values');
    }
    my $h = $of->();
    my $r = $alice->try('FastTransferSourceGetBuffer',
        { buffer_size => 0xFF00 }, $h);
    is($r->{name}, 'BufferTooSmall', 'more than an answer holds');
    $r = $alice->try('FastTransferSourceGetBuffer', { buffer_size => 3 }, $h);
    is($r->{name}, 'BufferTooSmall', 'less than a marker');
    my @r = $alice->batch(map { [ 'FastTransferSourceGetBuffer',
        { buffer_size => 0x7000 }, $h ] } 1 .. 2);
    is($r[0]{name}, 'FastTransferSourceGetBuffer', 'the first one fits');
    is($r[1]{name}, 'BufferTooSmall', 'the second one comes later');
    ok($r[0]{data} eq substr($data, 0, length $r[0]{data}),
        'nothing was consumed before');

    # uploads cut at any byte
    my $m = $alice->open_message($fid, $plain)->{handle};
    $data = fx_read($alice, fx_source($alice, 'CopyTo', $m));
    my $into = $bob->rop('CreateMessage', { cpid => 0xFFF,
        folder_id => $bob->{folders}{inbox} }, $bob->{logon})->{handle};
    my ($bad, $each) = (0, int(0x6000 / length $data));
    my @cuts = 1 .. length($data) - 1;
    while (my @some = splice @cuts, 0, $each) {
        my $i = 0;
        my @r = $bob->batch(map {
            my $new = \(my $n = 4 * $i++);
            [ 'FastTransferDestinationConfigure',
                { source_operation => 1 }, $into ],
            [ 'FastTransferDestinationPutBuffer',
                { data => substr $data, 0, $_ }, $new ],
            [ 'FastTransferDestinationPutBuffer',
                { data => substr $data, $_ }, $new ],
            [ 'Release', {}, $new ] } @some);
        $bad += grep { $_->{ec} } @r;
    }
    is($bad, 0, 'a stream cut at each of ' . length($data) . ' places');
    $h = fx_dest($bob, 1, $into);
    for (my $i = 0; $i < length $data; $i += 40) {
        my $n = length($data) - $i < 40 ? length($data) - $i : 40;
        $bob->batch(map { [ 'FastTransferDestinationPutBuffer',
            { data => substr $data, $i + $_, 1 }, $h ] } 0 .. $n - 1);
    }
    $bob->rop('SaveChangesMessage', { save_flags => 2 }, $into);
    is_deeply(content($bob, $into), message_content($alice, $fid, $plain),
        'byte by byte');
    $alice->release($m);
    $bob->release($into);
};

# ---- what is told ----

sub tokens {
    my ($kind, $h, %f) = @_;
    my $x = fx_source($alice, $kind, $h, %f);
    my @e = elements(fx_read($alice, $x));
    $alice->release($x);
    return @e;
}

sub tags { map { $_->{tag} ? ($_->{tag} => $_) : () } @_ }
sub markers { join ' ', map { $_->{marker} || () } @_ }
sub dels { join ' ', map { tag_name($_->{value}) }
    grep { ($_->{tag} || 0) == PR('MetaTagFXDelProp') } @_ }

subtest 'strings' => sub {
    my $m = $alice->open_message($fid, $plain)->{handle};
    for ([ 0, 0x1E ], [ 1, 0x1F ], [ 8, 0x1F ], [ 9, 0x1F ], [ 2, 0x84B0 ],
        [ 3, 0x84B0 ], [ 10, 0x84B0 ], [ 11, 0x84B0 ], [ 0x61, 0x1F ])
    {
        my ($options, $type) = @$_;
        my %e = tags(tokens('CopyTo', $m, send_options => $options));
        is($e{ PR('PR_SUBJECT') }{type}, $type,
            sprintf 'SendOptions %X: type %04X', $options, $type);
        like($e{ PR('PR_BODY') }{value}, $type == 0x1E ? qr/^Grüße, \?\?/
            : qr/^Grüße, 中文/, 'the text');
    }
    $alice->release($m);
    # large texts are converted piece by piece, in both directions
    $m = $alice->open_message($fid, $large)->{handle};
    my ($e) = grep { ($_->{tag} || 0) == 0x700E001F }
        tokens('CopyTo', $m, send_options => 0);
    (my $narrow = $big_text) =~ s/\x{4E2D}/?/g;
    ok($e->{value} eq $narrow, 'a large text in a code page');
    my $into = $bob->rop('CreateMessage', { cpid => 0xFFF,
        folder_id => $bob->{folders}{inbox} }, $bob->{logon})->{handle};
    my $h = fx_dest($bob, 1, $into);
    fx_write($bob, $h, encode({ %$e, tag => 0x70300000 },
        { tag => PR('PR_BODY'), type => 0x84E3,    # 1251
          value => "Привет\n" x 20_000 },
        { tag => PR('PR_SUBJECT'), type => 0x1E, value => 'née' }), 1001);
    is($bob->get($into, 'PR_SUBJECT')->{PR_SUBJECT}, 'née', 'PtypString8');
    ok($bob->read_stream($into, PR('PR_BODY')) eq Encode::encode('UTF-16LE',
        "Привет\n" x 20_000), 'a body in code page 1251');
    ok($bob->read_stream($into, 0x7030001F) eq Encode::encode('UTF-16LE',
        $narrow), 'and one in that of the connection');
    $alice->release($m);
    $bob->release($h, $into);
};

subtest 'filters' => sub {
    my $m = $alice->open_message($fid, $nested)->{handle};
    my @e = tokens('CopyTo', $m);
    is(dels(@e), 'PR_MESSAGE_RECIPIENTS PR_MESSAGE_ATTACHMENTS',
        'CopyTo: subobjects are announced');
    my $depth = () = markers(@e) =~ /STARTEMBED/g;
    is($depth, 4, 'four messages inside of each other');
    my %e = tags(@e);
    ok(!$e{ PR($_) }, "no $_") for qw(PidTagMid PR_SOURCE_KEY PR_CHANGE_KEY
        PR_ENTRYID PR_STORE_ENTRYID);
    ok(!grep({ $_ >= 0x66000000 && $_ <= 0x67FFFFFF } keys %e),
        'nothing of the provider');
    @e = tokens('CopyTo', $m, excluded_tags => [ PR('PR_BODY'),
        PR('PR_MESSAGE_ATTACHMENTS') ]);
    %e = tags(@e);
    ok(!$e{ PR($_) }, "no $_") for qw(PR_BODY PR_HTML PR_RTF_COMPRESSED);
    is(dels(@e), 'PR_MESSAGE_RECIPIENTS', 'attachments are filtered out');
    unlike(markers(@e), qr/NEWATTACH/, 'and not there');
    @e = tokens('CopyTo', $m, level => 1);
    is(dels(@e) . markers(@e), '', 'level 1 has properties alone');
    @e = tokens('CopyProperties', $m, tags => [ PR('PR_SUBJECT'), $n_text,
        PR('PR_MESSAGE_RECIPIENTS'), 0x7FFF001F ]);
    is(dels(@e), 'PR_MESSAGE_RECIPIENTS', 'CopyProperties: what is asked');
    is(join(' ', map { tag_name($_->{tag}) } @e[0 .. 1]) . " $e[1]{name}[1]",
        'PR_SUBJECT ' . tag_name($e[1]{tag}) . ' fx-text', 'and no more');
    is_deeply([ @e[2 .. $#e] ]->[0]{value}, PR('PR_MESSAGE_RECIPIENTS'),
        'nothing else');
    @e = tokens('CopyProperties', $m, level => 1,
        tags => [ PR('PR_SUBJECT'), PR('PR_MESSAGE_ATTACHMENTS') ]);
    is(scalar @e, 1, 'level 1 has no subobjects');

    # subobjects of the target are replaced only when they are told
    my $into = $bob->rop('CreateMessage', { cpid => 0xFFF,
        folder_id => $bob->{folders}{inbox} }, $bob->{logon})->{handle};
    $bob->recipients($into, [ 1, 'Old', 'old@example.org' ]);
    attach($bob, $into, 'old');
    my $put = sub {
        my $h = fx_dest($bob, 2, $into);
        fx_write($bob, $h, encode(@_));
        $bob->release($h);
        my $c = content($bob, $into);
        return @{ $c->{recipients} } . ' ' . @{ $c->{attachments} || [] };
    };
    is($put->(tokens('CopyProperties', $m, tags => [ PR('PR_SUBJECT') ])),
        '1 1', 'not told: they stay');
    is($put->(tokens('CopyProperties', $m,
        tags => [ PR('PR_MESSAGE_RECIPIENTS') ])), '3 1', 'recipients');
    is($put->(tokens('CopyTo', $m)), '3 2', 'all of them');
    $bob->release($into);

    my $at = $alice->rop('OpenAttachment', { open_attachment_flags => 0,
        attachment_id => 0 }, $m)->{handle};
    my @all = tokens('CopyTo', $at);
    is_deeply([ tokens('CopyTo', $at, level => 1) ], \@all,
        'the level means nothing for attachments');
    like(markers(@all), qr/^STARTEMBED .*ENDEMBED$/, 'attachmentContent');
    is(markers(tokens('CopyTo', $at,
        excluded_tags => [ PR('PR_ATTACH_DATA_OBJ') ])), '',
        'without the message inside');
    $into = $bob->rop('CreateMessage', { cpid => 0xFFF,
        folder_id => $bob->{folders}{inbox} }, $bob->{logon})->{handle};
    my $new = $bob->rop('CreateAttachment', {}, $into)->{handle};
    my $h = fx_dest($bob, 1, $new);
    fx_write($bob, $h, encode(@all), 500);
    $bob->rop('SaveChangesAttachment', { save_flags => 0 }, [ $new, $into ]);
    $bob->release($new, $h);
    my ($one) = @{ content($bob, $into)->{attachments} };
    my ($was) = @{ message_content($alice, $fid, $nested)->{attachments} };
    delete $_->{embedded}{props}{PR_ACCESS} for $one, $was;
    is_deeply($one, $was, 'an attachment into an attachment');
    $alice->release($m, $at);
    $bob->release($into);

    is(dels(tokens('CopyTo', $root->{handle})),
        join(' ', ('PR_FOLDER_ASSOCIATED_CONTENTS PR_CONTAINER_CONTENTS '
        . 'PR_CONTAINER_HIERARCHY') x 4), 'CopyTo of a folder');
    @e = tokens('CopyTo', $root->{handle},
        excluded_tags => [ PR('PR_CONTAINER_CONTENTS'),
            PR('PR_CONTAINER_HIERARCHY') ]);
    is(dels(@e), 'PR_FOLDER_ASSOCIATED_CONTENTS', 'FAI messages alone');
    is(join(' ', markers(@e) =~ /START\w*MSG|STARTMESSAGE|STARTSUBFLD/g),
        'STARTFAIMSG', 'one of them');
    is(tag_name($e[0]{tag}), 'PidTagFolderId', 'the id is first');
    @e = tokens('CopyProperties', $root->{handle},
        tags => [ PR('PR_DISPLAY_NAME'), PR('PR_CONTAINER_HIERARCHY') ]);
    is(join(' ', map { tag_name($_->{tag}) } @e[0 .. 2]),
        'PidTagFolderId PR_DISPLAY_NAME MetaTagFXDelProp', 'chosen ones');
    is(() = markers(@e) =~ /STARTSUBFLD/g, 3, 'subfolders');
    is(() = markers(tokens('CopyFolder', $root->{handle},
        copy_flags => 0)) =~ /STARTSUBFLD/g, 0, 'CopyFolder without them');
    is(() = markers(tokens('CopyFolder', $root->{handle},
        copy_flags => 1)) =~ /STARTSUBFLD/g, 3, 'Move has them');

    my %id = tags(tokens('CopyMessages', $root->{handle},
        message_ids => [ $plain ], copy_flags => 0x20));
    my %no = tags(tokens('CopyMessages', $root->{handle},
        message_ids => [ $plain ]));
    for (qw(PR_SOURCE_KEY PR_CHANGE_KEY PR_PREDECESSOR_CHANGE_LIST
        PR_LAST_MODIFICATION_TIME PR_ORIGINAL_ENTRYID))
    {
        ok($id{ PR($_) } && !$no{ PR($_) }, "$_ with SendEntryId alone");
    }
    is($no{ PR('PidTagMid') }{value}, $plain, 'PidTagMid in both');
    for my $flag (2, 4, 8, 0x200, 0x400, 0x2000) {
        my $m = $alice->open_message($fid, $plain)->{handle};
        is_ec($alice->try('FastTransferSourceCopyTo', { level => 0,
            copy_flags => $flag, send_options => 1, excluded_tags => [] },
            $m), 'ecSuccess', sprintf 'CopyTo: %X is ignored', $flag);
        $alice->release($m);
    }
    is_ec($alice->try('FastTransferSourceCopyTo', { level => 0,
        copy_flags => 1, send_options => 1, excluded_tags => [] },
        $root->{handle}), 'ecInvalidParam', 'CopyTo does not move');
    is_ec($alice->try('FastTransferSourceCopyMessages', { message_ids => [],
        copy_flags => 0, send_options => 1 }, $root->{handle}),
        'ecInvalidParam', 'no messages');
};

# ---- what goes wrong ----

subtest 'bad streams' => sub {
    my $work = target('bad');
    my $fid2 = $work->{folder_id};
    my $msg = $bob->rop('CreateMessage', { cpid => 0xFFF,
        folder_id => $fid2 }, $bob->{logon})->{handle};
    my %on = (message => [ 1, $msg ], list => [ 3, $work->{handle} ],
        top => [ 4, $work->{handle} ], folder => [ 1, $work->{handle} ]);
    my $M = sub { map { { marker => $_ } } @_ };
    my $s = sub { { tag => PR($_[0]), value => $_[1] } };
    for (
        [ message => 'ecFxUnexpectedMarker', $M->('ENDMESSAGE') ],
        [ message => 'ecFxUnexpectedMarker', $M->('STARTMESSAGE') ],
        [ message => 'ecFxUnexpectedMarker', $M->('ENDTORECIP') ],
        [ message => 'ecFxUnexpectedMarker', $M->('STARTRECIP',
            'STARTRECIP') ],
        [ message => 'ecFxUnexpectedMarker', $M->('STARTRECIP',
            'ENDTORECIP') ],
        [ message => 'ecFxUnexpectedMarker', $M->('STARTEMBED') ],
        [ message => 'ecFxUnexpectedMarker', $M->('NEWATTACH', 'STARTEMBED',
            'ENDATTACH') ],
        [ message => 'ecFxUnexpectedMarker', $M->('INCRSYNCCHG') ],
        [ message => 'ecFxErrorMarker', $M->('FXERRORINFO') ],
        [ message => 'ecFxUnexpectedMarker', $s->('MetaTagFXDelProp', 1) ],
        [ list => 'ecFxUnexpectedMarker', $s->('PR_SUBJECT', 'x') ],
        [ list => 'ecFxUnexpectedMarker', $M->('STARTSUBFLD') ],
        [ list => 'ecFxUnexpectedMarker', $M->('ENDFOLDER') ],
        [ list => 'ecFxUnexpectedMarker', $M->('STARTMESSAGE', 'ENDEMBED') ],
        [ list => 'ecFxUnexpectedMarker', $s->('MetaTagFXDelProp',
            PR('PR_CONTAINER_CONTENTS')) ],
        [ top => 'ecFxUnexpectedMarker', $s->('MetaTagFXDelProp',
            PR('PR_CONTAINER_CONTENTS')) ],
        [ top => 'ecFxUnexpectedMarker', $M->('STARTMESSAGE') ],
        [ top => 'ecFxUnexpectedMarker', $M->('STARTSUBFLD') ],
        [ top => 'ecFxUnexpectedMarker', $M->('STARTTOPFLD', 'ENDFOLDER') ],
        [ folder => 'ecFxUnexpectedMarker', $M->('STARTTOPFLD') ],
        [ folder => 'ecFxUnexpectedMarker', $M->('ENDFOLDER') ])
    {
        my ($on, $ec, @e) = @$_;
        my $h = fx_dest($bob, @{ $on{$on} });
        my $r;
        for my $e (@e, $s->('PR_IMPORTANCE', 1)) {
            $r = $bob->try('FastTransferDestinationPutBuffer',
                { data => encode($e) }, $h);
        }
        is_ec($r, $ec, "$on: " . join ' ', map { $_->{marker}
            || sprintf '%08X', $_->{tag} } @e);
        is($r->{transfer_status}, 0, 'which stays');
        $bob->release($h);
    }
    for my $bytes ("\xFD\0\1\0x", "\x1F\0\x37\0\3\0\0\0abc",
        "\2\x10\1\x70\xFF\xFF\xFF\xFF", "\x1F\0\1\x80" . 'g' x 16 . "\7",
        "\x1F\0\1\x80" . 'g' x 16 . "\1" . 'n' x 3000)
    {
        my $h = fx_dest($bob, 1, $msg);
        my $r = $bob->try('FastTransferDestinationPutBuffer',
            { data => $bytes }, $h);
        isnt($r->{ec}, 0, 'refused: ' . unpack 'H*', substr $bytes, 0, 12);
        $bob->release($h);
    }
    # an error inside of a list costs the message that it is in
    my $h = fx_dest($bob, 3, $work->{handle});
    fx_write($bob, $h, encode($M->('STARTMESSAGE'), $s->('PR_SUBJECT', 'bad'),
        $M->('NEWATTACH', 'FXERRORINFO'),
        { tag => 0x00000102, value => "\0" x 84 }, $M->('STARTMESSAGE'),
        $s->('PR_SUBJECT', 'good'), $M->('ENDMESSAGE'), $M->('STARTMESSAGE'),
        $s->('PR_SUBJECT', 'unfinished')), 10);
    $bob->release($h);
    is(join(' ', map { $_->{PR_SUBJECT} } $bob->contents($work->{handle},
        [ 'PR_SUBJECT' ])), 'good', 'only what is whole');
    # embedding has an end
    $h = fx_dest($bob, 1, $msg);
    my $r = { ec => 0 };
    my $one = encode($M->('NEWATTACH'), $s->('PR_ATTACH_METHOD', 5),
        $M->('STARTEMBED'));
    for (1 .. 40) {
        $r = $bob->try('FastTransferDestinationPutBuffer', { data => $one },
            $h);
        last if $r->{ec};
    }
    is_ec($r, 'ecTooBig', 'messages inside of messages without end');
    $bob->release($h, $msg);
};

subtest 'changes meanwhile' => sub {
    my $work = $alice->create_folder($alice->open_folder('ipm_subtree'),
        'meanwhile');
    my @ids = map { rich($alice, $work->{folder_id}, "m$_") } 1 .. 60;
    my $other = client('alice');
    my $data = '';
    my $x = fx_source($alice, 'CopyFolder', $work->{handle});
    my $r = $alice->rop('FastTransferSourceGetBuffer',
        { buffer_size => 2000 }, $x);
    $data .= $r->{data};
    my $folder = $other->open_folder($work->{folder_id});
    $other->rop('HardDeleteMessages', { message_ids => [ @ids[0 .. 9] ] },
        $folder);
    $other->rop('DeleteMessages', { message_ids => [ @ids[40 .. 49] ] },
        $folder);
    $data .= fx_read($alice, $x);
    my @subjects = map { $_->{value} } grep { ($_->{tag} || 0)
        == PR('PR_SUBJECT') } elements($data);
    my %seen = map { $_ => 1 } @subjects;
    is(scalar @subjects, scalar keys %seen, 'none twice');
    ok(!$seen{"m$_"}, "m$_ is gone") for 41, 50;
    is(scalar(grep { $seen{"m$_"} } 11 .. 40, 51 .. 60), 40,
        'all that stayed');
    my $h = fx_dest($bob, 4, target('meanwhile copy')->{handle});
    fx_write($bob, $h, $data);
    $x = fx_source($alice, 'CopyMessages', $work->{handle},
        message_ids => \@ids);
    my $n = () = markers(elements(fx_read($alice, $x))) =~ /STARTMESSAGE/g;
    is($n, 40, 'CopyMessages skips what is not there');
    $other->disconnect;
};

subtest 'a message that cannot be read' => sub {
    my $work = $alice->create_folder($alice->open_folder('ipm_subtree'),
        'damaged');
    my $blobs = $t->dir . '/mailboxes/' . $t->domain . '/alice/blobs';
    my %old = map { $_ => 1 } glob("$blobs/*/*");
    my @ids = map {
        my $n = $_;
        rich($alice, $work->{folder_id}, "d$n", more => sub {
            attach($alice, $_[0], "$n$blob") if $n == 2;
        });
    } 1 .. 3;
    my ($file) = grep { !$old{$_} } glob("$blobs/*/*");
    ok($file, 'its content is a file') or return;
    rename $file, "$file.away" or die "$file: $!";
    my $x = fx_source($alice, 'CopyMessages', $work->{handle},
        message_ids => \@ids);
    my $r;
    do {
        $r = $alice->try('FastTransferSourceGetBuffer',
            { buffer_size => 0x4000 }, $x);
    } while !$r->{ec} && $r->{transfer_status} == 1;
    isnt($r->{ec}, 0, 'it fails: ' . ec_name($r->{ec}));
    is($r->{transfer_status}, 0, 'with the status of an error');
    is($r->{data}, '', 'and without data');
    is($alice->try('FastTransferSourceGetBuffer', { buffer_size => 0x4000 },
        $x)->{ec}, $r->{ec}, 'and again');
    $x = fx_source($alice, 'CopyMessages', $work->{handle},
        message_ids => \@ids, send_options => 5);
    my $data = fx_read($alice, $x);
    my @e = elements($data);
    my ($i) = grep { ($e[$_]{marker} || '') eq 'FXERRORINFO' } 0 .. $#e;
    ok(defined $i, 'in recovery mode it is told');
    my ($info) = $e[ $i + 1 ]{value};
    is($e[ $i + 1 ]{tag}, 0x00000102, 'with its ExtendedErrorInfo');
    is(unpack('x4 V', $info), $r->{ec}, 'that has the error');
    is(substr($info, 48, 6), substr(pack('Q<', $ids[1]), 2), 'and the message');
    is($e[ $i + 2 ]{marker}, 'STARTMESSAGE', 'and goes on with the next');
    my $to = target('recovered');
    fx_write($bob, fx_dest($bob, 3, $to->{handle}), $data, 700);
    is(join(' ', sort map { $_->{PR_SUBJECT} } $bob->contents($to->{handle},
        [ 'PR_SUBJECT' ])), 'd1 d3', 'the others come over');
    rename "$file.away", $file or die "$file: $!";
    $data = fx_read($alice, fx_source($alice, 'CopyMessages',
        $work->{handle}, message_ids => \@ids));
    is(scalar(() = markers(elements($data)) =~ /STARTMESSAGE/g), 3,
        'now it can be read again');
};

subtest 'rights' => sub {
    my $work = $alice->create_folder($alice->open_folder('ipm_subtree'),
        'shared');
    my @ids = map { rich($alice, $work->{folder_id}, "m$_") } 1 .. 3;
    my $sub = $alice->create_folder($work->{handle}, 'below');
    rich($alice, $sub->{folder_id}, 'hidden');
    my $entry = $bob->get($bob->{logon}, 'PR_USER_ENTRYID')
        ->{PR_USER_ENTRYID};
    my $allow = sub {
        my ($h, $rights) = @_;
        $alice->rop('ModifyPermissions', { modify_flags => 0,
            rows => [ { flags => 1, props => [
                [ PR('PR_ENTRYID'), $entry ],
                [ PR('PR_MEMBER_RIGHTS'), $rights ] ] } ] }, $h);
    };
    $allow->($_, 0x401) for $work->{handle}, $sub->{handle};
    my $guest = client('bob');
    my $theirs = $guest->logon(dn => $alice->{dn}, open_flags => 0x01000000);
    my $h = $guest->rop('OpenFolder', { folder_id => $work->{folder_id} },
        $theirs->{handle})->{handle};
    my $read = sub { elements(fx_read($guest, fx_source($guest, @_))) };
    my $count = sub { my ($what, @e) = @_; scalar grep {
        ($_->{marker} || '') eq $what || ($_->{tag} || 0) == (PR($what)) }
        @e };
    my @e = $read->('CopyFolder', $h);
    is($count->('STARTMESSAGE', @e), 4, 'who may read gets all');
    is($count->('MetaTagEcWarning', @e), 0, 'without warnings');
    @e = $read->('CopyMessages', $h, message_ids => \@ids, copy_flags => 1);
    is($count->('STARTMESSAGE', @e), 0, 'who may not delete cannot move');
    is($count->('MetaTagEcWarning', @e), 3, 'a warning for each');
    is($e[0]{value}, EC('ecAccessDenied'), 'that says why');
    $allow->($sub->{handle}, 0);
    @e = $read->('CopyFolder', $h);
    is($count->('STARTSUBFLD', @e), 0, 'a folder that may not be seen');
    for (3, 4) {
        is_ec($guest->try('FastTransferDestinationConfigure',
            { source_operation => $_, copy_flags => 0 }, $h),
            'ecAccessDenied', "no upload $_ without the right");
    }
    my $up = $guest->rop('FastTransferDestinationConfigure',
        { source_operation => 1, copy_flags => 0 }, $h)->{handle};
    my $r = $guest->try('FastTransferDestinationPutBuffer', { data => encode(
        { tag => PR('PR_COMMENT'), value => 'changed' }) }, $up);
    is_ec($r, 'ecAccessDenied', 'nor properties of the folder');
    $guest->disconnect;
};

# ---- memory ----

# Anonymous memory in KiB: what is mapped from files comes and goes.
sub resident {
    my $sum = 0;
    for my $pid ($t->workers('exmdb')) {
        open(my $f, '<', "/proc/$pid/status") or next;
        /^RssAnon:\s+(\d+)/ and $sum += $1 while <$f>;
    }
    return $sum;
}

subtest 'memory' => sub {
    plan skip_all => 'a sanitizer keeps what is freed' if $t->sanitized;
    my $work = $alice->create_folder($alice->open_folder('ipm_subtree'),
        'memory');
    my $mib = 24;
    my $first = rich($alice, $work->{folder_id}, 'big', more => sub {
        my $at = $alice->rop('CreateAttachment', {}, $_[0])->{handle};
        $alice->set($at, PR_ATTACH_METHOD => 1);
        my $s = $alice->rop('OpenStream', { tag => PR('PR_ATTACH_DATA_BIN'),
            open_mode_flags => 2 }, $at)->{handle};
        my $piece = join '', map { pack 'N', $_ } 1 .. 7000;
        my $n = $mib * 1024 * 1024 / length $piece;
        $alice->rop('WriteStream', { data => $piece }, $s) for 1 .. $n;
        $alice->rop('CommitStream', {}, $s);
        $alice->rop('SaveChangesAttachment', { save_flags => 0 },
            [ $at, $_[0] ]);
        $alice->release($s, $at);
    });
    # copies share the file: a folder of some hundred MB takes little disk
    $alice->rop('MoveCopyMessages', { message_ids => [ $first ],
        want_asynchronous => 0, want_copy => 1 },
        [ $work->{handle}, $work->{handle} ]) for 1 .. 9;
    my $size = $alice->get($work->{handle}, 'PR_MESSAGE_SIZE_EXTENDED')
        ->{PR_MESSAGE_SIZE_EXTENDED};
    cmp_ok($size, '>', 10 * $mib * 1_000_000, 'a folder of ' . int($size >> 20)
        . ' MiB');

    my $to = target('memory');
    my $up = fx_dest($bob, 4, $to->{handle});
    my $x = fx_source($alice, 'CopyFolder', $work->{handle});
    my ($n, $most, $put) = (0, 0, 0);
    my $before = resident();
    my @req = ('FastTransferSourceGetBuffer',
        { buffer_size => 0xBABE, maximum_buffer_size => 0x7BC0 }, $x);
    while (1) {
        my @r = $alice->batch({ flags => 5, max_rop_out => 0x40000 },
            [ @req ]);
        for my $part (@{ $alice->{parts} }[1 .. $#{ $alice->{parts} }]) {
            my $p = Posthorn::ROP->new;
            $p->add(@req);
            push @r, $p->parse($part);
        }
        for my $r (@r) {
            die ec_name($r->{ec}) if $r->{ec};
            $n += length $r->{data};
            # two of the ten go up
            next if $put > 2 * $mib << 20;
            $bob->rop('FastTransferDestinationPutBuffer',
                { data => $r->{data} }, $up);
            $put += length $r->{data};
        }
        my $now = resident();
        $most = $now if $now > $most;
        last if $r[-1]{transfer_status} == 3;
    }
    cmp_ok($n, '>=', $size, "$n bytes of stream");
    cmp_ok($most - $before, '<', 16 * 1024,
        "the store grew by " . ($most - $before) . " KiB, with $put bytes up");
    $bob->release($up);
};

$alice->disconnect;
$bob->disconnect;
$t->stop;
done_testing();
