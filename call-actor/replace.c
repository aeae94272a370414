#include "call-actor/replace.h"

#include "call-actor/aor.h"
#include "call-actor/call_id.h"
#include "call-actor/call_screen.h"
#include "call-actor/dial.h"
#include "call-actor/dialog.h"
#include "call-actor/leg.h"
#include "call-actor/out_leg.h"
#include "call-actor/refresh.h"
#include "call-actor/rel100.h"
#include "call-actor/relay.h"
#include "common/sip/sip_addr.h"
#include "common/sip/sip_uri.h"
#include <netinet/in.h>

#define OWN_BYTES_MAX 512u

static enum call_event refused(struct call_step *st, unsigned status)
{
    st->no.status = status;
    return CALL_EV_REFUSED;
}

/* --- which dialog --- */

/* "0" stands for no tag at all (RFC 3891 §6.1: a peer of RFC 2543). */
static bool is_tag(const char *ours, struct span named)
{
    return span_eq(span_cstr(ours), named) || (ours[0] == '\0' && span_eq(named, SPAN("0")));
}

static bool is_named(const Store__Dialog *d, const struct sip_replaces *r)
{
    return span_eq(span_cstr(d->call_id), r->call_id) && is_tag(d->local_tag, r->to_tag) &&
           is_tag(d->remote_tag, r->from_tag);
}

static struct side named_by(const struct call *c, const struct sip_replaces *r)
{
    for (uint32_t id = SIDE_CALLER; id <= c->row->n_out_legs; id++) {
        const struct side s = side_of(c, id);
        if (s.d != NULL && is_named(s.d, r))
            return s;
    }
    return (struct side){.d = NULL};
}

/* A callee who rings: we began it, so it could be replaced; his dialogs with us are not kept by their remote tags. */
static bool names_ringing_leg(const struct call *c, const struct sip_replaces *r)
{
    for (size_t i = 0; i < c->row->n_out_legs; i++) {
        const Store__OutLeg *leg = c->row->out_legs[i];
        if (out_leg_rings(leg) && span_eq(span_cstr(leg->dialog->call_id), r->call_id) &&
            span_eq(span_cstr(leg->dialog->local_tag), r->to_tag))
            return true;
    }
    return false;
}

/* --- who asks --- */

#define ASKER_HEADER "Sentiric-Asked-By"

/* Who wants to replace somebody: by what he has shown, and for a trusted peer, who has no name, where he is. */
struct asker {
    char user[AOR_USER_MAX + 1];
    char addr[INET6_ADDRSTRLEN];
    bool trusted;
};

void replace_put_asker(struct buf *out, const struct call *c, const struct call_step *st)
{
    const char *user = side_user(c, st->side.id), *addr = st->in->source->addr;
    bool ip6 = strchr(addr, ':') != NULL;
    buf_puts(out, ASKER_HEADER ": <sip:");
    sip_uri_escape_user(out, span_cstr(user));
    buf_puts(out, user[0] != '\0' ? "@" : "");
    buf_printf(out, ip6 ? "[%s]>%s\r\n" : "%s>%s\r\n", addr, st->in->trusted ? ";trusted" : "");
}

static void read_user(char out[AOR_USER_MAX + 1], const struct sip_uri *uri)
{
    struct buf user;
    buf_init(&user, AOR_USER_MAX);
    if (sip_uri_user(&user, uri) == 0)
        (void)span_copy(out, AOR_USER_MAX + 1, buf_span(&user));
    buf_fini(&user);
}

static struct asker who_sent_us(const struct sip_msg *m)
{
    struct asker who = {.trusted = false};
    const struct sip_field *f = sip_msg_named(m, SPAN(ASKER_HEADER));
    struct sip_addr addr;
    struct sip_uri uri;
    if (f == NULL || sip_addr_decode(&addr, sip_field_value(m, f)) != 0 || sip_uri_decode(&uri, addr.uri) != 0)
        return who;
    read_user(who.user, &uri);
    bool ip6 = span_starts(uri.host, SPAN("["));
    (void)span_copy(who.addr, sizeof(who.addr), ip6 ? span_of(uri.host.p + 1, uri.host.len - 2) : uri.host);
    who.trusted = sip_param_find(addr.params, SPAN("trusted"), NULL);
    return who;
}

static struct asker asker_of(const struct call_input *in)
{
    struct asker who = {.trusted = in->from_trusted};
    if (in->own)
        return who_sent_us(in->msg);
    (void)span_copy(who.user, sizeof(who.user), span_cstr(in->user != NULL ? in->user : ""));
    (void)span_copy(who.addr, sizeof(who.addr), span_cstr(in->source->addr));
    return who;
}

/*
 * §5: who is replaced himself, from wherever he calls. Whom a party of the call has sent (REFER) comes from us, and in
 * his name: nobody else's Referred-By proves anything.
 */
static bool may_replace(const struct call *c, const struct side *s, const struct call_input *in)
{
    const struct asker who = asker_of(in);
    bool himself = who.user[0] != '\0' && strcmp(side_user(c, s->id), who.user) == 0;
    return himself || (who.trusted && strcmp(s->d->peer->addr, who.addr) == 0);
}

/* --- now? --- */

static bool is_over(const struct call *c, const struct side *s)
{
    bool leg_over = s->leg != NULL && (s->leg->state == OUT_LEG_ENDING || s->leg->state == OUT_LEG_OVER);
    return leg_over || call_state(c) == CALL_ST_ENDING || call_state(c) == CALL_ST_ENDED;
}

/* We are the one who was called (§3: 481). */
static bool is_early(const struct call *c)
{
    return call_state(c) == CALL_ST_SETUP || call_state(c) == CALL_ST_RINGING || call_state(c) == CALL_ST_ANSWERING;
}

/* Anything that has to do with what the parties say of their sessions. */
static bool is_busy(const struct call *c)
{
    return call_state(c) != CALL_ST_ESTABLISHED || leg_txn_unacked(c) != NULL || leg_txn_pending(c) != NULL ||
           refresh_is_exchange(c) || relay_glare(c, SIDE_CALLER) != 0 || rel100_is_updating(c) ||
           dial_is_at(c, DIAL_SECOND) || dial_is_at(c, DIAL_JOINING) || dial_is_at(c, DIAL_SENT_OFF);
}

static bool screen(const struct call *c, struct call_step *st)
{
    st->no.status = dialog_check_invite(st->in->msg, &st->no.reason);
    if (st->no.status != 0)
        return false;
    if (side_is_bridged(c))
        return screen_invite(c, st, SCREEN_SOMEBODY);
    return screen_invite(c, st, SCREEN_US) && screen_answer(c, st, st->sdp, c->row->rtp_port);
}

static enum call_event replace(const struct call *c, struct call_step *st, const struct sip_replaces *r)
{
    if (is_over(c, &st->side))
        return refused(st, 603);
    if (!may_replace(c, &st->side, st->in))
        return refused(st, 403);
    if (is_early(c))
        return refused(st, 481);
    if (r->early_only)
        return refused(st, 486);
    if (is_busy(c) || (st->side.leg != NULL && st->side.id != c->row->winner))
        return refused(st, 491);
    if (c->row->n_out_legs >= OUT_LEGS_MAX)
        return refused(st, 500);
    if (!screen(c, st))
        return CALL_EV_REFUSED;
    return side_is_bridged(c) ? CALL_EV_REPLACE : CALL_EV_REPLACE_US;
}

enum call_event replace_classify(const struct call *c, struct call_step *st)
{
    struct sip_replaces r;
    if (sip_replaces_of(&r, st->in->msg) <= 0) /* the edge looks at it too */
        return refused(st, 400);
    st->side = named_by(c, &r);
    if (st->side.d != NULL)
        return replace(c, st, &r);
    return refused(st, names_ringing_leg(c, &r) ? 488 : 481);
}

bool replace_may(const struct call *c, const struct call_input *in, struct refusal *no)
{
    struct call_step st = {.in = in, .no = {.status = 0}};
    bool may = replace_classify(c, &st) != CALL_EV_REFUSED;
    *no = st.no;
    call_step_fini(&st);
    return may;
}

/* --- to ourselves --- */

static void put_own_uri(struct buf *out, const struct call_conf *conf, struct span tag)
{
    bool ip6 = strchr(conf->own_addr, ':') != NULL;
    buf_puts(out, "sip:");
    buf_put_span(out, tag);
    buf_printf(out, ip6 ? "@[%s]:%u" : "@%s:%u", conf->own_addr, conf->listen_port);
}

Store__Target *replace_target(const struct call_conf *conf, struct span value)
{
    struct sip_replaces r;
    struct buf uri;
    if (sip_replaces_decode(&r, value) != 0 || call_key_of(r.to_tag) == 0)
        return NULL;
    Plane__Endpoint dest = PLANE__ENDPOINT__INIT;
    dest.transport = (char *)(uintptr_t) "UDP";
    dest.addr = (char *)(uintptr_t)conf->own_addr;
    dest.port = conf->listen_port;
    Store__Target *t = row_alloc(sizeof(*t));
    store__target__init(t);
    buf_init(&uri, OWN_BYTES_MAX);
    put_own_uri(&uri, conf, r.to_tag);
    row_text(&t->uri, buf_span(&uri));
    buf_fini(&uri);
    t->dest = row_endpoint(&dest);
    t->own = true;
    t->q = 1000;
    return t;
}
