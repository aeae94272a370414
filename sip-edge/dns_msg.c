#include "sip-edge/dns_msg.h"

#define LABEL_MAX 63
#define TEXT_MAX 253  /* 255 octets on the wire, less the first length and the root */
#define JUMPS_MAX 128 /* pointers in one name */
#define TYPE_CNAME 5
#define TYPE_SOA 6
#define CLASS_IN 1
#define RCODE_NXDOMAIN 3
#define TTL_MAX 0x7fffffffu /* RFC 2181 §8: a TTL with the first bit set counts as 0 */

const struct dns_answer dns_answer_failed = {.status = DNS_FAILED};

const char *dns_type_name(enum dns_type t)
{
    switch (t) {
    case DNS_A:
        return "A";
    case DNS_AAAA:
        return "AAAA";
    case DNS_SRV:
        return "SRV";
    case DNS_NAPTR:
        return "NAPTR";
    }
    return "?";
}

/* --- names --- */

/* Lower case of what may stand in a name, or 0. */
static char name_char(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    bool ok = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    return ok ? c : '\0';
}

bool dns_question_make(struct dns_question *q, enum dns_type type, struct span name)
{
    size_t label = 0;
    q->type = type;
    q->name[0] = '\0';
    if (name.len > 0 && name.p[name.len - 1] == '.')
        name.len--;
    if (name.len == 0 || name.len > TEXT_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.p[i] == '.' ? '.' : name_char(name.p[i]);
        label = c == '.' ? 0 : label + 1;
        bool ends = i + 1 == name.len || name.p[i + 1] == '.';
        if (c == '\0' || label > LABEL_MAX || (label == 0 && ends) || (label == 0 && i == 0)) {
            q->name[0] = '\0';
            return false;
        }
        q->name[i] = c;
    }
    q->name[name.len] = '\0';
    return true;
}

/* --- reading; `bad` sticks, and what is read afterwards is 0 --- */

struct reader {
    struct span all;
    size_t at;
    bool bad;
};

static unsigned get_u8(struct reader *r)
{
    if (r->bad || r->at >= r->all.len) {
        r->bad = true;
        return 0;
    }
    return (unsigned char)r->all.p[r->at++];
}

static uint16_t get_u16(struct reader *r)
{
    unsigned high = get_u8(r);
    return (uint16_t)(high << 8 | get_u8(r));
}

static uint32_t get_u32(struct reader *r)
{
    uint32_t high = get_u16(r);
    return high << 16 | get_u16(r);
}

static void skip(struct reader *r, size_t n)
{
    if (r->bad || n > r->all.len - r->at)
        r->bad = true;
    else
        r->at += n;
}

/* Appends a label to the text. false: it has characters that no name of ours has. */
static bool put_label(struct reader *r, unsigned len, char *out, size_t *used)
{
    bool ok = true;
    if (*used > 0)
        out[(*used)++] = '.';
    for (unsigned i = 0; i < len; i++) {
        char c = name_char((char)get_u8(r));
        ok = ok && c != '\0';
        out[(*used)++] = c;
    }
    return ok;
}

/*
 * A name, followed through its pointers (RFC 1035 §4.1.4). Each must lead to before the place the last one led to, and
 * there may not be more of them than labels: so a name costs little, however it is made. r stands behind it afterwards.
 * returns false, and r is still good, when the name is well formed but none that we use; out is "" then
 */
static bool get_name(struct reader *r, char out[DNS_NAME_SIZE])
{
    size_t used = 0;
    size_t after = 0; /* behind the first pointer; 0: none yet */
    size_t floor = r->at;
    unsigned jumps = 0;
    bool usable = true;
    for (unsigned len; !r->bad && (len = get_u8(r)) != 0;) {
        if ((len & 0xc0) == 0xc0) {
            size_t to = (len & 0x3f) << 8 | get_u8(r);
            after = after != 0 ? after : r->at;
            r->bad = r->bad || to >= floor || ++jumps > JUMPS_MAX;
            floor = to;
            r->at = r->bad ? r->at : to;
        } else if (len > LABEL_MAX || used + (used > 0) + len > TEXT_MAX) {
            r->bad = true;
        } else {
            usable = put_label(r, len, out, &used) && usable;
        }
    }
    if (after != 0)
        r->at = after;
    usable = usable && !r->bad;
    out[usable ? used : 0] = '\0';
    return usable;
}

/* A character-string (RFC 1035 §3.3). out gets it when it fits, else "". */
static void get_text(struct reader *r, char *out, size_t out_size)
{
    unsigned len = get_u8(r);
    out[0] = '\0';
    if (r->bad || len > r->all.len - r->at)
        r->bad = true;
    else if (len < out_size)
        (void)span_copy(out, out_size, span_of(r->all.p + r->at, len));
    skip(r, len);
}

/* --- records --- */

struct rr {
    char owner[DNS_NAME_SIZE];
    bool owner_usable;
    uint16_t type;
    uint16_t class;
    uint32_t ttl_s;
    size_t data;
    size_t len;
};

/* The head of a record; r stands behind the whole of it afterwards. */
static void get_rr(struct reader *r, struct rr *out)
{
    out->owner_usable = get_name(r, out->owner);
    out->type = get_u16(r);
    out->class = get_u16(r);
    out->ttl_s = get_u32(r);
    if (out->ttl_s > TTL_MAX)
        out->ttl_s = 0;
    out->len = get_u16(r);
    out->data = r->at;
    skip(r, out->len);
}

/* Only what the record itself holds can be read; names may point back into the whole reply. */
static struct reader data_of(const struct reader *r, const struct rr *rr)
{
    return (struct reader){.all = span_of(r->all.p, rr->data + rr->len), .at = rr->data};
}

static void upper(char *z)
{
    for (; *z != '\0'; z++)
        if (*z >= 'a' && *z <= 'z')
            *z = (char)(*z - 'a' + 'A');
}

static bool get_srv(struct reader *d, struct dns_rec *out)
{
    out->priority = get_u16(d);
    out->weight = get_u16(d);
    out->port = get_u16(d);
    return get_name(d, out->name) && (out->port != 0 || out->name[0] == '\0');
}

static bool get_naptr(struct reader *d, struct dns_rec *out)
{
    char flags[2];
    char regexp[2];
    out->order = get_u16(d);
    out->preference = get_u16(d);
    get_text(d, flags, sizeof(flags));
    get_text(d, out->service, sizeof(out->service));
    size_t regexp_at = d->at;
    get_text(d, regexp, sizeof(regexp));
    bool has_regexp = !d->bad && d->at != regexp_at + 1;
    upper(out->service);
    out->flag = name_char(flags[0]);
    return get_name(d, out->name) && !has_regexp; /* RFC 3263 §4.1 uses the replacement */
}

static bool get_ip(struct reader *d, enum dns_type type, struct dns_rec *out)
{
    size_t len = d->all.len - d->at;
    if (len != (type == DNS_A ? 4 : 16))
        return false;
    if (type == DNS_A)
        out->ip = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
    memcpy(&out->ip.s6_addr[16 - len], d->all.p + d->at, len);
    d->at += len;
    return true;
}

static bool get_rec(const struct reader *r, const struct rr *rr, enum dns_type type, struct dns_rec *out)
{
    struct reader d = data_of(r, rr);
    bool usable = false;
    memset(out, 0, sizeof(*out));
    if (type == DNS_SRV)
        usable = get_srv(&d, out);
    else if (type == DNS_NAPTR)
        usable = get_naptr(&d, out);
    else
        usable = get_ip(&d, type, out);
    return usable && !d.bad && d.at == d.all.len;
}

static uint32_t rank(const struct dns_rec *rec, enum dns_type type)
{
    if (type == DNS_SRV)
        return rec->priority;
    return type == DNS_NAPTR ? (uint32_t)rec->order << 16 | rec->preference : 0;
}

/* Keeps it, in place of the least preferred one when there is no room. */
static void keep(struct dns_rec *rec, unsigned *cnt, const struct dns_rec *fresh, enum dns_type type)
{
    if (*cnt < DNS_RECORDS_MAX) {
        rec[(*cnt)++] = *fresh;
        return;
    }
    unsigned worst = 0;
    for (unsigned i = 1; i < *cnt; i++)
        if (rank(&rec[i], type) > rank(&rec[worst], type))
            worst = i;
    if (rank(fresh, type) < rank(&rec[worst], type))
        rec[worst] = *fresh;
}

/* --- the reply --- */

struct parts {
    struct reader r; /* at the first answer */
    unsigned answers;
    unsigned authorities;
    unsigned rcode;
};

/* Head and question. false: no reply to q. The id was compared by whoever received it. */
static bool open_reply(const struct dns_question *q, struct span reply, struct parts *out)
{
    struct reader r = {.all = reply, .at = 2};
    char name[DNS_NAME_SIZE];
    unsigned flags = get_u16(&r);
    unsigned questions = get_u16(&r);
    out->answers = get_u16(&r);
    out->authorities = get_u16(&r);
    skip(&r, 2);
    bool is_reply = !r.bad && (flags & 0x8000) != 0 && (flags & 0x7800) == 0 && (flags & 0x0200) == 0 && questions == 1;
    if (!is_reply || !get_name(&r, name) || strcmp(name, q->name) != 0)
        return false;
    bool same = get_u16(&r) == q->type;
    same = get_u16(&r) == CLASS_IN && same;
    out->rcode = flags & 0xf;
    out->r = r;
    return same && !r.bad && out->answers + out->authorities <= DNS_REPLY_RRS_MAX;
}

/* The name of the records asked for: the question's, or what it is an alias of. false: a loop, or too many. */
static bool follow_aliases(const struct parts *p, char name[DNS_NAME_SIZE], uint32_t *ttl_s)
{
    for (unsigned hops = 0; hops <= DNS_CNAME_MAX; hops++) {
        struct reader r = p->r;
        struct rr rr;
        bool found = false;
        for (unsigned i = 0; i < p->answers && !r.bad && !found; i++) {
            get_rr(&r, &rr);
            found = !r.bad && rr.type == TYPE_CNAME && rr.class == CLASS_IN && rr.owner_usable &&
                    strcmp(rr.owner, name) == 0;
        }
        if (!found)
            return !r.bad;
        struct reader d = data_of(&r, &rr);
        if (!get_name(&d, name) || d.at != d.all.len || name[0] == '\0')
            return false;
        *ttl_s = rr.ttl_s < *ttl_s ? rr.ttl_s : *ttl_s;
    }
    return false;
}

/* false: the answers cannot be read. r stands behind them afterwards. */
static bool collect(const struct parts *p, struct reader *r, const struct dns_question *q, const char *name,
                    struct dns_rec *rec, struct dns_answer *out)
{
    struct dns_rec fresh;
    struct rr rr;
    for (unsigned i = 0; i < p->answers; i++) {
        get_rr(r, &rr);
        if (r->bad)
            return false;
        if (rr.type != q->type || rr.class != CLASS_IN || !rr.owner_usable || strcmp(rr.owner, name) != 0)
            continue;
        if (!get_rec(r, &rr, q->type, &fresh))
            continue;
        keep(rec, &out->cnt, &fresh, q->type);
        out->ttl_s = rr.ttl_s < out->ttl_s ? rr.ttl_s : out->ttl_s;
    }
    return true;
}

/* RFC 2308 §5: the lesser of the SOA's TTL and its last field. */
static uint32_t negative_ttl(const struct parts *p, struct reader *r)
{
    char skipped[DNS_NAME_SIZE];
    struct rr rr;
    for (unsigned i = 0; i < p->authorities; i++) {
        get_rr(r, &rr);
        if (r->bad)
            break;
        if (rr.type != TYPE_SOA || rr.class != CLASS_IN)
            continue;
        struct reader d = data_of(r, &rr);
        (void)get_name(&d, skipped);
        (void)get_name(&d, skipped);
        skip(&d, 16); /* serial, refresh, retry, expire */
        uint32_t minimum = get_u32(&d);
        if (!d.bad)
            return minimum < rr.ttl_s ? minimum : rr.ttl_s;
    }
    return UINT32_MAX;
}

void dns_msg_decode(const struct dns_question *q, struct span reply, struct dns_rec rec[DNS_RECORDS_MAX],
                    struct dns_answer *out)
{
    struct parts p;
    char name[DNS_NAME_SIZE];
    *out = dns_answer_failed;
    if (!open_reply(q, reply, &p) || (p.rcode != 0 && p.rcode != RCODE_NXDOMAIN))
        return;
    struct dns_answer got = {.ttl_s = UINT32_MAX, .rec = rec};
    struct reader r = p.r;
    (void)span_copy(name, sizeof(name), span_cstr(q->name));
    if (!follow_aliases(&p, name, &got.ttl_s) || !collect(&p, &r, q, name, rec, &got))
        return;
    if (got.cnt == 0)
        got = (struct dns_answer){.status = DNS_NONE, .ttl_s = negative_ttl(&p, &r)};
    *out = got;
}
