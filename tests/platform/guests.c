#include "tests/platform/guests.h"

#include "common/base/id.h"
#include "tests/platform/phone.h"
#include <stdio.h>
#include <stdlib.h>

#define GUEST_TEXT_MAX 96
#define UUID_SIZE 37

struct guest {
    struct dir_user user;
    struct dir_contact entry;
    contact_msg contact;
    contact_msg *contact_ptr;
    char key[DIR_KEY_MAX];
    char id[UUID_SIZE];
    char name[GUEST_TEXT_MAX];
    char tenant[GUEST_TEXT_MAX];
    char language[GUEST_TEXT_MAX];
};

void guests_init(struct guests *g)
{
    map_init(&g->by_contact);
}

void guests_fini(struct guests *g)
{
    struct map_node *n;
    while ((n = map_next(&g->by_contact, NULL)) != NULL) {
        map_del(&g->by_contact, n);
        free(MAP_ENTRY(n, struct guest, entry.node));
    }
    map_fini(&g->by_contact);
}

const struct dir_contact *guests_find(const struct guests *g, struct span type, struct span value)
{
    char key[DIR_KEY_MAX];
    if (!directory_contact_key(key, type, value))
        return NULL;
    struct map_node *n = map_get(&g->by_contact, span_cstr(key));
    return n != NULL ? MAP_ENTRY(n, struct dir_contact, node) : NULL;
}

/* A random UUID (RFC 9562 §5.4). */
static void uuid_make(char out[UUID_SIZE])
{
    unsigned char b[16];
    id_random_bytes(b, sizeof b);
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    char *p = out;
    for (size_t i = 0; i < sizeof b; i++)
        p += sprintf(p, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", b[i]);
}

const struct dir_contact *guests_add(struct guests *g, const char *number, const char *tenant, const char *language)
{
    static char type_guest[] = "guest";
    struct guest *u = g->by_contact.count < GUESTS_MAX ? calloc(1, sizeof *u) : NULL;
    const char *type = phone_contact_type(number);
    if (u == NULL || !directory_contact_key(u->key, span_cstr(type), span_cstr(number))) {
        free(u);
        return NULL;
    }
    uuid_make(u->id);
    (void)snprintf(u->name, sizeof u->name, "Guest_%s", number);
    (void)snprintf(u->tenant, sizeof u->tenant, "%s", tenant);
    (void)snprintf(u->language, sizeof u->language, "%s", language);
    sentiric__user__v1__user__init(&u->user.msg);
    sentiric__user__v1__contact__init(&u->contact);
    u->contact_ptr = &u->contact;
    u->contact.id = (int32_t)g->by_contact.count + 1000000; /* clear of the configured ones */
    u->contact.user_id = u->id;
    u->contact.contact_type = (char *)type;
    u->contact.contact_value = u->key + strlen(type) + 1;
    u->contact.is_primary = true;
    u->user.msg.id = u->id;
    u->user.msg.name = u->name;
    u->user.msg.tenant_id = u->tenant;
    u->user.msg.user_type = type_guest;
    u->user.msg.preferred_language_code = u->language;
    u->user.msg.contacts = &u->contact_ptr;
    u->user.msg.n_contacts = 1;
    u->entry = (struct dir_contact){.user = &u->user, .msg = &u->contact};
    if (map_put(&g->by_contact, &u->entry.node, span_cstr(u->key)) != 0) {
        free(u);
        return NULL;
    }
    return &u->entry;
}
