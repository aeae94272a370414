#include "tests/platform/pack.h"
#include "tests/platform/phone.h"
#include "tests/platform/platform.h"

typedef Sentiric__Dialplan__V1__ResolveDialplanRequest resolve_req;
typedef Sentiric__Dialplan__V1__ResolveDialplanResponse resolve_resp;

#define PLAN_GUEST "DP_SYSTEM_AI_GUEST"
#define PLAN_FAILSAFE "DP_SYSTEM_FAILSAFE"

static char text_system[] = "system";
static char text_tr[] = "tr";
static char text_guest[] = "guest";
static char text_nil_uuid[] = "00000000-0000-0000-0000-000000000000";
static char text_ghost[] = "Ghost";
static char text_hard_coded[] = "HARDCODED_FAILSAFE";

/* Puts the plan called id into the answer, or the hard-coded one when nobody has written it down, and packs the answer.
 */
static int answer_plan(struct platform *p, resolve_resp *resp, const char *id, struct rpc_reply *re)
{
    const struct dir_plan *plan = directory_plan(&p->cfg->dir, id);
    struct buf action;
    buf_init(&action, ACTION_BYTES_MAX);
    if (plan != NULL) {
        resp->dialplan_id = plan->id;
        resp->tenant_id = plan->tenant;
        resp->action = (ProtobufCBinaryData){.len = plan->action.len, .data = (uint8_t *)plan->action.p};
    } else {
        action_pack_failsafe(&action, p->cfg->action_shape);
        resp->dialplan_id = text_hard_coded;
        resp->tenant_id = text_system;
        resp->action = (ProtobufCBinaryData){.len = action.len, .data = (uint8_t *)action.p};
    }
    pack_message(&re->body, &resp->base);
    buf_fini(&action);
    return RPC_OK;
}

static const struct dir_contact *find_caller(struct platform *p, const char *caller, const route_msg *route)
{
    struct span type = span_cstr(phone_contact_type(caller));
    const struct dir_contact *c = directory_contact(&p->cfg->dir, type, span_cstr(caller));
    if (c == NULL)
        c = guests_find(&p->guests, type, span_cstr(caller));
    if (c == NULL)
        c = guests_add(&p->guests, caller, route->tenant_id, route->default_language_code);
    return c;
}

/* A number that is served: the plan of its state (closed, open), with the caller. */
static int resolve_route(struct platform *p, const struct dir_route *route, const char *caller, struct rpc_reply *re)
{
    resolve_resp resp = SENTIRIC__DIALPLAN__V1__RESOLVE_DIALPLAN_RESPONSE__INIT;
    resp.inbound_route = (route_msg *)&route->msg;
    if (route->msg.is_maintenance_mode) {
        const char *id = route->msg.failsafe_dialplan_id;
        return answer_plan(p, &resp, id[0] != '\0' ? id : PLAN_FAILSAFE, re);
    }
    bool anonymous = caller[0] == '\0' || strcmp(caller, "anonymous") == 0;
    if (route->msg.block_anonymous && anonymous) {
        re->message = "anonymous callers are not accepted";
        return RPC_PERMISSION_DENIED;
    }
    user_msg ghost = SENTIRIC__USER__V1__USER__INIT;
    const struct dir_contact *c = anonymous ? NULL : find_caller(p, caller, &route->msg);
    if (c != NULL) {
        resp.matched_user = &c->user->msg;
        resp.matched_contact = c->msg;
    } else {
        ghost.id = text_nil_uuid;
        ghost.name = text_ghost;
        ghost.user_type = text_guest;
        ghost.tenant_id = route->msg.tenant_id;
        resp.matched_user = &ghost;
    }
    const char *id = route->closed && route->msg.off_hours_dialplan_id[0] != '\0' ? route->msg.off_hours_dialplan_id
                                                                                  : route->msg.active_dialplan_id;
    return answer_plan(p, &resp, directory_plan(&p->cfg->dir, id) != NULL ? id : PLAN_GUEST, re);
}

/* A number that nobody serves is not an error: the guest plan, a route made up for it, no user. */
static int resolve_unknown(struct platform *p, char *number, struct rpc_reply *re)
{
    resolve_resp resp = SENTIRIC__DIALPLAN__V1__RESOLVE_DIALPLAN_RESPONSE__INIT;
    route_msg route = SENTIRIC__DIALPLAN__V1__INBOUND_ROUTE__INIT;
    route.phone_number = number;
    route.tenant_id = text_system;
    route.default_language_code = text_tr;
    resp.inbound_route = &route;
    return answer_plan(p, &resp, PLAN_GUEST, re);
}

int dialplan_resolve(void *owner, const struct rpc_request *rq, struct rpc_reply *re)
{
    struct platform *p = owner;
    resolve_req *req =
        sentiric__dialplan__v1__resolve_dialplan_request__unpack(NULL, rq->body.len, (const uint8_t *)rq->body.p);
    if (req == NULL) {
        re->message = "request cannot be decoded";
        return RPC_INTERNAL;
    }
    char caller[PHONE_MAX];
    char number[PHONE_MAX];
    phone_for_dialplan(caller, span_cstr(req->caller_contact_value));
    phone_for_dialplan(number, span_cstr(req->destination_number));
    sentiric__dialplan__v1__resolve_dialplan_request__free_unpacked(req, NULL);
    const struct dir_route *route = directory_route(&p->cfg->dir, number);
    return route != NULL ? resolve_route(p, route, caller, re) : resolve_unknown(p, number, re);
}
