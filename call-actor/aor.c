#include "call-actor/aor.h"

#include "call-actor/call_row.h"
#include "common/sip/sip_addr.h"
#include "common/sip/sip_uri.h"
#include <stdlib.h>

#define MS 1000u

/* --- what one Contact asks --- */

struct wish {
    struct sip_addr addr;
    struct sip_uri uri;
    uint32_t q;
    uint32_t expires_s; /* 0: it is to go */
    struct span instance;
    uint32_t reg_id; /* 0: not outbound */
};

/* What one REGISTER asks, read once. */
struct visit {
    Store__AorRow *row;
    const struct aor_conf *conf;
    const struct aor_request *r;
    uint64_t wall_ms;
    bool outbound;    /* the phone can */
    bool keeps_flows; /* it reached us directly, or over a proxy that keeps flows */
    struct aor_answer *out;
};

static bool refuse(struct visit *v, unsigned status, const char *reason)
{
    v->out->status = status;
    v->out->reason = reason;
    return false;
}

/* Parameter over header over default; then the limits (§10.3 step 7). */
static bool read_expires(struct visit *v, struct wish *w)
{
    int64_t header = v->r->msg->expires_s;
    if (sip_addr_expires(&w->addr, &w->expires_s) == 0)
        w->expires_s = header >= 0 ? (uint32_t)header : v->conf->default_s;
    if (w->expires_s > 0 && w->expires_s < v->conf->min_s)
        return refuse(v, 423, NULL);
    if (w->expires_s > v->conf->max_s)
        w->expires_s = v->conf->max_s;
    return true;
}

/* RFC 5626 §6: reg-id counts with an instance-id, and only for a phone that says it can. */
static bool read_outbound(struct visit *v, struct wish *w)
{
    struct span reg_id;
    if (!v->outbound || !sip_addr_param(&w->addr, SPAN("reg-id"), &reg_id) ||
        !sip_addr_param(&w->addr, SPAN("+sip.instance"), &w->instance) || w->instance.len == 0)
        return true;
    if (w->instance.len > AOR_INSTANCE_BYTES_MAX || span_to_u32(reg_id, INT32_MAX, &w->reg_id) != 0 || w->reg_id == 0)
        return refuse(v, 400, "Malformed Contact");
    return v->keeps_flows || refuse(v, 439, NULL);
}

static bool read_wish(struct visit *v, struct span value, struct wish *w)
{
    *w = (struct wish){0};
    int q;
    if (sip_addr_decode(&w->addr, value) != 0 || w->addr.star || sip_uri_decode(&w->uri, w->addr.uri) != 0 ||
        (q = sip_addr_q(&w->addr)) < 0)
        return refuse(v, 400, "Malformed Contact");
    if (w->uri.scheme != SIP_SCHEME_SIP && w->uri.scheme != SIP_SCHEME_SIPS)
        return refuse(v, 400, "Contact Is No SIP URI");
    if (w->addr.params.len > AOR_PARAMS_BYTES_MAX)
        return refuse(v, 400, "Contact Too Long");
    w->q = (uint32_t)q;
    return read_expires(v, w) && read_outbound(v, w);
}

/* --- which binding it is about --- */

static bool is_same_uri(const Store__Binding *b, const struct sip_uri *uri)
{
    struct sip_uri mine;
    return sip_uri_decode(&mine, span_cstr(b->contact)) == 0 && sip_uri_eq(&mine, uri);
}

static bool is_about(const Store__Binding *b, const struct wish *w)
{
    if (w->reg_id != 0 || b->reg_id != 0)
        return b->reg_id == w->reg_id && span_eq(span_cstr(b->instance), w->instance);
    return is_same_uri(b, &w->uri);
}

static size_t find(const struct visit *v, const struct wish *w)
{
    size_t at = 0;
    while (at < v->row->n_bindings && !is_about(v->row->bindings[at], w))
        at++;
    return at;
}

/* --- what becomes of it: §10.3 steps 6 and 7 as a table --- */

enum known {
    KNOWN_NOT = 0,   /* there is no such binding */
    KNOWN_OTHER = 1, /* it was made under another Call-ID: the phone was restarted */
    KNOWN_OLDER = 2, /* the same Call-ID, a lower CSeq */
    KNOWN_THIS = 3,  /* this very request made it, and is asked about again */
    KNOWN_NEWER = 4, /* the same Call-ID, and our CSeq is not lower: this request came late */
    KNOWNS
};

enum act { ACT_NOTHING = 0, ACT_ADD, ACT_REFRESH, ACT_REMOVE, ACT_ABORT };

static const enum act acts[KNOWNS][2] = {
    /*                to stay      to go */
    [KNOWN_NOT] = {ACT_ADD, ACT_NOTHING},      [KNOWN_OTHER] = {ACT_REFRESH, ACT_REMOVE},
    [KNOWN_OLDER] = {ACT_REFRESH, ACT_REMOVE}, [KNOWN_THIS] = {ACT_NOTHING, ACT_NOTHING},
    [KNOWN_NEWER] = {ACT_ABORT, ACT_ABORT},
};

static enum known known(const struct visit *v, const Store__Binding *b)
{
    const struct sip_msg *m = v->r->msg;
    if (!span_eq(span_cstr(b->call_id), m->call_id))
        return KNOWN_OTHER;
    if (b->cseq == m->cseq.num && b->request == v->r->id)
        return KNOWN_THIS;
    return b->cseq < m->cseq.num ? KNOWN_OLDER : KNOWN_NEWER;
}

static void drop_at(Store__AorRow *row, size_t at)
{
    store__binding__free_unpacked(row_list_take(&row->bindings, &row->n_bindings, at), NULL);
}

static void drop_paths(Store__Binding *b)
{
    while (b->n_path > 0)
        free(row_list_take(&b->path, &b->n_path, b->n_path - 1));
}

static void set_paths(struct visit *v, Store__Binding *b)
{
    struct sip_values it;
    struct span value;
    drop_paths(b);
    sip_values_init(&it, v->r->msg, SIP_H_PATH);
    while (sip_values_next(&it, &value))
        row_list_add(&b->path, &b->n_path, row_text_dup(value));
}

/* Every parameter but expires, which changes by the second. */
static void set_params(Store__Binding *b, const struct wish *w)
{
    struct buf text;
    struct span rest = w->addr.params;
    struct sip_param p;
    buf_init(&text, AOR_PARAMS_BYTES_MAX + SIP_PARAMS_MAX);
    while (sip_param_next(&rest, &p) == 1) {
        if (span_caseeq(p.name, SPAN("expires")))
            continue;
        if (text.len > 0)
            buf_putc(&text, ';');
        buf_put_span(&text, p.name);
        if (p.has_value) {
            buf_putc(&text, '=');
            sip_unfold(&text, p.value);
        }
    }
    row_text(&b->params, buf_span(&text));
    buf_fini(&text);
}

/* Behind a NAT: the address its Via names is not the one the request came from. */
static bool is_behind_nat(const struct aor_request *r)
{
    struct span host = r->msg->via.host;
    return !sip_host_eq(host, span_cstr(r->source->addr));
}

static void set_source(struct visit *v, Store__Binding *b)
{
    if (b->source != NULL)
        plane__endpoint__free_unpacked(b->source, NULL);
    b->source = row_endpoint(v->r->source);
    row_text(&b->local_addr, span_cstr(v->r->local_addr));
    struct span agent = sip_msg_value(v->r->msg, SIP_H_USER_AGENT);
    if (agent.len > AOR_AGENT_BYTES_MAX)
        agent.len = AOR_AGENT_BYTES_MAX;
    row_text(&b->user_agent, agent);
    b->nat = is_behind_nat(v->r);
}

static void write_binding(struct visit *v, Store__Binding *b, const struct wish *w)
{
    const struct sip_msg *m = v->r->msg;
    row_text(&b->contact, w->addr.uri);
    row_text(&b->call_id, m->call_id);
    row_text(&b->instance, w->reg_id != 0 ? w->instance : SPAN(""));
    set_params(b, w);
    set_paths(v, b);
    set_source(v, b);
    b->q = w->q;
    b->reg_id = w->reg_id;
    b->cseq = m->cseq.num;
    b->request = v->r->id;
    b->misses = 0;
    b->missed_wall_ms = 0;
    b->expires_wall_ms = v->wall_ms + (uint64_t)w->expires_s * MS;
    v->out->changed = true;
    v->out->outbound = v->out->outbound || w->reg_id != 0;
}

static void add(struct visit *v, const struct wish *w)
{
    Store__Binding *b = row_alloc(sizeof(*b));
    store__binding__init(b);
    b->since_wall_ms = v->wall_ms;
    write_binding(v, b, w);
    row_list_add(&v->row->bindings, &v->row->n_bindings, b);
    v->out->added++;
}

static bool do_act(struct visit *v, enum act act, size_t at, const struct wish *w)
{
    switch (act) {
    case ACT_NOTHING:
        v->out->outbound = v->out->outbound || w->reg_id != 0;
        break;
    case ACT_ADD:
        add(v, w);
        break;
    case ACT_REFRESH:
        write_binding(v, v->row->bindings[at], w);
        v->out->refreshed++;
        break;
    case ACT_REMOVE:
        drop_at(v->row, at);
        v->out->changed = true;
        v->out->removed++;
        break;
    case ACT_ABORT:
        return refuse(v, 500, "CSeq Out Of Order");
    }
    return true;
}

/* --- a whole REGISTER --- */

static bool take_contacts(struct visit *v)
{
    struct sip_values it;
    struct span value;
    struct wish w;
    sip_values_init(&it, v->r->msg, SIP_H_CONTACT);
    while (sip_values_next(&it, &value)) {
        if (!read_wish(v, value, &w))
            return false;
        size_t at = find(v, &w);
        enum known is = at < v->row->n_bindings ? known(v, v->row->bindings[at]) : KNOWN_NOT;
        if (!do_act(v, acts[is][w.expires_s == 0], at, &w))
            return false;
    }
    /* There may be more than a limit that was lowered allows: they may be refreshed, and leave. */
    return v->out->added == 0 || v->row->n_bindings <= v->conf->bindings_max || refuse(v, 403, "Too Many Contacts");
}

/* §10.3 step 6: alone, and with Expires: 0. */
static bool take_star(struct visit *v)
{
    if (v->r->msg->expires_s != 0)
        return refuse(v, 400, "Contact: * Without Expires: 0");
    while (v->row->n_bindings > 0) {
        enum known is = known(v, v->row->bindings[v->row->n_bindings - 1]);
        if (is == KNOWN_NEWER)
            return refuse(v, 500, "CSeq Out Of Order");
        drop_at(v->row, v->row->n_bindings - 1);
        v->out->removed++;
        v->out->changed = true;
    }
    return true;
}

static size_t count_values(const struct sip_msg *m, enum sip_hdr_id id)
{
    struct sip_values it;
    struct span value;
    size_t n = 0;
    sip_values_init(&it, m, id);
    while (sip_values_next(&it, &value))
        n++;
    return n;
}

/* false: there is a star and it is not alone. */
static bool has_star(const struct sip_msg *m, bool *star)
{
    struct sip_values it;
    struct span value;
    size_t cnt = 0;
    *star = false;
    sip_values_init(&it, m, SIP_H_CONTACT);
    while (sip_values_next(&it, &value)) {
        *star = *star || span_eq(value, SPAN("*"));
        cnt++;
    }
    return !*star || cnt == 1;
}

/* The Path is written down, so it is checked: each a SIP URI in <>. ob: one of them keeps flows (RFC 5626 §5.1). */
static bool read_paths(struct visit *v, bool *ob)
{
    struct sip_values it;
    struct span value;
    struct sip_addr addr;
    struct sip_uri uri;
    size_t cnt = 0;
    size_t bytes = 0;
    *ob = false;
    sip_values_init(&it, v->r->msg, SIP_H_PATH);
    while (sip_values_next(&it, &value)) {
        bytes += value.len;
        if (++cnt > AOR_PATH_MAX || bytes > AOR_PATH_BYTES_MAX)
            return refuse(v, 400, "Path Too Long");
        if (sip_addr_decode(&addr, value) != 0 || !addr.bracketed || sip_uri_decode(&uri, addr.uri) != 0 ||
            (uri.scheme != SIP_SCHEME_SIP && uri.scheme != SIP_SCHEME_SIPS))
            return refuse(v, 400, "Malformed Path");
        *ob = *ob || sip_uri_param(&uri, SPAN("ob"), NULL);
    }
    return true;
}

/* RFC 5626 §6: over other hops a flow is kept only where a proxy says so (439 tells a phone that counts on it). */
static bool read_way(struct visit *v)
{
    const struct sip_msg *m = v->r->msg;
    bool ob;
    if (!read_paths(v, &ob))
        return false;
    v->outbound =
        sip_msg_lists(m, SIP_H_SUPPORTED, SPAN("outbound")) || sip_msg_lists(m, SIP_H_REQUIRE, SPAN("outbound"));
    v->keeps_flows = ob || count_values(m, SIP_H_VIA) == 1;
    return true;
}

void aor_register(Store__AorRow *row, const struct aor_conf *conf, const struct aor_request *r, struct now now,
                  struct aor_answer *out)
{
    *out = (struct aor_answer){.status = 200};
    struct visit v = {.row = row, .conf = conf, .r = r, .wall_ms = (uint64_t)now.wall_ms, .out = out};
    bool star;
    out->changed = aor_expire(row, now) > 0;
    if (!has_star(r->msg, &star))
        (void)refuse(&v, 400, "Contact: * Beside Others");
    else if (star)
        (void)take_star(&v);
    else if (read_way(&v))
        (void)take_contacts(&v);
}

/* --- a row's life --- */

unsigned aor_expire(Store__AorRow *row, struct now now)
{
    unsigned gone = 0;
    for (size_t i = row->n_bindings; i-- > 0;) {
        if (row->bindings[i]->expires_wall_ms > (uint64_t)now.wall_ms)
            continue;
        drop_at(row, i);
        gone++;
    }
    return gone;
}

unsigned aor_remove(Store__AorRow *row, struct span contact)
{
    struct sip_uri uri;
    unsigned gone = 0;
    if (contact.len > 0 && sip_uri_decode(&uri, contact) != 0)
        return 0;
    for (size_t i = row->n_bindings; i-- > 0;) {
        if (contact.len > 0 && !is_same_uri(row->bindings[i], &uri))
            continue;
        drop_at(row, i);
        gone++;
    }
    return gone;
}

static size_t find_uri(const Store__AorRow *row, const struct sip_uri *uri)
{
    size_t at = 0;
    while (at < row->n_bindings && !is_same_uri(row->bindings[at], uri))
        at++;
    return at;
}

static Store__Binding *binding_new(Store__AorRow *row, struct now now)
{
    Store__Binding *b = row_alloc(sizeof(*b));
    store__binding__init(b);
    b->since_wall_ms = (uint64_t)now.wall_ms;
    b->q = 1000;
    row_list_add(&row->bindings, &row->n_bindings, b);
    return b;
}

enum aor_set aor_set(Store__AorRow *row, const struct aor_conf *conf, struct span contact, uint32_t expires_s,
                     struct now now)
{
    struct sip_addr addr;
    struct sip_uri uri;
    if (sip_addr_decode(&addr, contact) != 0 || addr.star || sip_uri_decode(&uri, addr.uri) != 0 ||
        (uri.scheme != SIP_SCHEME_SIP && uri.scheme != SIP_SCHEME_SIPS))
        return AOR_SET_INVALID;
    size_t at = find_uri(row, &uri);
    if (expires_s == 0) {
        if (at < row->n_bindings)
            drop_at(row, at);
        return AOR_SET_OK;
    }
    if (at == row->n_bindings && row->n_bindings >= conf->bindings_max)
        return AOR_SET_FULL;
    Store__Binding *b = at < row->n_bindings ? row->bindings[at] : binding_new(row, now);
    uint32_t granted_s = expires_s < conf->max_s ? expires_s : conf->max_s;
    row_text(&b->contact, addr.uri);
    row_text(&b->call_id, SPAN(""));
    b->cseq = 0;
    b->expires_wall_ms = (uint64_t)now.wall_ms + (uint64_t)granted_s * MS;
    return AOR_SET_OK;
}

uint64_t aor_next_wall_ms(const Store__AorRow *row)
{
    uint64_t next = 0;
    for (size_t i = 0; i < row->n_bindings; i++) {
        uint64_t at = row->bindings[i]->expires_wall_ms;
        if (next == 0 || at < next)
            next = at;
    }
    return next;
}

uint32_t aor_left_s(const Store__Binding *b, struct now now)
{
    uint64_t wall_ms = (uint64_t)now.wall_ms;
    return b->expires_wall_ms > wall_ms ? (uint32_t)((b->expires_wall_ms - wall_ms + MS - 1) / MS) : 0;
}

int aor_user_of(struct buf *out, struct span addr_value)
{
    struct sip_addr addr;
    struct sip_uri uri;
    size_t before = out->len;
    if (sip_addr_decode(&addr, addr_value) != 0 || sip_uri_decode(&uri, addr.uri) != 0 ||
        (uri.scheme != SIP_SCHEME_SIP && uri.scheme != SIP_SCHEME_SIPS) || sip_uri_user(out, &uri) != 0)
        return -1;
    return out->failed || out->len == before || out->len - before > AOR_USER_MAX ? -1 : 0;
}
