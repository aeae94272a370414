#include "common/base/log.h"
#include "tests/platform/pack.h"
#include "tests/platform/platform.h"

typedef Sentiric__User__V1__FindUserByContactRequest find_req;
typedef Sentiric__User__V1__FindUserByContactResponse find_resp;
typedef Sentiric__User__V1__GetSipCredentialsRequest cred_req;
typedef Sentiric__User__V1__GetSipCredentialsResponse cred_resp;

static int refuse(struct rpc_reply *re, int status, const char *message)
{
    re->message = message;
    return status;
}

int user_find_by_contact(void *owner, const struct rpc_request *rq, struct rpc_reply *re)
{
    const struct platform *p = owner;
    find_req *req =
        sentiric__user__v1__find_user_by_contact_request__unpack(NULL, rq->body.len, (const uint8_t *)rq->body.p);
    if (req == NULL)
        return refuse(re, RPC_INTERNAL, "request cannot be decoded");
    struct span type = span_cstr(req->contact_type);
    struct span value = span_cstr(req->contact_value);
    const struct dir_contact *c = directory_contact(&p->cfg->dir, type, value);
    if (c == NULL)
        c = guests_find(&p->guests, type, value);
    sentiric__user__v1__find_user_by_contact_request__free_unpacked(req, NULL);
    if (c == NULL)
        return refuse(re, RPC_NOT_FOUND, "user not found");
    find_resp resp = SENTIRIC__USER__V1__FIND_USER_BY_CONTACT_RESPONSE__INIT;
    resp.user = &c->user->msg;
    pack_message(&re->body, &resp.base);
    return RPC_OK;
}

int user_get_credentials(void *owner, const struct rpc_request *rq, struct rpc_reply *re)
{
    const struct platform *p = owner;
    cred_req *req =
        sentiric__user__v1__get_sip_credentials_request__unpack(NULL, rq->body.len, (const uint8_t *)rq->body.p);
    if (req == NULL)
        return refuse(re, RPC_INTERNAL, "request cannot be decoded");
    const struct dir_user *u = directory_sip_user(&p->cfg->dir, span_cstr(req->sip_username));
    /* Like user-service: the HA1 was made with one realm, and a question about another gets it all the same. */
    if (u != NULL && strcmp(u->realm, req->realm) != 0)
        log_ev(LOG_WARN, "credentials asked for another realm", log_z("user", req->sip_username),
               log_z("asked", req->realm), log_z("stored", u->realm));
    sentiric__user__v1__get_sip_credentials_request__free_unpacked(req, NULL);
    if (u == NULL)
        return refuse(re, RPC_NOT_FOUND, "SIP user not found");
    cred_resp resp = SENTIRIC__USER__V1__GET_SIP_CREDENTIALS_RESPONSE__INIT;
    resp.user_id = u->msg.id;
    resp.tenant_id = u->msg.tenant_id;
    resp.ha1_hash = (char *)u->ha1;
    pack_message(&re->body, &resp.base);
    return RPC_OK;
}
