/* RegistrarService: asked of every call-actor shard, answered with what the owner of the address-of-record says. */
#include "common/base/stat.h"
#include "orchestrator/orch_ask.h"
#include "orchestrator/rpc_code.h"
#include "proto/platform/sip.pb-c.h"

enum { TEXT_AOR, TEXT_CONTACT };

static struct stat_series requests = {
    .name = "sip_signaling_registrar_requests_total", .help = "RegistrarService requests", .kind = STAT_COUNTER};

/* --- asking ------------------------------------------------------------------------------------------------------ */

static int send_it(const struct ask *a, struct shard *s)
{
    Plane__Registration m = PLANE__REGISTRATION__INIT;
    m.id.data = (uint8_t *)(uintptr_t)a->id;
    m.id.len = strlen(a->id);
    m.op = (Plane__Registration__Op)a->op;
    m.aor = a->text[TEXT_AOR];
    m.contact = a->text[TEXT_CONTACT];
    m.expires = a->num;
    m.asked_by = (char *)(uintptr_t)a->asked_by;
    return bus_send(s->link, PLANE_CALL_REGISTRATION, &m.base);
}

static void log_it(const struct ask *a, int code)
{
    static const char *const ops[] = {[PLANE__REGISTRATION__OP__REGISTER] = "Register",
                                      [PLANE__REGISTRATION__OP__UNREGISTER] = "Unregister",
                                      [PLANE__REGISTRATION__OP__LOOKUP] = "LookupContact"};
    log_ev(LOG_DEBUG, "registrar", log_z("op", ops[a->op]), log_z("aor", a->text[TEXT_AOR]), log_z("by", a->asked_by),
           log_z("result", rpc_code_name(code)));
}

static const struct ask_kind kind = {.letter = ORCH_ASK_REGISTRAR,
                                     .send = send_it,
                                     .log = log_it,
                                     .none_code = RPC_INTERNAL,
                                     .none_text = "no call-actor is there for this address"};

static bool is_bad(struct serve_call *c, const char *text, const char *fault)
{
    size_t len = strlen(text);
    if (len > 0 && len <= ASK_TEXT_MAX)
        return false;
    serve_answer(c, RPC_INVALID_ARGUMENT, fault, NULL);
    return true;
}

static void ask(struct orch *o, struct serve_call *c, Plane__Registration__Op op, const char *aor)
{
    if (!is_bad(c, aor, "sip_uri is missing or too long"))
        ask_begin(o, &(struct ask_args){.kind = &kind, .call = c, .text = {aor}, .op = (int)op});
}

/* A binding that ends, of no contact or of "*", is what the contract's one contact a user was: all there is. */
void orch_reg_on_register(void *user, struct serve_call *c, const ProtobufCMessage *request)
{
    const Sentiric__Sip__V1__RegisterRequest *q = (const void *)request;
    stat_inc(&requests);
    bool all = q->contact_uri[0] == '\0' || strcmp(q->contact_uri, "*") == 0;
    if (all && q->expires <= 0) {
        ask(user, c, PLANE__REGISTRATION__OP__UNREGISTER, q->sip_uri);
        return;
    }
    if (is_bad(c, q->sip_uri, "sip_uri is missing or too long") ||
        is_bad(c, q->contact_uri, "contact_uri is missing or too long"))
        return;
    ask_begin(user, &(struct ask_args){.kind = &kind,
                                       .call = c,
                                       .text = {q->sip_uri, q->contact_uri},
                                       .op = PLANE__REGISTRATION__OP__REGISTER,
                                       .num = q->expires > 0 ? q->expires : 0});
}

void orch_reg_on_unregister(void *user, struct serve_call *c, const ProtobufCMessage *request)
{
    stat_inc(&requests);
    const Sentiric__Sip__V1__UnregisterRequest *q = (const void *)request;
    ask(user, c, PLANE__REGISTRATION__OP__UNREGISTER, q->sip_uri);
}

void orch_reg_on_lookup(void *user, struct serve_call *c, const ProtobufCMessage *request)
{
    stat_inc(&requests);
    const Sentiric__Sip__V1__LookupContactRequest *q = (const void *)request;
    ask(user, c, PLANE__REGISTRATION__OP__LOOKUP, q->sip_uri);
}

/* --- answers ----------------------------------------------------------------------------------------------------- */

/* Each has a bool success in field 1 and nothing else, but its own type. Register's answers an UNREGISTER too. */
static void end_well(struct ask *a, const Plane__RegistrationDone *m)
{
    Sentiric__Sip__V1__LookupContactResponse found = SENTIRIC__SIP__V1__LOOKUP_CONTACT_RESPONSE__INIT;
    Sentiric__Sip__V1__RegisterResponse done = SENTIRIC__SIP__V1__REGISTER_RESPONSE__INIT;
    found.n_contact_uris = m->n_contacts;
    found.contact_uris = m->contacts;
    done.success = true;
    ask_end(a, RPC_OK, "", a->op == PLANE__REGISTRATION__OP__LOOKUP ? &found.base : &done.base);
}

static int code_of(Plane__RegistrationDone__Result result)
{
    switch (result) {
    case PLANE__REGISTRATION_DONE__RESULT__INVALID:
        return RPC_INVALID_ARGUMENT;
    case PLANE__REGISTRATION_DONE__RESULT__UNKNOWN_USER:
        return RPC_UNAUTHENTICATED;
    case PLANE__REGISTRATION_DONE__RESULT__UNAVAILABLE:
        return RPC_UNAVAILABLE;
    case PLANE__REGISTRATION_DONE__RESULT__FULL:
        return RPC_RESOURCE_EXHAUSTED;
    default:
        return RPC_INTERNAL;
    }
}

void orch_reg_answered(struct shard *s, const Plane__RegistrationDone *m)
{
    struct ask *a = ask_find(s->orch, m->id);
    if (a == NULL)
        return;
    if (m->result == PLANE__REGISTRATION_DONE__RESULT__ELSEWHERE)
        ask_passed(a, s, false);
    else if (m->result == PLANE__REGISTRATION_DONE__RESULT__OK)
        end_well(a, m);
    else
        ask_end(a, code_of(m->result), m->detail, NULL);
}

void orch_reg_init(void)
{
    stat_register(&requests);
}
