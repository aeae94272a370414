#include "call-actor/registrar_rpc.h"

#include "common/base/id.h"
#include "common/base/log.h"
#include <stdlib.h>

#define DONE(word) PLANE__REGISTRATION_DONE__RESULT__##word

static void answer(struct actor *a, const Plane__Registration *m, Plane__RegistrationDone *done)
{
    done->id = m->id;
    (void)bus_send(a->orch, PLANE_CALL_REGISTRATION_DONE, &done->base);
}

static void reply(struct actor *a, const Plane__Registration *m, Plane__RegistrationDone__Result result,
                  const char *detail)
{
    Plane__RegistrationDone done = PLANE__REGISTRATION_DONE__INIT;
    done.result = result;
    done.detail = (char *)(uintptr_t)detail;
    answer(a, m, &done);
}

static int better(const void *x, const void *y)
{
    const Store__Binding *a = *(Store__Binding *const *)x;
    const Store__Binding *b = *(Store__Binding *const *)y;
    if (a->q != b->q)
        return a->q > b->q ? -1 : 1;
    return a->expires_wall_ms > b->expires_wall_ms ? -1 : a->expires_wall_ms < b->expires_wall_ms;
}

/* Best first; of equals the one that was refreshed last. */
static void look_up(struct actor *a, const Plane__Registration *m, struct span user)
{
    char *contacts[64];
    Store__AorRow *row = location_get(registrar_location(a->registrar), user);
    Plane__RegistrationDone done = PLANE__REGISTRATION_DONE__INIT;
    if (row->n_bindings > 1)
        qsort(row->bindings, row->n_bindings, sizeof(void *), better);
    for (; done.n_contacts < row->n_bindings && done.n_contacts < sizeof(contacts) / sizeof(contacts[0]);
         done.n_contacts++)
        contacts[done.n_contacts] = row->bindings[done.n_contacts]->contact;
    done.contacts = contacts;
    answer(a, m, &done);
    store__aor_row__free_unpacked(row, NULL);
}

static void set(struct actor *a, const Plane__Registration *m, struct span user)
{
    struct location *l = registrar_location(a->registrar);
    Store__AorRow *row = location_get(l, user);
    enum aor_set is = aor_set(row, registrar_conf(a->registrar), span_cstr(m->contact), (uint32_t)m->expires,
                              registrar_now(a->registrar));
    if (is != AOR_SET_OK) {
        store__aor_row__free_unpacked(row, NULL);
        reply(a, m, is == AOR_SET_FULL ? DONE(FULL) : DONE(INVALID),
              is == AOR_SET_FULL ? "the user has as many contacts as may be" : "contact_uri is no SIP URI");
    } else if (location_put(l, row) != 0) {
        reply(a, m, DONE(FULL), "as many users are registered as may be");
    } else {
        log_ev(LOG_INFO, m->expires > 0 ? "registered" : "unregistered", log_s("user", user), log_z("by", m->asked_by));
        reply(a, m, DONE(OK), "");
    }
}

static void serve(struct actor *a, const Plane__Registration *m, struct span user)
{
    if (m->op == PLANE__REGISTRATION__OP__LOOKUP) {
        look_up(a, m, user);
    } else if (m->op == PLANE__REGISTRATION__OP__UNREGISTER) {
        (void)registrar_unregister(a->registrar, user, SPAN(""), m->asked_by);
        reply(a, m, DONE(OK), "");
    } else if (m->expires == 0) {
        set(a, m, user);
    } else {
        gate_ask_user(a->gate, m, user);
    }
}

void registrar_rpc(struct actor *a, const Plane__Registration *m)
{
    struct buf user;
    buf_init(&user, AOR_USER_MAX);
    if (aor_user_of(&user, span_cstr(m->aor)) != 0)
        reply(a, m, DONE(INVALID), "sip_uri is no SIP URI with a user part");
    else if (id_shard_of_user(buf_span(&user), conf_u32(worker_conf(a->worker), SET_CALL_ACTORS)) != a->conf.shard)
        reply(a, m, DONE(ELSEWHERE), "");
    else
        serve(a, m, buf_span(&user));
    buf_fini(&user);
}

void registrar_rpc_told(struct actor *a, const Plane__Registration *m, const struct cred *told)
{
    struct buf user;
    buf_init(&user, AOR_USER_MAX);
    if (told == NULL)
        reply(a, m, DONE(UNAVAILABLE), "user-service could not be asked");
    else if (!told->known)
        reply(a, m, DONE(UNKNOWN_USER), "user-service knows no such user");
    else if (aor_user_of(&user, span_cstr(m->aor)) == 0)
        set(a, m, buf_span(&user));
    buf_fini(&user);
}
