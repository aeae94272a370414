#include "tests/platform/directory.h"

#include "tests/platform/ha1.h"
#include "tests/platform/phone.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool directory_contact_key(char out[DIR_KEY_MAX], struct span type, struct span value)
{
    char phone[PHONE_MAX];
    if (span_eq(type, SPAN("phone"))) {
        phone_for_user(phone, value);
        value = span_cstr(phone);
    }
    if (type.len + 1 + value.len >= DIR_KEY_MAX)
        return false;
    (void)snprintf(out, DIR_KEY_MAX, "%.*s:%.*s", SPAN_ARG(type), SPAN_ARG(value));
    return true;
}

/* --- users --- */

/* The stored form of the value and the index key are put into the JSON object, which so owns their memory. */
static void load_contact(struct directory *d, struct jsonx *j, cJSON *obj, struct dir_user *u, int i)
{
    static const char *const names[] = {"id", "type", "value", "primary", NULL};
    jsonx_names(j, obj, names);
    contact_msg *m = &u->contacts[i];
    struct dir_contact *e = &u->entries[i];
    sentiric__user__v1__contact__init(m);
    m->id = (int32_t)jsonx_int(j, obj, "id", (u - d->users) * 100 + i + 1, 1, INT32_MAX);
    m->user_id = u->msg.id;
    m->contact_type = jsonx_str(j, obj, "type", NULL);
    m->contact_value = jsonx_str(j, obj, "value", NULL);
    m->is_primary = jsonx_bool(j, obj, "primary", i == 0);
    char key[DIR_KEY_MAX];
    if (!directory_contact_key(key, span_cstr(m->contact_type), span_cstr(m->contact_value))) {
        jsonx_fail(j, "contact is too long");
        return;
    }
    cJSON *owner = cJSON_AddStringToObject(obj, ".key", key);
    if (owner == NULL) {
        jsonx_fail(j, "out of memory");
        return;
    }
    m->contact_value = owner->valuestring + strlen(m->contact_type) + 1;
    *e = (struct dir_contact){.user = u, .msg = m};
    if (map_put(&d->contacts, &e->node, span_cstr(owner->valuestring)) != 0)
        jsonx_fail(j, "contact %s is there twice", key);
}

static void load_contacts(struct directory *d, struct jsonx *j, const cJSON *obj, struct dir_user *u)
{
    const cJSON *list = jsonx_array(j, obj, "contacts");
    size_t n = (size_t)cJSON_GetArraySize(list);
    u->contacts = calloc(n + 1, sizeof *u->contacts);
    u->entries = calloc(n + 1, sizeof *u->entries);
    u->msg.contacts = calloc(n + 1, sizeof(contact_msg *));
    if (u->contacts == NULL || u->entries == NULL || u->msg.contacts == NULL) {
        jsonx_fail(j, "out of memory");
        return;
    }
    cJSON *c = list != NULL ? list->child : NULL;
    for (size_t i = 0; c != NULL && !jsonx_failed(j); i++, c = c->next) {
        load_contact(d, j, c, u, (int)i);
        u->msg.contacts[i] = &u->contacts[i];
        u->msg.n_contacts = i + 1;
    }
}

static void load_credentials(struct directory *d, struct jsonx *j, const cJSON *obj, struct dir_user *u,
                             const char *realm)
{
    static const char *const names[] = {"username", "password", "ha1", "realm", NULL};
    const cJSON *sip = jsonx_object(j, obj, "sip");
    if (sip == NULL)
        return;
    jsonx_names(j, sip, names);
    const char *name = jsonx_str(j, sip, "username", NULL);
    u->realm = jsonx_str(j, sip, "realm", realm);
    const char *ha1 = jsonx_str(j, sip, "ha1", "");
    const char *password = jsonx_str(j, sip, "password", "");
    if ((ha1[0] == '\0') == (password[0] == '\0'))
        jsonx_fail(j, "SIP user \"%s\" needs a password or an ha1", name);
    else if (ha1[0] != '\0' && !ha1_is(ha1))
        jsonx_fail(j, "the ha1 of SIP user \"%s\" is not 32 lower-case hex digits", name);
    else if (ha1[0] != '\0')
        memcpy(u->ha1, ha1, HA1_SIZE);
    else if (ha1_make(u->ha1, name, u->realm, password) != 0)
        jsonx_fail(j, "no MD5 to be had for HA1");
    if (map_put(&d->sip_users, &u->sip_node, span_cstr(name)) != 0)
        jsonx_fail(j, "SIP user \"%s\" is there twice", name);
}

static void load_user(struct directory *d, struct jsonx *j, const cJSON *obj, struct dir_user *u, const char *realm)
{
    static const char *const names[] = {"id", "name", "tenant", "type", "language", "contacts", "sip", NULL};
    jsonx_names(j, obj, names);
    sentiric__user__v1__user__init(&u->msg);
    u->msg.id = jsonx_str(j, obj, "id", NULL);
    u->msg.name = jsonx_str(j, obj, "name", "");
    u->msg.tenant_id = jsonx_str(j, obj, "tenant", NULL);
    u->msg.user_type = jsonx_str(j, obj, "type", "caller");
    u->msg.preferred_language_code = jsonx_str(j, obj, "language", "");
    load_contacts(d, j, obj, u);
    load_credentials(d, j, obj, u, realm);
}

/* --- numbers and plans --- */

static void load_plan(struct directory *d, struct jsonx *j, const cJSON *obj, struct dir_plan *p,
                      enum action_shape shape)
{
    static const char *const names[] = {"id", "tenant", "description", "action", "type", "data", NULL};
    jsonx_names(j, obj, names);
    p->id = jsonx_str(j, obj, "id", NULL);
    p->tenant = jsonx_str(j, obj, "tenant", "system");
    buf_init(&p->action, ACTION_BYTES_MAX);
    action_pack(&p->action, shape, j, obj);
    if (map_put(&d->plans, &p->node, span_cstr(p->id)) != 0)
        jsonx_fail(j, "plan \"%s\" is there twice", p->id);
}

static void load_route(struct directory *d, struct jsonx *j, const cJSON *obj, struct dir_route *r)
{
    static const char *const names[] = {"number",        "tenant",          "plan",     "off_hours_plan",
                                        "failsafe_plan", "language",        "schedule", "maintenance",
                                        "closed",        "block_anonymous", NULL};
    jsonx_names(j, obj, names);
    sentiric__dialplan__v1__inbound_route__init(&r->msg);
    r->msg.phone_number = jsonx_str(j, obj, "number", NULL);
    r->msg.tenant_id = jsonx_str(j, obj, "tenant", NULL);
    r->msg.active_dialplan_id = jsonx_str(j, obj, "plan", "");
    r->msg.off_hours_dialplan_id = jsonx_str(j, obj, "off_hours_plan", "");
    r->msg.failsafe_dialplan_id = jsonx_str(j, obj, "failsafe_plan", "");
    r->msg.default_language_code = jsonx_str(j, obj, "language", "tr");
    r->msg.schedule_id = jsonx_str(j, obj, "schedule", "");
    r->msg.is_maintenance_mode = jsonx_bool(j, obj, "maintenance", false);
    r->msg.block_anonymous = jsonx_bool(j, obj, "block_anonymous", false);
    r->closed = jsonx_bool(j, obj, "closed", false);
    char number[PHONE_MAX];
    phone_for_dialplan(number, span_cstr(r->msg.phone_number));
    if (strcmp(number, r->msg.phone_number) != 0)
        jsonx_fail(j, "number \"%s\" must be written \"%s\"", r->msg.phone_number, number);
    if (map_put(&d->routes, &r->node, span_cstr(r->msg.phone_number)) != 0)
        jsonx_fail(j, "number \"%s\" is there twice", r->msg.phone_number);
}

/* --- all --- */

/* The array called name; its length goes to *n, and as many zeroed elements are allocated. */
static const cJSON *open_list(struct jsonx *j, const cJSON *root, const char *name, void **mem, size_t size, size_t *n)
{
    jsonx_at(j, "file", -1);
    const cJSON *list = jsonx_array(j, root, name);
    *n = (size_t)cJSON_GetArraySize(list);
    *mem = calloc(*n + 1, size);
    if (*mem == NULL) {
        *n = 0;
        jsonx_fail(j, "out of memory");
        return NULL;
    }
    return list;
}

void directory_load(struct directory *d, struct jsonx *j, cJSON *root, enum action_shape shape, const char *realm)
{
    *d = (struct directory){0};
    map_init(&d->contacts);
    map_init(&d->sip_users);
    map_init(&d->plans);
    map_init(&d->routes);
    void *mem;
    const cJSON *obj;
    int i = 0;
    const cJSON *list = open_list(j, root, "users", &mem, sizeof *d->users, &d->nusers);
    d->users = mem;
    cJSON_ArrayForEach(obj, list)
    {
        jsonx_at(j, "users", i);
        load_user(d, j, obj, &d->users[i++], realm);
    }
    i = 0;
    list = open_list(j, root, "plans", &mem, sizeof *d->plan_list, &d->nplans);
    d->plan_list = mem;
    cJSON_ArrayForEach(obj, list)
    {
        jsonx_at(j, "plans", i);
        load_plan(d, j, obj, &d->plan_list[i++], shape);
    }
    i = 0;
    list = open_list(j, root, "numbers", &mem, sizeof *d->route_list, &d->nroutes);
    d->route_list = mem;
    cJSON_ArrayForEach(obj, list)
    {
        jsonx_at(j, "numbers", i);
        load_route(d, j, obj, &d->route_list[i++]);
    }
}

void directory_fini(struct directory *d)
{
    map_fini(&d->contacts);
    map_fini(&d->sip_users);
    map_fini(&d->plans);
    map_fini(&d->routes);
    for (size_t i = 0; i < d->nusers; i++) {
        free(d->users[i].contacts);
        free(d->users[i].entries);
        free(d->users[i].msg.contacts);
    }
    for (size_t i = 0; i < d->nplans; i++)
        buf_fini(&d->plan_list[i].action);
    free(d->users);
    free(d->plan_list);
    free(d->route_list);
    *d = (struct directory){0};
}

const struct dir_contact *directory_contact(const struct directory *d, struct span type, struct span value)
{
    char key[DIR_KEY_MAX];
    if (!directory_contact_key(key, type, value))
        return NULL;
    struct map_node *n = map_get(&d->contacts, span_cstr(key));
    return n != NULL ? MAP_ENTRY(n, struct dir_contact, node) : NULL;
}

const struct dir_user *directory_sip_user(const struct directory *d, struct span name)
{
    struct map_node *n = map_get(&d->sip_users, name);
    return n != NULL ? MAP_ENTRY(n, struct dir_user, sip_node) : NULL;
}

const struct dir_plan *directory_plan(const struct directory *d, const char *id)
{
    struct map_node *n = map_get(&d->plans, span_cstr(id));
    return n != NULL ? MAP_ENTRY(n, struct dir_plan, node) : NULL;
}

const struct dir_route *directory_route(const struct directory *d, const char *number)
{
    struct map_node *n = map_get(&d->routes, span_cstr(number));
    return n != NULL ? MAP_ENTRY(n, struct dir_route, node) : NULL;
}
