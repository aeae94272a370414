/* Nonces, credentials, failures, and the verdict they make together. Time is an argument. */
#include "tests/unit/testkit.h"

#include "call-actor/auth.h"
#include <stdio.h>

#define LIFE_S 300
#define ORIGIN 4711u

static const uint8_t key[CRYPT_KEY_BYTES] = {1, 2, 3};
static const uint8_t seed[AUTH_SEED_BYTES] = {9};

static struct now now = {.mono_ms = 5000000, .wall_ms = 1700000000000};
static struct auth auth;
static struct sip_msg msg;
static char text[4096];

static void init(struct nonces *n, const uint8_t *k, const char *realm)
{
    nonces_init(n, &(struct nonces_args){.key = k, .realm = span_cstr(realm), .life_s = LIFE_S, .now = now});
}

static struct now later(int64_t ms)
{
    return (struct now){.mono_ms = now.mono_ms + ms, .wall_ms = now.wall_ms + ms};
}

static enum nonce_is is_nonce(struct nonces *n, struct span t, struct now at)
{
    uint32_t origin;
    enum nonce_is is = nonce_check(n, t, at, &origin);
    assert_true(is != NONCE_GOOD || origin == ORIGIN);
    return is;
}

static void a_nonce_is_ours_for_its_life(void **state)
{
    (void)state;
    struct nonces n;
    struct nonces other;
    char made[NONCE_TEXT_SIZE];
    const uint8_t key2[CRYPT_KEY_BYTES] = {1, 2, 4};
    init(&n, key, "r");
    struct span t = nonce_make(&n, 7, ORIGIN, now, made);
    assert_int_equal(is_nonce(&n, t, now), NONCE_GOOD);
    assert_int_equal(is_nonce(&n, t, later(LIFE_S * 1000)), NONCE_GOOD);
    assert_int_equal(is_nonce(&n, t, later(LIFE_S * 1000 + 1)), NONCE_STALE);
    assert_int_equal(is_nonce(&n, t, later(-NONCE_AHEAD_MS)), NONCE_GOOD);      /* the edge's turn began after ours */
    assert_int_equal(is_nonce(&n, t, later(-NONCE_AHEAD_MS - 1)), NONCE_STALE); /* from the future */
    for (size_t i = 0; i < t.len; i++) {
        made[i] ^= 1; /* every character counts */
        assert_int_equal(is_nonce(&n, t, now), NONCE_STALE);
        made[i] ^= 1;
    }
    assert_int_equal(is_nonce(&n, span_of(t.p, t.len - 1), now), NONCE_STALE);
    assert_int_equal(is_nonce(&n, SPAN(""), now), NONCE_STALE);
    init(&other, key2, "r");
    assert_int_equal(is_nonce(&other, t, now), NONCE_STALE);
    init(&other, key, "R");
    assert_int_equal(is_nonce(&other, t, now), NONCE_STALE);
}

/* After a restart with the same key: what may be under way is taken, what could be a replay of long ago is not. */
static void a_restart(void **state)
{
    (void)state;
    struct nonces n;
    struct nonces after;
    char made[NONCE_TEXT_SIZE];
    init(&n, key, "r");
    struct span t = nonce_make(&n, 7, ORIGIN, now, made);
    nonces_init(&after, &(struct nonces_args){.key = key, .realm = SPAN("r"), .life_s = LIFE_S, .now = later(1000)});
    assert_int_equal(is_nonce(&after, t, later(NONCE_OLD_MS)), NONCE_GOOD);
    assert_int_equal(is_nonce(&after, t, later(NONCE_OLD_MS + 1)), NONCE_STALE);
    assert_int_equal(nonce_take(&after, t, 1, 100, later(2000)), NONCE_NEW);
    assert_int_equal(is_nonce(&after, t, later(NONCE_OLD_MS + 1)), NONCE_GOOD); /* its count is known again */
    nonces_fini(&after);
}

static void counts_grow(void **state)
{
    (void)state;
    struct nonces n;
    char made[NONCE_TEXT_SIZE];
    init(&n, key, "r");
    struct span t = nonce_make(&n, 7, ORIGIN, now, made);
    assert_int_equal(nonce_take(&n, t, 1, 100, now), NONCE_NEW);
    assert_int_equal(nonce_take(&n, t, 1, 100, now), NONCE_REPEAT); /* the edge asks again */
    assert_int_equal(nonce_take(&n, t, 1, 101, now), NONCE_REPLAY);
    assert_int_equal(nonce_take(&n, t, 5, 102, now), NONCE_NEW); /* a request may be lost */
    assert_int_equal(nonce_take(&n, t, 4, 103, now), NONCE_REPLAY);
    assert_int_equal(nonce_take(&n, t, 0, 104, now), NONCE_NEW); /* without qop: used up */
    assert_int_equal(nonce_take(&n, t, 0, 105, now), NONCE_REPLAY);
    assert_int_equal(nonce_take(&n, t, 0xffffffff, 106, now), NONCE_REPLAY);
    nonces_fini(&n);
}

/* A forgotten count is never accepted again. */
static void the_table_is_bounded(void **state)
{
    (void)state;
    struct nonces n;
    char made[5][NONCE_TEXT_SIZE];
    struct span t[5];
    init(&n, key, "r");
    n.used_max = 3;
    for (int i = 0; i < 5; i++)
        t[i] = nonce_make(&n, (uint64_t)i, ORIGIN, later(i), made[i]);
    for (int i = 0; i < 4; i++)
        assert_int_equal(nonce_take(&n, t[i], 1, (uint64_t)i, later(10)), NONCE_NEW);
    assert_int_equal(n.used.count, 3);
    assert_int_equal(is_nonce(&n, t[0], later(10)), NONCE_STALE);
    for (int i = 1; i < 5; i++)
        assert_int_equal(is_nonce(&n, t[i], later(10)), NONCE_GOOD);
    assert_int_equal(nonce_take(&n, t[4], 1, 9, later(LIFE_S * 1000 + 4)), NONCE_NEW); /* the dead make room first */
    assert_int_equal(n.used.count, 1);
    nonces_fini(&n);
}

/* Whoever asks after the clock was set back gets in, however far: the bound does not wait for the old time. */
static void the_clock_is_set_back(void **state)
{
    (void)state;
    struct nonces n;
    char made[NONCE_TEXT_SIZE];
    const int64_t back_ms = (int64_t)-10 * LIFE_S * 1000;
    init(&n, key, "r");
    n.used_max = 2;
    for (int i = 0; i < 4; i++) {
        struct span t = nonce_make(&n, (uint64_t)i, ORIGIN, later(i), made);
        assert_int_equal(nonce_take(&n, t, 1, (uint64_t)i, later(i)), NONCE_NEW);
    }
    struct span old = nonce_make(&n, 9, ORIGIN, later(back_ms), made);
    assert_int_equal(is_nonce(&n, old, later(back_ms + 1)), NONCE_STALE); /* it might have been used up */
    for (int i = 0; i < 4; i++) { /* those of the old time make room, and set no bound */
        struct span t = nonce_make(&n, (uint64_t)(10 + i), ORIGIN, later(back_ms + 1 + i), made);
        assert_int_equal(is_nonce(&n, t, later(back_ms + 1 + i)), NONCE_GOOD);
        assert_int_equal(nonce_take(&n, t, 1, (uint64_t)(10 + i), later(back_ms + 1 + i)), NONCE_NEW);
    }
    nonces_fini(&n);
}

static void without_memory(void **state)
{
    (void)state;
    struct nonces n;
    char made[NONCE_TEXT_SIZE];
    init(&n, key, "r");
    struct span t = nonce_make(&n, 7, ORIGIN, now, made);
    for (unsigned i = 0;; i++) {
        testkit_fail_alloc(i);
        enum nonce_use use = nonce_take(&n, t, 1, 1, now);
        if (!testkit_alloc_failed()) {
            assert_int_equal(use, NONCE_NEW);
            break;
        }
        assert_int_equal(use, NONCE_NOTABLE);
    }
    nonces_fini(&n);
}

static struct failures f;

static bool add(uint32_t origin, const char *user)
{
    return failures_add(&f, &(struct failures_of){.origin = origin, .user = span_cstr(user)}, now);
}

static bool over_at(uint32_t origin, const char *user, struct now at)
{
    return failures_is_over(&f, &(struct failures_of){.origin = origin, .user = span_cstr(user)}, at);
}

static void failures_of_one_are_not_another_s(void **state)
{
    (void)state;
    const struct failures_of registered = {.origin = 1, .registered = true, .user = SPAN("alice")};
    failures_init(&f, 3, seed);
    assert_false(add(1, "alice"));
    assert_false(add(1, "alice"));
    assert_false(over_at(1, "alice", now));
    assert_true(add(1, "alice"));
    assert_true(over_at(1, "alice", now));
    assert_false(add(1, "alice")); /* said once */
    assert_false(over_at(1, "bob", now));
    assert_false(over_at(2, "alice", now));
    assert_false(failures_is_over(&f, &registered, now));
    assert_false(over_at(1, "alice", later(60000)));
    failures_init(&f, 0, seed);
    for (int i = 0; i < 100; i++)
        assert_false(add(1, "u"));
    assert_false(over_at(1, "u", now));
}

/* Half a million failures in a minute, each in another name: nobody who did not fail is locked out. */
static void failures_do_not_fill_up(void **state)
{
    (void)state;
    char user[16];
    failures_init(&f, 20, seed);
    for (uint32_t i = 0; i < 500000; i++) {
        (void)snprintf(user, sizeof(user), "x%u", i);
        (void)add(i % 97, user);
    }
    for (uint32_t i = 0; i < 10000; i++) {
        (void)snprintf(user, sizeof(user), "good%u", i);
        assert_false(over_at(i, user, now));
    }
    for (int i = 0; i < 20; i++)
        (void)add(1, "bob");
    assert_true(over_at(1, "bob", now)); /* it never counts too few */
}

static void credentials_are_kept_a_while(void **state)
{
    (void)state;
    struct creds c;
    struct cred got;
    struct cred one = {.known = true, .ha1 = "0123456789abcdef0123456789abcdef"};
    creds_init(&c, 60);
    c.max = 2;
    creds_learn(&c, SPAN("a"), &one, now);
    creds_learn(&c, SPAN("b"), &(struct cred){.known = false}, now);
    assert_true(creds_find(&c, SPAN("a"), later(59999), &got) && got.known);
    assert_string_equal(got.ha1, one.ha1);
    assert_true(creds_find(&c, SPAN("b"), now, &got) && !got.known);
    creds_learn(&c, SPAN("c"), &one, now); /* full: the oldest goes */
    assert_false(creds_find(&c, SPAN("a"), now, &got));
    creds_drop(&c, SPAN("c"));
    assert_false(creds_find(&c, SPAN("c"), now, &got));
    assert_false(creds_find(&c, SPAN("b"), later(60000), &got));
    assert_int_equal(c.by_user.count, 0);
    c.life_ms = 0;
    creds_learn(&c, SPAN("a"), &one, now);
    assert_false(creds_find(&c, SPAN("a"), now, &got));
    creds_fini(&c);
}

/* --- the verdict --- */

static void begin(uint32_t max)
{
    auth_fini(&auth);
    auth_init(&auth, &(struct auth_args){.realm = "the \"realm\"",
                                         .nonce_key = key,
                                         .seed = seed,
                                         .nonce_s = LIFE_S,
                                         .credentials_s = 60,
                                         .failures_max = max,
                                         .now = now});
}

static struct cred secret_of(const char *user, const char *password)
{
    struct cred c = {.known = true};
    char hex[CRYPT_HEX_SIZE];
    const struct span parts[] = {span_cstr(user), SPAN("the \"realm\""), span_cstr(password)};
    crypt_hash_joined(CRYPT_MD5, parts, 3, hex);
    memcpy(c.ha1, hex, sizeof(c.ha1));
    return c;
}

/* A REGISTER of this user with this password and nonce. */
static void make(const char *user, const char *password, struct span nonce, unsigned nc)
{
    char ha2[CRYPT_HEX_SIZE];
    char response[CRYPT_HEX_SIZE];
    char count[9];
    struct cred c = secret_of(user, password);
    const struct span a2[] = {SPAN("REGISTER"), SPAN("sip:h")};
    crypt_hash_joined(CRYPT_MD5, a2, 2, ha2);
    (void)snprintf(count, sizeof(count), "%08x", nc);
    const struct span parts[] = {span_cstr(c.ha1), nonce, span_cstr(count), SPAN("c"), SPAN("auth"), span_cstr(ha2)};
    crypt_hash_joined(CRYPT_MD5, parts, 6, response);
    (void)snprintf(text, sizeof(text),
                   "REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n"
                   "To: <sip:a@h>\r\nCall-ID: 1\r\nCSeq: %u REGISTER\r\nAuthorization: Digest username=\"%s\", "
                   "realm=\"the \\\"realm\\\"\", nonce=\"%.*s\", uri=\"sip:h\", qop=auth, nc=%s, cnonce=\"c\", "
                   "response=\"%s\"\r\nContent-Length: 0\r\n\r\n",
                   nc, user, SPAN_ARG(nonce), count, response);
}

static enum auth_is judge(const struct cred *told, bool registered, bool *last)
{
    struct auth_seen seen;
    assert_int_equal(sip_msg_decode(&msg, span_cstr(text)), 0);
    struct auth_request q = {.msg = &msg,
                             .header = SIP_H_AUTHORIZATION,
                             .as = SPAN("alice"),
                             .txn = SPAN("txn"),
                             .told = told,
                             .registered = registered};
    enum auth_is is = auth_check(&auth, &q, now, &seen);
    if (last != NULL)
        *last = seen.last;
    return is;
}

static enum auth_is verdict(const struct cred *told, bool *last)
{
    return judge(told, false, last);
}

static void learn(const struct cred *c)
{
    creds_learn(&auth.creds, SPAN("alice"), c, now);
}

static void verdicts(void **state)
{
    (void)state;
    char made[NONCE_TEXT_SIZE];
    begin(20);
    struct cred right = secret_of("alice", "p");
    struct cred unknown = {.known = false};
    struct span nonce = nonce_make(&auth.nonces, 1, ORIGIN, now, made);
    make("alice", "p", nonce, 1);
    assert_int_equal(verdict(NULL, NULL), AUTH_ASK);
    learn(&right);
    assert_int_equal(verdict(&right, NULL), AUTH_OK);
    assert_int_equal(verdict(NULL, NULL), AUTH_OK); /* the same request once more */
    make("alice", "p", nonce, 2);
    assert_int_equal(verdict(NULL, NULL), AUTH_OK); /* from what is kept */
    make("alice", "p", nonce, 1);
    assert_int_equal(verdict(NULL, NULL), AUTH_STALE);
    make("alice", "p", SPAN("made up"), 1);
    assert_int_equal(verdict(NULL, NULL), AUTH_STALE);
    make("bob", "p", nonce, 3);
    assert_int_equal(verdict(NULL, NULL), AUTH_FORBIDDEN);
    make("alice", "wrong", nonce, 3);
    assert_int_equal(verdict(NULL, NULL), AUTH_ASK); /* the password may have been changed */
    assert_int_equal(verdict(&right, NULL), AUTH_WRONG);
    assert_int_equal(verdict(&unknown, NULL), AUTH_WRONG);
    learn(&unknown);
    assert_int_equal(verdict(NULL, NULL), AUTH_ASK); /* as for a known one */
}

/* Whoever sends the digest of the secret that stands in for unknown users is not let in. */
static void nobody_is_nobody(void **state)
{
    (void)state;
    char made[NONCE_TEXT_SIZE];
    begin(20);
    struct span nonce = nonce_make(&auth.nonces, 1, ORIGIN, now, made);
    char ha2[CRYPT_HEX_SIZE];
    char response[CRYPT_HEX_SIZE];
    const struct span a2[] = {SPAN("REGISTER"), SPAN("sip:h")};
    crypt_hash_joined(CRYPT_MD5, a2, 2, ha2);
    const struct span parts[] = {
        SPAN("00000000000000000000000000000000"), nonce, SPAN("00000001"), SPAN("c"), SPAN("auth"), span_cstr(ha2)};
    crypt_hash_joined(CRYPT_MD5, parts, 6, response);
    make("alice", "p", nonce, 1);
    char *at = strstr(text, "response=\"") + strlen("response=\"");
    memcpy(at, response, 32);
    struct cred unknown = {.known = false};
    assert_int_equal(verdict(&unknown, NULL), AUTH_WRONG);
}

static void throttled(void **state)
{
    (void)state;
    char made[NONCE_TEXT_SIZE];
    bool last;
    begin(3);
    struct cred right = secret_of("alice", "p");
    struct span nonce = nonce_make(&auth.nonces, 1, ORIGIN, now, made);
    for (int i = 0; i < 3; i++) {
        make("alice", "wrong", nonce, 1);
        assert_int_equal(verdict(&right, &last), AUTH_WRONG);
        assert_int_equal(last, i == 2);
    }
    make("alice", "p", nonce, 2);
    assert_int_equal(verdict(&right, NULL), AUTH_THROTTLED);
    assert_int_equal(judge(&right, true, NULL), AUTH_OK); /* behind the same NAT, but registered from there */
    make("alice", "p", nonce, 3);
    struct now before = now;
    now = later(60000);
    assert_int_equal(verdict(&right, NULL), AUTH_OK);
    now = before;
    auth_fini(&auth);
}

/* Who wants alice locked out writes her address into a datagram; her challenges he does not get. */
static void a_forged_source_fails_for_itself(void **state)
{
    (void)state;
    char hers[NONCE_TEXT_SIZE];
    char his[NONCE_TEXT_SIZE];
    begin(3);
    struct cred right = secret_of("alice", "p");
    struct span nonce = nonce_make(&auth.nonces, 1, ORIGIN, now, hers);
    struct span forged = nonce_make(&auth.nonces, 2, ORIGIN + 1, now, his);
    for (int i = 0; i < 10; i++) {
        make("alice", "wrong", forged, 1);
        assert_int_equal(verdict(&right, NULL), i < 3 ? AUTH_WRONG : AUTH_THROTTLED);
    }
    make("alice", "p", nonce, 1);
    assert_int_equal(verdict(&right, NULL), AUTH_OK);
    auth_fini(&auth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_nonce_is_ours_for_its_life),
        cmocka_unit_test(a_restart),
        cmocka_unit_test(counts_grow),
        cmocka_unit_test(the_table_is_bounded),
        cmocka_unit_test(the_clock_is_set_back),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(failures_of_one_are_not_another_s),
        cmocka_unit_test(failures_do_not_fill_up),
        cmocka_unit_test(credentials_are_kept_a_while),
        cmocka_unit_test(verdicts),
        cmocka_unit_test(nobody_is_nobody),
        cmocka_unit_test(throttled),
        cmocka_unit_test(a_forged_source_fails_for_itself),
    };
    nonces_init(&auth.nonces, &(struct nonces_args){.key = key, .realm = SPAN(""), .now = now});
    creds_init(&auth.creds, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
