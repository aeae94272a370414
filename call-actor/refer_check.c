/*
 * May a REFER be taken, and where does it lead? Whom it names is reached as an INVITE of its sender would reach him, by
 * the same number, the same look-up, the same dialplan and on the same account: route.h. A host that it names is looked
 * at no more than that of a Request-URI.
 */
#include "call-actor/refer.h"

#include "call-actor/dial.h"
#include "call-actor/transfer.h"

#define HEADERS_MAX                                                                                                    \
    1100u /* what of it goes on in headers of the target's INVITE: the rest of TRANSFER_HEADERS_MAX is ours */

/* --- who asks --- */

/* He called us, or is the first party of a call that we have placed. */
static bool read_caller(struct refer_who *out, const struct call *c)
{
    const Store__CallRow *row = c->row;
    bool user = row->dial != NULL ? row->dial->joins : row->auth_user[0] != '\0';
    (void)span_copy(out->caller, sizeof(out->caller), span_cstr(row->caller));
    out->may_leave = user;
    return user || (row->dial == NULL && row->from_trusted);
}

/* He was rung: a user of ours, or somebody elsewhere, who may call in only as a trusted peer. */
static bool read_callee(struct refer_who *out, const Store__OutLeg *leg, bool trusted)
{
    struct sip_uri uri;
    out->may_leave = leg->target->user[0] != '\0';
    if (out->may_leave)
        (void)span_copy(out->caller, sizeof(out->caller), span_cstr(leg->target->user));
    else if (sip_uri_decode(&uri, span_cstr(leg->target->uri)) == 0)
        (void)number_of_uri(out->caller, &uri);
    return out->may_leave || trusted;
}

bool refer_read_who(struct refer_who *out, const struct call *c, const struct call_step *st)
{
    const Store__OutLeg *placed = side_placed_for(c, st->side.id);
    *out = (struct refer_who){.caller = ""};
    bool may = placed != NULL ? read_callee(out, placed, st->in->trusted) : read_caller(out, c);
    if (out->caller[0] == '\0')
        (void)span_copy(out->caller, sizeof(out->caller), SPAN(NUMBER_ANONYMOUS));
    return may;
}

struct route_caller refer_caller(const struct call *c)
{
    const Store__Refer *r = refer_running(c);
    if (r == NULL)
        return (struct route_caller){.destination = ""};
    return (struct route_caller){.destination = r->destination, .may_leave = r->may_leave};
}

/* --- outside of the dialog (RFC 4538) --- */

/* He is a user of ours, who has called or was rung. */
static bool is_his(const struct call *c, const struct side *s, const char *user)
{
    return user != NULL && user[0] != '\0' && strcmp(side_user(c, s->id), user) == 0;
}

/* From whose point of view the two tags are local and remote is told both ways in the wild. Only he knows them. */
static bool is_named(const Store__Dialog *d, const struct sip_target_dialog *t)
{
    struct span ours = span_cstr(d->local_tag), his = span_cstr(d->remote_tag);
    return span_eq(span_cstr(d->call_id), t->call_id) &&
           ((span_eq(t->local_tag, his) && span_eq(t->remote_tag, ours)) ||
            (span_eq(t->local_tag, ours) && span_eq(t->remote_tag, his)));
}

struct side refer_target_side(const struct call *c, const struct call_input *in)
{
    struct sip_target_dialog t;
    const struct side both[] = {side_of(c, SIDE_CALLER), side_of(c, c->row->winner)};
    if (sip_target_dialog_decode(&t, sip_msg_value(in->msg, SIP_H_TARGET_DIALOG)) != 0)
        return (struct side){.d = NULL};
    for (size_t i = 0; i < 2; i++) {
        if (both[i].d != NULL && is_named(both[i].d, &t) && is_his(c, &both[i], in->user))
            return both[i];
    }
    return (struct side){.d = NULL};
}

/* --- may it be? --- */

static struct refusal no(unsigned status, const char *reason)
{
    return (struct refusal){.status = status, .reason = reason};
}

static struct refusal bad(int err, enum sip_hdr_id at)
{
    unsigned status = sip_err_status(err);
    if (status != 400)
        return no(status, NULL);
    if (err == -SIP_EMISSING)
        return no(400, "Missing Header: Refer-To");
    if (at == SIP_H_REFER_SUB)
        return no(400, "Malformed Refer-Sub");
    if (at == SIP_H_REFERRED_BY)
        return no(400, "Malformed Referred-By");
    return no(400, err == -SIP_EDUP ? "More Than One Refer-To" : "Malformed Refer-To");
}

/* As the Request-URI of an INVITE would be refused. */
static struct refusal check_target(const struct sip_refer *refer)
{
    char number[NUMBER_MAX];
    if (refer->target.scheme == SIP_SCHEME_OTHER)
        return no(416, NULL);
    if (!refer->invites) /* well-formed, and no fault of REFER: it is that we do not do it for anybody (§21.4.4) */
        return no(403, "Only INVITE Is Referred");
    if (refer->target.all.len > ROUTE_URI_BYTES_MAX || refer->replaces.len + refer->referred_by.len > HEADERS_MAX)
        return no(513, NULL);
    enum number_kind kind = number_of_uri(number, &refer->target);
    return no(kind == NUMBER_NONE ? 484 : kind == NUMBER_BAD ? 404 : 0, NULL);
}

struct refusal refer_check(const struct call *c, struct call_step *st)
{
    struct refer_who who;
    enum sip_hdr_id at;
    int err = sip_refer_decode(&st->refer, st->in->msg, &at);
    if (err != 0)
        return bad(err, at);
    struct refusal target = check_target(&st->refer);
    if (target.status != 0)
        return target;
    if (call_state(c) != CALL_ST_ESTABLISHED)
        return no(500, NULL); /* it may come again: Retry-After */
    if (!side_is_bridged(c))
        return no(403, "Nobody To Transfer");
    if (!refer_read_who(&who, c, st))
        return no(403, NULL);
    if (transfer_is_under_way(c) || refer_running(c) != NULL || !refer_has_room(c))
        return no(491, NULL);
    return no(transfer_check(c, side_other(c, st->side.id).id) == NULL ? 0 : 491, NULL);
}

/* --- the dialplan --- */

/* The platform answers callers, but it is no party that somebody else could be joined to. */
static unsigned refusal_of(const struct route *way)
{
    return way->way == ROUTE_REFUSE ? way->status : way->way == ROUTE_PLATFORM ? 403 : 0;
}

static unsigned status_of(const Plane__JobDone *done)
{
    return done->result == PLANE__JOB_DONE__RESULT__DENIED ? 403 : 503;
}

bool refer_may_be_planned(const struct call *c, unsigned located)
{
    const Store__Refer *r = refer_running(c);
    return r != NULL && !r->planned && route_not_found(false, located).way == ROUTE_DIALPLAN;
}

enum call_event refer_plan(const struct call *c, struct call_step *st)
{
    const Plane__JobDone *done = st->in->done;
    const struct route_caller caller = refer_caller(c);
    bool waits = call_state(c) == CALL_ST_ESTABLISHED && refer_running(c) != NULL && transfer_is_under_way(c);
    if (!waits) /* never: what is over has no job (job_refer_over) */
        return CALL_EV_NONE;
    st->no.status = status_of(done);
    if (done->result == PLANE__JOB_DONE__RESULT__OK && done->plan != NULL) {
        st->way = route_plan(&c->conf->route, &caller, done->plan, 0);
        st->no.status = refusal_of(&st->way);
    }
    return st->no.status == 0 ? CALL_EV_REFER_RING : dial_no(c);
}
