/*
 * Phones that register with digest, leave and come again; and what their bindings promise to who calls their users: a
 * binding that was confirmed rings, whoever dies meanwhile, and one that is gone does not.
 */
#include "tests/storm/storm.h"

#include "call-actor/digest_client.h"
#include "tests/fuzz/virt_backends.h"

#define REALM "sentiric_demo"
#define ASKS_MAX 40        /* REGISTERs until one is taken, 503 and stale nonces between them */
#define NO_ANSWER_MS 55000 /* who rang so long may be told 480 */
#define EXPIRES_MIN_S 60
#define EXPIRES_MAX_S 200
#define SECOND_MS 1000

enum wish { STAYS, LEAVES, LOOKS };

struct phone {
    struct party *p;
    char user[8];
    enum wish wish;
    unsigned expires_s, asks;
    bool was_bound;             /* when its connection broke */
    bool asks_now;              /* a REGISTER is out, or will soon be asked again */
    char challenge[TEXT_BYTES]; /* the last 401 */
    int64_t sure_from_ms;       /* bound for certain from then … */
    int64_t sure_until_ms;      /* … until then */
    int64_t maybe_until_ms;     /* certainly not bound after this */
    int64_t seen_ms;            /* nothing was said about it after this */
};

static struct phone phones[PHONES_MAX];
static unsigned phone_cnt;

struct phone *phone_of(const struct party *p)
{
    for (unsigned i = 0; i < phone_cnt; i++) {
        if (phones[i].p == p)
            return &phones[i];
    }
    return NULL;
}

const char *phone_some_user(void)
{
    return phone_cnt > 0 ? phones[storm_rnd(phone_cnt)].user : "1";
}

static bool is_sure(const struct phone *f, int64_t from_ms, int64_t to_ms)
{
    return f->sure_from_ms <= from_ms && to_ms + SECOND_MS < f->sure_until_ms;
}

static bool is_gone(const struct phone *f, int64_t since_ms)
{
    return f->maybe_until_ms + SECOND_MS < since_ms && !world_edge_died_since(f->seen_ms - 2 * SECOND_MS);
}

/* --- REGISTER --- */

static void send_register(struct phone *f, struct span credentials)
{
    char extra[1024], contact[128] = "";
    struct party *p = f->p;
    if (f->wish == STAYS)
        (void)snprintf(contact, sizeof(contact), "Contact: <%s>\r\nExpires: %u\r\n", say_contact(p), f->expires_s);
    else if (f->wish == LEAVES)
        (void)snprintf(contact, sizeof(contact), "Contact: <%s>;expires=0\r\n", say_contact(p));
    (void)snprintf(extra, sizeof(extra), "%s%.*s", contact, SPAN_ARG(credentials));
    STORM_HOLDS(++f->asks < ASKS_MAX, "phone %u is heard", p->no);
    if (f->wish == STAYS)
        f->maybe_until_ms = INT64_MAX / 2;
    else if (f->wish == LEAVES)
        f->sure_until_ms = virt_now.mono_ms;
    (void)say_request(p, "REGISTER", extra, "");
}

static void register_with(struct phone *f, const struct out *before)
{
    static struct sip_msg challenge;
    const struct digest_login login = {.user = f->user, .secret = VIRT_SECRET, .realm = REALM};
    const struct digest_ask ask = {.login = &login,
                                   .method = SPAN("REGISTER"),
                                   .uri = span_cstr(f->p->target),
                                   .used = before != NULL ? span_cstr(f->p->nonce) : SPAN(""),
                                   .cnonce = SPAN("0123456789abcdef")};
    struct buf line;
    struct span nonce;
    buf_init(&line, 2048);
    STORM_HOLDS(sip_msg_decode(&challenge, span_cstr(f->challenge)) == 0, "a challenge is kept");
    STORM_HOLDS(digest_answer(&line, &challenge, &ask, &nonce) == DIGEST_ANSWERED, "phone %u, which knows its secret",
                f->p->no);
    (void)snprintf(f->p->nonce, sizeof(f->p->nonce), "%.*s", SPAN_ARG(nonce));
    send_register(f, buf_span(&line));
    buf_fini(&line);
}

/* With what was asked of it last, now and then: that nonce may be too old. */
static void begin(struct phone *f)
{
    f->asks = 0;
    f->asks_now = true;
    timer_cancel(&storm_timers, &f->p->act);
    f->p->nonce[0] = '\0';
    if (f->challenge[0] != '\0' && storm_chance(300))
        register_with(f, NULL);
    else
        send_register(f, SPAN(""));
}

/* --- what it is told --- */

static bool lists(const struct sip_msg *m, const struct phone *f)
{
    char all[1024], uri[64];
    joined(all, sizeof(all), m, SIP_H_CONTACT);
    (void)snprintf(uri, sizeof(uri), "<%s>", say_contact(f->p));
    return strstr(all, uri) != NULL;
}

static void taken(struct phone *f, const struct out *o, const struct sip_msg *m)
{
    int64_t now = virt_now.mono_ms;
    f->seen_ms = now;
    f->asks_now = false;
    bool is_cut_off = f->p->line != NULL && !line_is_whole(f->p->line); /* heard behind the end of its connection */
    if (f->wish == STAYS && is_cut_off) {
        f->was_bound = true;
        f->maybe_until_ms = now + (int64_t)f->expires_s * 1000;
    } else if (f->wish == STAYS) {
        STORM_HOLDS(lists(m, f), "phone %u is told its binding", f->p->no);
        if (f->sure_until_ms <= now)
            f->sure_from_ms = now;
        f->sure_until_ms = o->born_ms + (int64_t)f->expires_s * 1000;
        f->maybe_until_ms = now + (int64_t)f->expires_s * 1000;
    } else if (f->wish == LEAVES) {
        STORM_HOLDS(!lists(m, f), "phone %u, which left, is told no binding", f->p->no);
        f->sure_until_ms = f->maybe_until_ms = now;
    }
    for (unsigned i = 0; i < phone_cnt; i++) { /* of the same user */
        const struct phone *x = &phones[i];
        if (strcmp(x->user, f->user) != 0 || (x == f && f->wish != LOOKS))
            continue;
        STORM_HOLDS(lists(m, x) || !is_sure(x, o->born_ms, now), "phone %u is bound, and not told of %u", x->p->no,
                    f->p->no);
        STORM_HOLDS(!lists(m, x) || !is_gone(x, o->born_ms), "phone %u is gone, and told of", x->p->no);
    }
    if (party_is_calm && f->wish == LEAVES)
        party_over(f->p);
    else
        storm_timer_in(&f->p->act, party_is_calm ? 1 : storm_ms(20, 8000));
}

void phone_hears(struct phone *f, struct out *o, const struct sip_msg *m)
{
    if (m->status == 401) {
        (void)snprintf(f->challenge, sizeof(f->challenge), "%.*s", SPAN_ARG(m->raw));
        register_with(f, o);
    } else if (m->status == 503) {
        storm_timer_in(&f->p->act, storm_ms(200, 2000));
    } else {
        STORM_HOLDS(m->status == 200, "phone %u registers, and is told %u", f->p->no, m->status);
        taken(f, o, m);
    }
}

/* --- what it does --- */

void phone_acts(struct phone *f)
{
    static const enum wish wishes[] = {STAYS, STAYS, STAYS, LOOKS, LEAVES};
    f->wish = party_is_calm ? LEAVES : wishes[storm_rnd(5)];
    f->expires_s = (unsigned)storm_ms(EXPIRES_MIN_S, EXPIRES_MAX_S);
    begin(f);
}

void phones_begin(unsigned cnt, bool on_lines)
{
    for (unsigned i = 0; i < cnt && i < PHONES_MAX; i++) {
        struct phone *f = &phones[phone_cnt++];
        *f = (struct phone){.p = party_new(false), .sure_from_ms = INT64_MAX / 2, .maybe_until_ms = 0};
        (void)snprintf(f->user, sizeof(f->user), "%u", 20 + i / PHONES_OF_A_USER);
        (void)snprintf(f->p->user, sizeof(f->p->user), "%s", f->user);
        (void)snprintf(f->p->peer, sizeof(f->p->peer), "%s", f->user);
        (void)snprintf(f->p->call_id, ID_BYTES, "phone-%u", i);
        (void)snprintf(f->p->target, sizeof(f->p->target), "sip:192.0.2.1");
        f->p->state = PARTY_PHONE;
        f->p->line = on_lines && i % 2 == 1 ? line_new(f->p) : NULL;
        storm_timer_in(&f->p->act, storm_ms(1, 2000));
    }
}

void phones_calm(void)
{
    for (unsigned i = 0; i < phone_cnt; i++) {
        struct party *p = phones[i].p;
        if (p->state == PARTY_PHONE && timer_is_set(&p->act))
            storm_timer_in(&p->act, storm_ms(1, 500));
    }
}

void phone_is_cut_off(struct phone *f)
{
    int64_t now = virt_now.mono_ms;
    f->was_bound = f->sure_until_ms > now;
    f->sure_until_ms = f->was_bound ? now : f->sure_until_ms;
}

/* What it had asked goes for the connection that is gone. */
void phone_reconnects(struct phone *f)
{
    bool asks = f->asks_now;
    for (size_t i = 0; i < TXNS_MAX; i++) {
        struct out *o = &f->p->out[i];
        if (o->used && o->final == 0 && o->method == SIP_M_REGISTER) {
            say_stop(o);
            o->used = false;
        }
    }
    if (f->p->state != PARTY_PHONE)
        return;
    if (asks) {
        begin(f);
    } else if (f->was_bound && !party_is_calm) {
        f->wish = STAYS;
        begin(f);
    }
}

struct line *phone_line(struct span uri)
{
    for (unsigned i = 0; i < phone_cnt; i++) {
        if (span_eq(uri, span_cstr(say_contact(phones[i].p))))
            return phones[i].p->line;
    }
    return NULL;
}

/* --- what it means for calls --- */

const char *phone_rung(struct party *by, struct span uri)
{
    for (unsigned i = 0; i < phone_cnt; i++) {
        const struct phone *f = &phones[i];
        if (!span_eq(uri, span_cstr(say_contact(f->p))))
            continue;
        STORM_HOLDS(refer_is_rung_for(by, f->user), "a call of party %u does not ring %s", by->no, f->user);
        STORM_HOLDS(!is_gone(f, by->born_ms), "phone %u is gone, and is rung", f->p->no);
        return f->user;
    }
    STORM_HOLDS(refer_is_rung_for(by, "1"), "a call of party %u does not ring 1", by->no);
    return "1";
}

/* Somebody has answered, and hung up before the caller could be told: a 2xx waits for what is to be PRACKed (RFC 3262
 * §3). */
static bool was_answered(const struct party *caller)
{
    for (unsigned i = 0; i < party_cnt; i++)
        if (parties[i].picked_up && parties[i].rung_by == caller)
            return true;
    return false;
}

void phone_check_refusal(const struct party *caller, unsigned status)
{
    /* 482: of a fork */
    bool excused = virt_now.mono_ms - caller->born_ms > NO_ANSWER_MS || status == 487 || status == 482 ||
                   caller->is_to_end || was_answered(caller);
    for (unsigned i = 0; i < phone_cnt; i++) {
        const struct phone *f = &phones[i];
        bool is_his = strcmp(caller->peer, f->user) == 0 && is_sure(f, caller->born_ms, virt_now.mono_ms);
        STORM_HOLDS(!is_his || excused || (caller->refusals >> (status % 32) & 1) != 0,
                    "party %u calls %s, who is registered, and gets %u", caller->no, f->user, status);
    }
}
