#include "call-actor/offer.h"

#include "common/sip/sip_lex.h"
#include <arpa/inet.h>
#include <stdio.h>

#define PTIME_MS 20
#define PT_EVENT_OURS 101 /* telephone-event in an offer of ours */

/* What media-service speaks. It tells codecs by payload type, so an audio codec must come under its static one. */
struct codec {
    struct span name;
    uint32_t rate;
    int16_t pt; /* -1: dynamic */
    const char *fmtp;
};

static const struct codec codec_table[] = {
    {SPAN_INIT("PCMU"), 8000, 0, NULL},
    {SPAN_INIT("PCMA"), 8000, 8, NULL},
    {SPAN_INIT("G729"), 8000, 18, "annexb=no"},
    {SPAN_INIT("telephone-event"), 8000, -1, "0-16"},
};
#define CODEC_TABLE_CNT (sizeof(codec_table) / sizeof(codec_table[0]))

static bool is_audio(const struct codec *codec)
{
    return codec->pt >= 0;
}

/* --- settings --- */

static size_t codec_lookup(struct span name)
{
    size_t i = 0;
    while (i < CODEC_TABLE_CNT && !span_caseeq(codec_table[i].name, name))
        i++;
    return i;
}

static bool codec_listed(const struct codec_list *list, size_t id)
{
    for (unsigned i = 0; i < list->cnt; i++) {
        if (list->id[i] == id)
            return true;
    }
    return false;
}

int codecs_parse(struct codec_list *out, struct span text, struct span *bad)
{
    struct span rest = text;
    bool audio = false;
    *out = (struct codec_list){.cnt = 0};
    while (rest.len > 0) {
        size_t n = span_find(rest, ',');
        *bad = span_trim(span_of(rest.p, n));
        rest = span_from(rest, n + 1);
        size_t id = codec_lookup(*bad);
        if (id == CODEC_TABLE_CNT || codec_listed(out, id) || out->cnt == CODECS_MAX)
            return -1;
        out->id[out->cnt++] = (uint8_t)id;
        audio = audio || is_audio(&codec_table[id]);
    }
    *bad = text;
    return audio ? 0 : -1;
}

/* --- errors --- */

unsigned offer_err_status(enum offer_err e)
{
    static const unsigned status[] = {[OFFER_OK] = 200,     [OFFER_EMALFORMED] = 400, [OFFER_ENOAUDIO] = 488,
                                      [OFFER_ECODEC] = 488, [OFFER_EFAMILY] = 488,    [OFFER_ELIMIT] = 413};
    return status[e];
}

unsigned offer_err_warning(enum offer_err e)
{
    static const unsigned code[] = {[OFFER_OK] = 0,       [OFFER_EMALFORMED] = 399, [OFFER_ENOAUDIO] = 304,
                                    [OFFER_ECODEC] = 305, [OFFER_EFAMILY] = 300,    [OFFER_ELIMIT] = 399};
    return code[e];
}

const char *offer_err_text(enum offer_err e)
{
    static const char *const text[] = {[OFFER_OK] = "fine",
                                       [OFFER_EMALFORMED] = "session description cannot be read",
                                       [OFFER_ENOAUDIO] = "no audio stream over RTP/AVP",
                                       [OFFER_ECODEC] = "no codec in common",
                                       [OFFER_EFAMILY] = "other IP version",
                                       [OFFER_ELIMIT] = "session description is too large"};
    return text[e];
}

/* --- what of a description we take --- */

/* One codec both have, under the payload type the description gives it. */
struct match {
    const struct codec *codec;
    int16_t pt;
};

struct picked {
    unsigned at; /* the stream */
    struct match match[CODECS_MAX];
    unsigned cnt;
    struct sdp_conn conn;
};

static bool fmt_is(const struct sdp_fmt *given, const struct codec *codec)
{
    struct sdp_fmt f = *given;
    if (f.pt < 0 || (f.encoding.len == 0 && !sdp_fmt_static(&f)))
        return false;
    if (!span_caseeq(f.encoding, codec->name) || f.rate != codec->rate || f.channels > 1)
        return false;
    return !is_audio(codec) || f.pt == codec->pt;
}

/* Fills *p with the common codecs, in our order. returns whether one of them carries audio. */
static bool match_codecs(struct picked *p, const struct codec_list *codecs, const struct sdp_media *m)
{
    bool audio = false;
    p->cnt = 0;
    for (unsigned c = 0; c < codecs->cnt; c++) {
        const struct codec *codec = &codec_table[codecs->id[c]];
        for (unsigned f = 0; f < m->fmt_cnt; f++) {
            if (!fmt_is(&m->fmt[f], codec))
                continue;
            p->match[p->cnt++] = (struct match){.codec = codec, .pt = m->fmt[f].pt};
            audio = audio || is_audio(codec);
            break;
        }
    }
    return audio;
}

static bool is_plain_rtp(const struct sdp_media *m)
{
    return span_caseeq(m->proto, SPAN("RTP/AVP")) || span_caseeq(m->proto, SPAN("RTP/AVPF"));
}

static bool self_is_ip6(const struct offer_self *self)
{
    return span_find(self->addr, ':') < self->addr.len;
}

/* The first audio stream that can be taken. */
static int pick(struct picked *p, const struct offer_self *self, const struct sdp *s)
{
    int err = -OFFER_ENOAUDIO;
    for (unsigned i = 0; i < s->media_cnt; i++) {
        const struct sdp_media *m = &s->media[i];
        if (!span_caseeq(m->type, SPAN("audio")) || m->port == 0 || !is_plain_rtp(m))
            continue;
        p->at = i;
        p->conn = *sdp_media_conn(s, m);
        if (p->conn.ip6 != self_is_ip6(self))
            err = -OFFER_EFAMILY;
        else if (match_codecs(p, self->codecs, m))
            return 0;
        else
            err = -OFFER_ECODEC;
    }
    return err;
}

/* --- where its sender listens --- */

/* A literal address; a multicast one may come with a TTL, and a name would have to be looked up. */
static bool conn_addr(const struct sdp_conn *c, char *out, bool *unspecified)
{
    uint8_t bytes[16];
    static const uint8_t zero[16];
    char text[INET6_ADDRSTRLEN];
    int family = c->ip6 ? AF_INET6 : AF_INET;
    *unspecified = false;
    if (!span_copy(text, sizeof(text), c->addr) || inet_pton(family, text, bytes) != 1)
        return false;
    *unspecified = memcmp(bytes, zero, c->ip6 ? 16 : 4) == 0;
    memcpy(out, text, sizeof(text));
    return true;
}

static void put_rtp(char *rtp, const struct sdp_conn *c, uint16_t port)
{
    char addr[INET6_ADDRSTRLEN];
    bool unspecified;
    rtp[0] = '\0';
    if (conn_addr(c, addr, &unspecified) && !unspecified)
        (void)snprintf(rtp, OFFER_RTP_MAX, c->ip6 ? "[%s]:%u" : "%s:%u", addr, port);
}

/* RFC 3264 §6.1. An address of 0.0.0.0 is how RFC 2543 said hold (§8.4): nothing can be sent there. */
static enum sdp_dir answer_dir(const struct sdp *s, const struct sdp_media *m, const struct sdp_conn *c)
{
    char addr[INET6_ADDRSTRLEN];
    bool unspecified;
    enum sdp_dir dir = sdp_media_dir(s, m);
    bool hears = dir == SDP_SENDRECV || dir == SDP_RECVONLY;
    bool talks = dir == SDP_SENDRECV || dir == SDP_SENDONLY;
    if (conn_addr(c, addr, &unspecified) && unspecified)
        hears = false;
    if (talks)
        return hears ? SDP_SENDRECV : SDP_RECVONLY;
    return hears ? SDP_SENDONLY : SDP_INACTIVE;
}

/* --- what we say --- */

/* Numbers as text, for the spans of struct sdp. */
struct texts {
    char session[24];
    char version[16];
    char pt[CODECS_MAX][8];
};

static void start(struct sdp *out, struct texts *t, const struct offer_self *self)
{
    struct sdp_conn conn = {.addr = self->addr, .ip6 = self_is_ip6(self)};
    (void)snprintf(t->session, sizeof(t->session), "%llu", (unsigned long long)self->session);
    (void)snprintf(t->version, sizeof(t->version), "%u", self->version);
    out->origin = (struct sdp_origin){
        .user = SPAN("-"), .sess_id = span_cstr(t->session), .sess_version = span_cstr(t->version), .conn = conn};
    out->name = SPAN("-");
    out->conn = conn;
    out->dir = SDP_DIR_UNSET;
    out->time = SPAN("0 0");
    out->lines = span_of(NULL, 0);
    out->media_cnt = 0;
}

static struct sdp_media *add_stream(struct sdp *out, struct span type, struct span proto)
{
    struct sdp_media *m = &out->media[out->media_cnt++];
    memset(m, 0, offsetof(struct sdp_media, fmt)); /* the formats are 2 kB, and written one by one */
    m->type = type;
    m->proto = proto;
    m->port_cnt = 1;
    m->lines = span_of(NULL, 0);
    return m;
}

static void add_audio(struct sdp *out, struct texts *t, const struct offer_self *self, const struct picked *p,
                      struct span proto, enum sdp_dir dir)
{
    struct sdp_media *m = add_stream(out, SPAN("audio"), proto);
    m->port = self->port;
    m->rtp = true;
    m->dir = dir;
    m->ptime_ms = PTIME_MS;
    for (unsigned i = 0; i < p->cnt; i++) {
        const struct codec *codec = p->match[i].codec;
        (void)snprintf(t->pt[i], sizeof(t->pt[i]), "%d", p->match[i].pt);
        m->fmt[m->fmt_cnt++] = (struct sdp_fmt){.text = span_cstr(t->pt[i]),
                                                .pt = p->match[i].pt,
                                                .encoding = codec->name,
                                                .rate = codec->rate,
                                                .channels = 1,
                                                .fmtp = span_cstr(codec->fmtp)};
    }
}

/* A stream we do not take: its place is kept with port 0 and one of its formats (RFC 3264 §6). */
static void add_refused(struct sdp *out, const struct sdp_media *given)
{
    struct sdp_media *m = add_stream(out, given->type, given->proto);
    m->fmt_cnt = given->fmt_cnt > 0 ? 1 : 0;
    if (m->fmt_cnt > 0)
        m->fmt[0] = (struct sdp_fmt){.text = given->fmt[0].text, .pt = -1};
}

/* --- the three questions --- */

/* struct sdp is large: one for what is read and one for what is written, and no call of theirs is ever nested. */
static struct sdp given, said;

static int read_and_pick(struct picked *p, const struct offer_self *self, struct span text)
{
    int fault = sdp_decode(&given, text);
    if (fault != 0)
        return fault == -SIP_ELIMIT ? -OFFER_ELIMIT : -OFFER_EMALFORMED;
    return pick(p, self, &given);
}

int offer_check(const struct offer_self *self, struct span sdp, char *rtp)
{
    struct picked p;
    int err = read_and_pick(&p, self, sdp);
    if (err == 0 && rtp != NULL)
        put_rtp(rtp, &p.conn, given.media[p.at].port);
    return err;
}

int offer_answer(struct buf *out, const struct offer_self *self, struct span offer)
{
    struct picked p;
    struct texts t;
    int err = read_and_pick(&p, self, offer);
    if (err != 0)
        return err;
    start(&said, &t, self);
    said.time = given.time; /* RFC 3264 §6: as offered */
    for (unsigned i = 0; i < given.media_cnt; i++) {
        const struct sdp_media *m = &given.media[i];
        if (i == p.at)
            add_audio(&said, &t, self, &p, m->proto, answer_dir(&given, m, &p.conn));
        else
            add_refused(&said, m);
    }
    sdp_write(out, &said);
    return 0;
}

/* All our codecs. telephone-event stays under the payload type it has had so far (RFC 3264 §8.3.2). */
static void match_own(struct picked *p, const struct codec_list *codecs, const struct sdp_media *last)
{
    p->cnt = 0;
    for (unsigned c = 0; c < codecs->cnt; c++) {
        const struct codec *codec = &codec_table[codecs->id[c]];
        int16_t pt = is_audio(codec) ? codec->pt : PT_EVENT_OURS;
        for (unsigned f = 0; last != NULL && f < last->fmt_cnt; f++) {
            if (fmt_is(&last->fmt[f], codec))
                pt = last->fmt[f].pt;
        }
        p->match[p->cnt++] = (struct match){.codec = codec, .pt = pt};
    }
}

void offer_make(struct buf *out, const struct offer_self *self, struct span last)
{
    struct picked p;
    struct texts t;
    bool have_last = last.len > 0 && sdp_decode(&given, last) == 0;
    unsigned cnt = have_last ? given.media_cnt : 1;
    start(&said, &t, self);
    if (have_last)
        said.time = given.time;
    for (unsigned i = 0; i < cnt; i++) {
        const struct sdp_media *m = have_last ? &given.media[i] : NULL;
        if (m != NULL && m->port == 0) {
            add_refused(&said, m);
            continue;
        }
        match_own(&p, self->codecs, m);
        add_audio(&said, &t, self, &p, m != NULL ? m->proto : SPAN("RTP/AVP"), SDP_SENDRECV);
    }
    sdp_write(out, &said);
}
