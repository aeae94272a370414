/* Who our INVITEs say is calling: RFC 3323, RFC 3325. */
#include "tests/unit/testkit.h"

#include "call-actor/identity.h"
#include <stdio.h>
#include <string.h>

static struct sip_msg msg;
static char text[4096];

static const struct sip_msg *invite(const char *from, const char *headers)
{
    (void)snprintf(text, sizeof(text),
                   "INVITE sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: %s\r\nTo: <sip:b@h>\r\n"
                   "Call-ID: 1\r\nCSeq: 1 INVITE\r\n%sContent-Length: 0\r\n\r\n",
                   from, headers);
    assert_int_equal(sip_msg_decode(&msg, span_cstr(text)), 0);
    return &msg;
}

#define PAI(value) "P-Asserted-Identity: " value "\r\n"
#define PRIVACY(value) "Privacy: " value "\r\n"

static void what_is_asserted(void **state)
{
    (void)state;
    static const struct {
        const char *headers;
        bool from_trusted;
        const char *user, *want;
    } rows[] = {
        {"", true, "", ""},
        {PAI("<sip:+902121234567@gw>"), true, NULL, "<sip:+902121234567@gw>"},
        {PAI("<sip:+902121234567@gw>"), false, "", ""},
        {PAI("\"A, B\" <sip:1@gw>, tel:+901"), true, "", "\"A, B\" <sip:1@gw>, tel:+901"},
        {PAI("<sip:1@gw>") PAI("<tel:+901>"), true, "", "<sip:1@gw>, <tel:+901>"},
        {PAI("<sip:1@gw>, <sips:2@gw>, <tel:+901>"), true, "", "<sip:1@gw>, <tel:+901>"}, /* one of each */
        {PAI("<tel:+901>, <tel:+902>"), true, "", "<tel:+901>"},
        {PAI("<mailto:a@b>, junk, <sip:1@gw>"), true, "", "<sip:1@gw>"},
        /* a user asserts nothing: it is we who know who he is */
        {PAI("<sip:boss@h>"), false, "alice", "<sip:alice@demo>"},
        {"P-Preferred-Identity: <sip:boss@h>\r\n", false, "alice", "<sip:alice@demo>"},
        {"", false, "a b@c", "<sip:a%20b%40c@demo>"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf out;
        buf_init(&out, 4096);
        identity_write_asserted(&out, invite("<sip:a@h>;tag=1", rows[i].headers), rows[i].from_trusted, rows[i].user,
                                "demo");
        const char *got = out.len > 0 ? buf_cstr(&out) : "";
        if (strcmp(got, rows[i].want) != 0)
            fail_msg("row %zu: '%s' instead of '%s'", i, got, rows[i].want);
        buf_fini(&out);
    }
}

static void too_long_is_not_asserted(void **state)
{
    (void)state;
    char headers[2048], name[IDENTITY_BYTES_MAX];
    struct buf out;
    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    (void)snprintf(headers, sizeof(headers), PAI("\"%s\" <sip:1@gw>") PAI("<tel:+901>"), name);
    buf_init(&out, 4096);
    identity_write_asserted(&out, invite("<sip:a@h>;tag=1", headers), true, "", "demo");
    assert_string_equal(buf_cstr(&out), "<tel:+901>");
    buf_fini(&out);
}

static void what_is_asked_in_privacy(void **state)
{
    (void)state;
    static const struct {
        const char *headers;
        bool is_impossible;
        const char *want;
    } rows[] = {
        {"", false, ""},
        {PRIVACY("id"), false, "id"},
        {PRIVACY("USER;id"), false, "user;id"},
        {PRIVACY("user, id"), false, "user;id"},
        {PRIVACY("user") PRIVACY("id"), false, "user;id"},
        {PRIVACY("header"), false, "header"},
        {PRIVACY("none"), false, "none"},
        {PRIVACY("session"), false, "session"},
        {PRIVACY("id;critical"), false, "critical;id"},
        {PRIVACY("session;critical"), true, "session;critical"},
        {PRIVACY("full;;id ; x"), false, "id"},
        {PRIVACY("identity"), false, ""},
        {PRIVACY(";"), false, ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf out;
        buf_init(&out, IDENTITY_PRIVACY_MAX);
        identity_write_privacy(&out, invite("<sip:a@h>;tag=1", rows[i].headers));
        const char *got = out.len > 0 ? buf_cstr(&out) : "";
        if (strcmp(got, rows[i].want) != 0)
            fail_msg("row %zu: '%s'", i, got);
        assert_int_equal(identity_is_impossible(got), rows[i].is_impossible);
        buf_fini(&out);
    }
}

#define ANONYMOUS "From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=t1\r\n"
#define ASSERTED "P-Asserted-Identity: <sip:+901@gw>\r\n"

static void what_an_out_leg_says(void **state)
{
    (void)state;
    static const struct {
        const char *from, *privacy;
        bool from_trusted, to_trusted;
        const char *want;
    } rows[] = {
        /* to a phone: From, and nothing of what is asserted */
        {"<sip:902121234567@gw.example>;tag=x", "", true, false, "From: <sip:902121234567@demo>;tag=t1\r\n"},
        {"\"Ali \\\"x\\\" Veli\" <sip:+90212555@gw:5070;user=phone>;tag=x;epid=1", "", true, false,
         "From: \"Ali \\\"x\\\" Veli\" <sip:+90212555@demo>;tag=t1\r\n"},
        {"Alice Doe <sip:alice@192.0.2.7>;tag=x", "", false, false, "From: \"Alice Doe\" <sip:alice@demo>;tag=t1\r\n"},
        {"sip:alice:secret@192.0.2.7;tag=x", "", false, false, "From: <sip:alice@demo>;tag=t1\r\n"},
        {"<sip:joe@example.org>;tag=x", "", true, false, "From: <sip:joe@example.org>;tag=t1\r\n"},
        {"<sip:joe@example.org>;tag=x", "", false, false, "From: <sip:joe@demo>;tag=t1\r\n"},
        {"<tel:+90-212-1234567>;tag=x", "", true, false, "From: <sip:+90-212-1234567@demo>;tag=t1\r\n"},
        {"<sip:gw.example>;tag=x", "", true, false, "From: <sip:demo>;tag=t1\r\n"},
        {"\"\xff\xfe\" <sip:90212@gw>;tag=x", "", false, false, "From: <sip:90212@demo>;tag=t1\r\n"}, /* no text */
        /* who is an extension there is none of ours */
        {"<sip:1001@gw.example>;tag=x", "", true, false, "From: <sip:1001@gw.example>;tag=t1\r\n"},
        {"<sip:1001@gw.example>;tag=x", "", false, false, "From: <sip:1001@demo>;tag=t1\r\n"},
        {"<sip:anonymous@gw>;tag=x", "", true, false, ANONYMOUS},
        {"\"Anonymous\" <sip:x@anonymous.invalid>;tag=x", "", true, false, ANONYMOUS},
        {"<urn:service:sos>;tag=x", "", true, false, ANONYMOUS},
        {"junk", "", true, false, ANONYMOUS},
        {"\"Secret\" <sip:901@gw>;tag=x", "id", true, false, ANONYMOUS},
        {"\"Secret\" <sip:901@gw>;tag=x", "user;critical", true, false, ANONYMOUS},
        {"<sip:901@gw>;tag=x", "header;session;none", true, false, "From: <sip:901@gw>;tag=t1\r\n"},
        /* to the trunk: what is asserted, and that it is not to be told on */
        {"<sip:901@gw>;tag=x", "", true, true, "From: <sip:901@demo>;tag=t1\r\n" ASSERTED},
        {"<sip:901@gw>;tag=x", "none", true, true, "From: <sip:901@demo>;tag=t1\r\n" ASSERTED "Privacy: none\r\n"},
        {"<sip:901@gw>;tag=x", "id", true, true, ANONYMOUS ASSERTED "Privacy: id\r\n"},
        {"<sip:901@gw>;tag=x", "user;id;critical", true, true, ANONYMOUS ASSERTED "Privacy: id\r\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf out;
        buf_init(&out, 4096);
        identity_write(&out, &(struct identity_args){.from = rows[i].from,
                                                     .tag = "t1",
                                                     .asserted = "<sip:+901@gw>",
                                                     .privacy = rows[i].privacy,
                                                     .domain = "demo",
                                                     .from_trusted = rows[i].from_trusted,
                                                     .to_trusted = rows[i].to_trusted});
        if (strcmp(buf_cstr(&out), rows[i].want) != 0)
            fail_msg("row %zu: '%s' instead of '%s'", i, buf_cstr(&out), rows[i].want);
        buf_fini(&out);
    }
}

static void what_is_not_known_is_not_asserted(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    identity_write(&out, &(struct identity_args){.from = "<sip:901@gw>;tag=x",
                                                 .tag = "t1",
                                                 .asserted = "",
                                                 .privacy = "id",
                                                 .domain = "demo",
                                                 .to_trusted = true});
    assert_string_equal(buf_cstr(&out), ANONYMOUS);
    buf_fini(&out);
}

static void a_long_display_name_is_left_out(void **state)
{
    (void)state;
    char from[1024], name[IDENTITY_DISPLAY_MAX + 2];
    struct buf out;
    memset(name, 'n', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    (void)snprintf(from, sizeof(from), "\"%s\" <sip:901@gw>;tag=x", name);
    buf_init(&out, 4096);
    struct identity_args a = {.from = from, .tag = "t1", .asserted = "", .privacy = "", .domain = "demo"};
    identity_write(&out, &a);
    assert_string_equal(buf_cstr(&out), "From: <sip:901@demo>;tag=t1\r\n");
    buf_fini(&out);
}

static void the_callers_number(void **state)
{
    (void)state;
    static const struct {
        const char *from, *headers;
        bool from_trusted;
        const char *want;
    } rows[] = {
        {"<sip:05321112233@gw>;tag=1", "", true, "905321112233"},
        {"<sip:05321112233@gw>;tag=1", PAI("<sip:+902121234567@gw>"), true, "905321112233"}, /* From says it */
        {"<sip:gw.example>;tag=1", PAI("<sip:+902121234567@gw>"), true, "902121234567"},
        {"<sip:gw.example>;tag=1", PAI("\"x\" <sip:gw>, <tel:+902121234567>"), true, "902121234567"},
        {"<sip:gw.example>;tag=1", PAI("<sip:+902121234567@gw>"), false, "anonymous"},
        {"<sip:gw.example>;tag=1", PAI("<sip:+902121234567@gw>") PRIVACY("id"), true, "anonymous"},
        {"<sip:anonymous@anonymous.invalid>;tag=1", PAI("<sip:+902121234567@gw>"), true, "anonymous"},
        {"<sip:gw.example>;tag=1", "", true, "anonymous"},
        {"<sip:%c3%a9@gw>;tag=1", "", true, "anonymous"},
        {"<sip:alice@gw>;tag=1", "", false, "alice"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char number[NUMBER_MAX];
        identity_number(number, invite(rows[i].from, rows[i].headers), rows[i].from_trusted);
        if (strcmp(number, rows[i].want) != 0)
            fail_msg("row %zu: '%s' instead of '%s'", i, number, rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asserted),
        cmocka_unit_test(too_long_is_not_asserted),
        cmocka_unit_test(what_is_asked_in_privacy),
        cmocka_unit_test(what_an_out_leg_says),
        cmocka_unit_test(what_is_not_known_is_not_asserted),
        cmocka_unit_test(a_long_display_name_is_left_out),
        cmocka_unit_test(the_callers_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
