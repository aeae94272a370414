/*
 * REGISTERs for one address-of-record, one behind the other, NUL between them: the digest check and the bindings.
 * Nobody is let in without the secret; what is stored can be read back and stays within its limits; the same request
 * once more changes nothing; the answer is one header a line.
 */
#include "call-actor/aor.h"
#include "call-actor/auth.h"
#include "call-actor/call_row.h"
#include "tests/fuzz/fuzz.h"

#define BINDINGS_MAX 4u

static const struct aor_conf conf = {.min_s = 60, .max_s = 7200, .default_s = 3600, .bindings_max = BINDINGS_MAX};
static struct now now = {.mono_ms = 1000000, .wall_ms = 1700000000000};
static struct sip_msg msg;

static void check_auth(struct auth *a)
{
    struct cred told = {.known = true, .ha1 = "0123456789abcdef0123456789abcdef"};
    struct auth_seen seen;
    struct auth_request q = {
        .msg = &msg, .header = SIP_H_AUTHORIZATION, .as = SPAN("alice"), .txn = SPAN("t"), .told = &told};
    enum auth_is is = auth_check(a, &q, now, &seen);
    FUZZ_ASSERT(is != AUTH_OK && is != AUTH_ASK);
}

/* What the digest itself makes of hostile fields, the nonce aside. */
static void check_digest(void)
{
    struct digest_claim c;
    if (digest_find(&c, &msg, SIP_H_AUTHORIZATION, SPAN("sentiric_demo"), DIGEST_MD5_ONLY) != DIGEST_FOUND)
        return;
    FUZZ_ASSERT(fuzz_inside(c.nonce, msg.raw) && fuzz_inside(c.username, msg.raw) && c.response.len > 0);
    FUZZ_ASSERT(!digest_matches(&c, msg.method_text, SPAN("0123456789abcdef0123456789abcdef")));
}

static void check_row(const Store__AorRow *row)
{
    size_t n = store__aor_row__get_packed_size(row);
    FUZZ_ASSERT(row->n_bindings <= BINDINGS_MAX && n <= AOR_ROW_BYTES_MAX);
    uint8_t *bytes = malloc(n + 1);
    FUZZ_ASSERT(bytes != NULL);
    FUZZ_ASSERT(store__aor_row__pack(row, bytes) == n);
    Store__AorRow *again = store__aor_row__unpack(NULL, n, bytes);
    FUZZ_ASSERT(again != NULL && again->n_bindings == row->n_bindings);
    store__aor_row__free_unpacked(again, NULL);
    free(bytes);
    for (size_t i = 0; i < row->n_bindings; i++)
        FUZZ_ASSERT(aor_left_s(row->bindings[i], now) >= 1 && aor_left_s(row->bindings[i], now) <= conf.max_s);
}

static void check_answer(const Store__AorRow *row, const struct aor_request *r, const struct aor_answer *done)
{
    struct buf out;
    buf_init(&out, AOR_ROW_BYTES_MAX);
    aor_write_answer(&out, row, r, done, now);
    FUZZ_ASSERT(!out.failed);
    for (struct span rest = buf_span(&out); rest.len > 0;) {
        size_t end = span_find(rest, '\n');
        FUZZ_ASSERT(end < rest.len && end > 0 && rest.p[end - 1] == '\r');
        FUZZ_ASSERT(span_find(span_of(rest.p, end - 1), '\r') == end - 1);
        FUZZ_ASSERT(span_find(span_of(rest.p, end), ':') < end);
        rest = span_from(rest, end + 1);
    }
    buf_fini(&out);
}

static Store__AorRow *row_again(const Store__AorRow *row)
{
    struct buf b;
    buf_init(&b, AOR_ROW_BYTES_MAX);
    size_t n = store__aor_row__get_packed_size(row);
    char *p = buf_reserve(&b, n + 1);
    FUZZ_ASSERT(p != NULL);
    (void)store__aor_row__pack(row, (uint8_t *)p);
    Store__AorRow *copy = store__aor_row__unpack(NULL, n, (const uint8_t *)p);
    FUZZ_ASSERT(copy != NULL);
    buf_fini(&b);
    return copy;
}

/* returns the row from now on */
static Store__AorRow *take(Store__AorRow *row, uint64_t id)
{
    Plane__Endpoint source = PLANE__ENDPOINT__INIT;
    source.transport = (char *)"UDP";
    source.addr = (char *)"192.0.2.1";
    source.port = 5060;
    struct aor_request r = {.msg = &msg, .source = &source, .local_addr = "192.0.2.9", .id = id};
    struct aor_answer done;
    Store__AorRow *work = row_again(row);
    aor_register(work, &conf, &r, now, &done);
    if (done.status != 200) {
        FUZZ_ASSERT(done.status >= 400 && done.status < 600);
        store__aor_row__free_unpacked(work, NULL);
        return row;
    }
    check_row(work);
    check_answer(work, &r, &done);
    struct aor_answer repeat;
    Store__AorRow *second = row_again(work);
    aor_register(second, &conf, &r, now, &repeat);
    FUZZ_ASSERT(repeat.status == 200 && second->n_bindings >= work->n_bindings);
    store__aor_row__free_unpacked(second, NULL);
    store__aor_row__free_unpacked(row, NULL);
    return work;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[CRYPT_KEY_BYTES] = {1};
    static struct auth auth;
    auth_init(&auth, &(struct auth_args){.realm = "sentiric_demo",
                                         .nonce_key = key,
                                         .seed = key,
                                         .nonce_s = 300,
                                         .credentials_s = 60,
                                         .failures_max = 20,
                                         .now = now});
    Store__AorRow *row = row_alloc(sizeof(*row));
    store__aor_row__init(row);
    row_text(&row->user, SPAN("alice"));
    uint64_t id = 0;
    for (struct span rest = fuzz_span(data, size); rest.len > 0;) {
        size_t n = span_find(rest, '\0');
        now.wall_ms += 1000;
        if (sip_msg_decode(&msg, span_of(rest.p, n)) == 0 && msg.is_request && msg.method == SIP_M_REGISTER) {
            check_auth(&auth);
            check_digest();
            row = take(row, ++id);
        }
        rest = span_from(rest, n + 1);
    }
    store__aor_row__free_unpacked(row, NULL);
    auth_fini(&auth);
    return 0;
}
