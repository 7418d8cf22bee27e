/* Rich text: packing, what travels inside, and what others wrote. */

#include "tap.h"

#include "convert/conv_rtf.h"
#include "lib/ph_str.h"

static ph_pool_t  *pool;

static void
html_is(const char *rtf, const char *want, const char *name)
{
    ph_str_t  html;

    is_int(conv_rtf_to_html(pool, ph_str_c(rtf), &html, NULL), PH_OK, name);
    is_str(html, want, name);
}

static void
text_is(const char *rtf, const char *want, const char *name)
{
    ph_str_t  text;

    is_int(conv_rtf_to_text(pool, ph_str_c(rtf), &text), PH_OK, name);
    is_str(text, want, name);
}

/* what is between <body> and </body>, CRLF away */
static void
native_is(const char *rtf, const char *want, const char *name)
{
    char      *at, *end, out[4096];
    size_t     n;
    ph_str_t   html;

    is_int(conv_rtf_to_html(pool, ph_str_c(rtf), &html, NULL), PH_OK, name);
    html = ph_pstrdup(pool, html);
    at = strstr((const char *) html.data, "<body>");
    end = at ? strstr(at, "</body>") : NULL;
    ok(at && end, "%s: a document", name);
    n = 0;
    for (at = at ? at + 6 : NULL; at && at < end && n + 1 < sizeof(out); at++) {
        if (*at != '\r' && *at != '\n') {
            out[n++] = *at;
        }
    }
    out[n] = '\0';
    is_cstr(out, want, name);
}

/* ---- MS-OXRTFCP 4 ---- */

static void
test_pack(void)
{
    size_t               i;
    char                *big;
    ph_str_t             rtf, packed;
    static const uint8_t example1[] = {
        0x2d, 0x00, 0x00, 0x00, 0x2b, 0x00, 0x00, 0x00, 0x4c, 0x5a, 0x46,
        0x75, 0xf1, 0xc5, 0xc7, 0xa7, 0x03, 0x00, 0x0a, 0x00, 0x72, 0x63,
        0x70, 0x67, 0x31, 0x32, 0x35, 0x42, 0x32, 0x0a, 0xf3, 0x20, 0x68,
        0x65, 0x6c, 0x09, 0x00, 0x20, 0x62, 0x77, 0x05, 0xb0, 0x6c, 0x64,
        0x7d, 0x0a, 0x80, 0x0f, 0xa0
    };
    static const char    example1_rtf[] =
        "{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n";
    static const uint8_t example2[] = {
        0x1a, 0x00, 0x00, 0x00, 0x1c, 0x00, 0x00, 0x00, 0x4c, 0x5a, 0x46,
        0x75, 0xe2, 0xd4, 0x4b, 0x51, 0x41, 0x00, 0x04, 0x20, 0x57, 0x58,
        0x59, 0x5a, 0x0d, 0x6e, 0x7d, 0x01, 0x0e, 0xb0
    };
    static const uint8_t plain[] = {
        0x0f, 0, 0, 0, 3, 0, 0, 0, 'M', 'E', 'L', 'A', 0, 0, 0, 0,
        'a', 'b', 'c', 'd'
    };

    packed = (ph_str_t) { sizeof(example1), example1 };
    is_int(conv_rtf_unpack(pool, packed, &rtf), PH_OK, "simple example");
    is_str(rtf, example1_rtf, "simple example");
    is_int(conv_rtf_pack(pool, ph_str_c(example1_rtf), &packed), PH_OK, "pack");
    is_int((int) packed.len, sizeof(example1), "as short as the example");
    is_int(conv_rtf_unpack(pool, packed, &rtf), PH_OK, "and back");
    is_str(rtf, example1_rtf, "the same");

    packed = (ph_str_t) { sizeof(example2), example2 };
    is_int(conv_rtf_unpack(pool, packed, &rtf), PH_OK, "crossing run");
    is_str(rtf, "{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}", "crossing run");
    is_int(conv_rtf_pack(pool, rtf, &packed), PH_OK, "pack");
    is_mem(packed.data, packed.len, example2, sizeof(example2),
           "a run that reads what it writes");

    packed = (ph_str_t) { sizeof(plain), plain };
    is_int(conv_rtf_unpack(pool, packed, &rtf), PH_OK, "not compressed");
    is_str(rtf, "abc", "as long as the header says");

    packed.len = 15;
    is_int(conv_rtf_unpack(pool, packed, &rtf), PH_INVALID, "no header");
    is_int(conv_rtf_unpack(pool, ph_str_c("0123456789abcdef"), &rtf),
           PH_INVALID, "neither form");

    big = ph_palloc(pool, 300000);
    for (i = 0; i < 300000; i++) {
        big[i] = (char) (i % 97 < 50 ? 'a' + i % 13 : (i * i >> 7) & 0xFF);
    }
    rtf = (ph_str_t) { 300000, (uint8_t *) big };
    is_int(conv_rtf_pack(pool, rtf, &packed), PH_OK, "300,000 bytes");
    ok(packed.len < 250000, "are fewer (%zu)", packed.len);
    is_int(conv_rtf_unpack(pool, packed, &rtf), PH_OK, "and back");
    is_mem(rtf.data, rtf.len, big, 300000, "the same");
    is_int(conv_rtf_pack(pool, ph_str_null, &packed), PH_OK, "nothing");
    is_int(conv_rtf_unpack(pool, packed, &rtf), PH_OK, "and back");
    is_int((int) rtf.len, 0, "nothing");
}

/* ---- MS-OXRTFEX ---- */

static void
test_inside(void)
{
    html_is("{\\rtf1\\ansi\\ansicpg1251\\fromhtml1 \\deff0\r\n"
            "{\\fonttbl {\\f0\\fmodern Courier New;}"
            "{\\f1\\fswiss\\fcharset204 Arial;}"
            "{\\f2\\fcharset128 MS Mincho;}}\r\n"
            "{\\*\\htmltag64}\\uc1\\pard\\plain\\deftab360 \\f0\\fs24\r\n"
            "{\\*\\htmltag <html>\\par }{\\*\\htmltag50 <body>}"
            "\\htmlrtf {\\htmlrtf0 {\\*\\htmltag148 <b>}\\htmlrtf \\b"
            "\\htmlrtf0 "
            "a \\{b\\}\\'5c{\\*\\htmltag84 &nbsp;}\\htmlrtf \\'a0\\htmlrtf0 "
            "\\f1\\'cf\\'f0\\u8364?\\f2\\'93\\'fa"
            "{\\*\\mhtmltag84 <gone>}{\\*\\htmltag84 \\u8211- \\'cf}"
            "{\\*\\htmltag156 </b>}\\htmlrtf }\\htmlrtf0 \\par\r\n"
            "end{\\*\\htmltag58 </body>}{\\*\\htmltag27 </html>}}",
            "<html>\r\n<body><b>a {b}\\&nbsp;\xD0\x9F\xD1\x80\xE2\x82\xAC"
            "\xE6\x97\xA5\xE2\x80\x93 \xD0\x9F</b>\r\nend</body></html>",
            "HTML inside");
    text_is("{\\rtf1\\ansi\\fromtext\\deff0{\\fonttbl{\\f0 A;}}"
            "one\\par two\\tab three \\u-10179?\\u-8704?}",
            "one\r\ntwo\tthree \xF0\x9F\x98\x80", "text inside");
    is_int(conv_rtf_kind(ph_str_c("{\\rtf1\\ansi\\fromhtml1")), CONV_RTF_HTML,
           "HTML");
    is_int(conv_rtf_kind(ph_str_c("{\\rtf1\\ansi\\fromtext ")), CONV_RTF_TEXT,
           "text");
    is_int(conv_rtf_kind(ph_str_c("{\\rtf1 text \\fromhtml1")),
           CONV_RTF_NATIVE, "words behind text do not count");
    is_int(conv_rtf_kind(ph_str_c("{\\rtf1\\ansi{\\fonttbl \\fromhtml1")),
           CONV_RTF_NATIVE, "nor behind the fonts");
    is_int(conv_rtf_kind(ph_str_null), CONV_RTF_NATIVE, "nothing");
}

static void
round_trip(const char *html, const char *name)
{
    ph_str_t  rtf, out;

    is_int(conv_rtf_from_html(pool, ph_str_c(html), &rtf), PH_OK, name);
    is_int(conv_rtf_kind(rtf), CONV_RTF_HTML, name);
    is_int(conv_rtf_to_html(pool, rtf, &out, NULL), PH_OK, name);
    is_str(out, html, name);
}

static void
test_round(void)
{
    ph_str_t  rtf, out;

    round_trip("<html><head><title>x {y}</title>\r\n<style>p { a: \"\\b\" }\r\n"
               "</style></head><body class=\"q\">\r\n<p>Gr\xC3\xBC\xC3\x9F"
               "e &amp; &#8364; &bogus; \xF0\x9F\x98\x80\t1 < 2<br>\r\n"
               "<!-- a > b --><b>bold</b></p></body></html>\r\n", "a page");
    round_trip("no tag at all { \\ }", "text");
    round_trip("<p", "an open tag");
    round_trip("<!-- <p>", "an open comment");
    round_trip("<script>if (a < b) { x() }", "an open script");
    round_trip("&", "an ampersand");
    round_trip("", "nothing");

    /* others show the text, without what is in the head */
    conv_rtf_from_html(pool, ph_str_c("<html><head><title>T</title></head>"
                       "<body><p>one &lt;two&gt;</p><p>three</p></body>"
                       "</html>"), &rtf);
    out = ph_pstrdup(pool, rtf);
    memcpy(strstr((char *) out.data, "fromhtml1"), "otherword", 9);
    text_is((const char *) out.data, "one <two>\r\nthree\r\n",
            "what another reader shows");

    conv_rtf_from_text(pool, ph_str_c("a\tb\r\n\xC3\xA4{}\\"), &rtf);
    is_int(conv_rtf_kind(rtf), CONV_RTF_TEXT, "text");
    conv_rtf_to_text(pool, rtf, &out);
    is_str(out, "a\tb\r\n\xC3\xA4{}\\", "text there and back");
}

/* ---- genuine RTF ---- */

static void
test_native(void)
{
    ph_str_t           html;
    conv_rtf_images_t  images;

    native_is("{\\rtf1\\ansi{\\fonttbl{\\f0\\fswiss Arial;}}"
              "{\\colortbl;\\red255\\green0\\blue16;}"
              "{\\stylesheet{\\s0 Normal;}}{\\*\\generator x;}"
              "\\pard\\qc\\f0 one {\\b bold & \\cf1\\fs25 red}\\par\\par"
              "\\pard\\li720 two\\line 3{\\super x}{\\v hidden}\\par}",
              "<p style=\"margin:0;text-align:center\">"
              "<span style=\"font-family:'Arial';\">one </span>"
              "<span style=\"font-family:'Arial';font-weight:bold;\">"
              "bold &amp; "
              "</span><span style=\"font-family:'Arial';font-size:12.5pt;"
              "color:#ff0010;font-weight:bold;\">red</span></p>"
              "<p style=\"margin:0;text-align:center\">"
              "<span style=\"font-family:'Arial';\">&nbsp;</span></p>"
              "<p style=\"margin:0;margin-left:36pt\">"
              "<span style=\"font-family:'Arial';\">two<br>3</span>"
              "<sup><span style=\"font-family:'Arial';\">x</span></sup></p>",
              "formatting");
    native_is("{\\rtf1 {\\field{\\*\\fldinst{ HYPERLINK "
              "\"http://a.test/?x&y\"}}"
              "{\\fldrslt{\\ul here}}} {\\field{\\*\\fldinst HYPERLINK "
              "\"javascript:x\"}{\\fldrslt no}}}",
              "<p style=\"margin:0\"><a href=\"http://a.test/?x&amp;y\">"
              "<span style=\"text-decoration:underline;\">here</span></a>"
              "<span style=\"\"> no</span></p>", "links");
    native_is("{\\rtf1\\trowd\\intbl a\\cell b\\cell\\row\\trowd\\intbl "
              "c\\cell\\cell\\row\\pard after}",
              "<table border=\"1\" cellspacing=\"0\"><tr><td>"
              "<span style=\"\">a</span></td><td><span style=\"\">b</span></td>"
              "</tr><tr><td><span style=\"\">c</span></td><td></td></tr>"
              "</table><p style=\"margin:0\"><span style=\"\">after</span></p>",
              "a table");
    text_is("{\\rtf1\\ansi\\uc2 x\\u8364\\'80? y\\~z{\\*\\unknown no}"
            "{\\info no}\\emdash\\bin3 {}{.}",
            "x\xE2\x82\xAC y\xC2\xA0z\xE2\x80\x94.", "text of it");
    text_is("}}}{\\rtf1 a}b\\", "ab", "too many ends");

    is_int(conv_rtf_to_html(pool, ph_str_c("{\\rtf1 a{\\pict\\pngblip\\picw1 "
           "89504e\r\n47}{\\*\\shppict{\\pict\\jpegblip\\bin2 {}}}}"), &html,
           &images), PH_OK, "pictures");
    is_int(images.n, 1, "one (the other is in a group nobody knows)");
    is_cstr(images.n ? images.image[0].type : "", "image/png", "its type");
    is_mem(images.n ? images.image[0].data.data : NULL, 4, "\x89PNG", 4,
           "its bytes");
    ok(memmem(html.data, html.len, "<img src=\"cid:picture1.rtf\">", 28),
       "and its place");
}

static void
test_limits(void)
{
    char      *deep;
    size_t     i;
    ph_str_t   out;

    deep = ph_palloc(pool, 100008);
    memset(deep, '{', 50000);
    memcpy(deep + 50000, "x", 1);
    memset(deep + 50001, '}', 49999);
    memcpy(deep + 100000, "y", 2);
    text_is(deep, "y", "deep groups are left out");

    for (i = 0; i < 100000; i += 6) {
        memcpy(deep + i, "\\f9999", 6);
    }
    is_int(conv_rtf_to_html(pool, (ph_str_t) { 99996, (uint8_t *) deep },
                            &out, NULL), PH_OK, "fonts that are not there");
}

int
main(void)
{
    pool = ph_pool_create("test", 512u << 20);
    test_pack();
    test_inside();
    test_round();
    test_native();
    test_limits();
    ph_pool_destroy(&pool);

    return done_testing();
}
