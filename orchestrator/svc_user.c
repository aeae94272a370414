#include "orchestrator/svc.h"
#include "orchestrator/text.h"
#include "orchestrator/wire.h"
#include <string.h>

#define HA1_LEN 32 /* hex digits of an MD5 */

/*
 * The fields of plane.User and plane.Contact have the platform's numbers and types, so its bytes are decoded straight
 * into them (a unit test compares the descriptors).
 */
int svc_user_decode(struct span body, Plane__User **out)
{
    struct wire w = wire_open(body);
    struct wire_field f;
    struct span user = {0};
    while (wire_next(&w, &f))
        if (f.no == 1 && f.type == WIRE_LEN)
            user = f.bytes;
    if (w.bad)
        return -SVC_EMALFORMED;
    *out = NULL;
    if (user.p == NULL)
        return 0;
    Plane__User *u = plane__user__unpack(NULL, user.len, (const uint8_t *)user.p);
    if (u == NULL || !text_message_ok(&u->base)) {
        plane__user__free_unpacked(u, NULL);
        return -SVC_EMALFORMED;
    }
    *out = u;
    return 0;
}

static bool is_ha1(const char *z)
{
    return strlen(z) == HA1_LEN && strspn(z, "0123456789abcdefABCDEF") == HA1_LEN;
}

/* The answer's bytes have the form of plane.Credentials, as above. */
int svc_credentials_decode(struct span body, Plane__Credentials **out)
{
    Plane__Credentials *c = plane__credentials__unpack(NULL, body.len, (const uint8_t *)body.p);
    if (c == NULL || !text_message_ok(&c->base) || !is_ha1(c->ha1)) {
        svc_credentials_free(c);
        return -SVC_EMALFORMED;
    }
    for (char *z = c->ha1; *z != '\0'; z++)
        *z = (char)(*z >= 'A' && *z <= 'F' ? *z - 'A' + 'a' : *z);
    *out = c;
    return 0;
}

void svc_credentials_free(Plane__Credentials *c)
{
    if (c == NULL)
        return;
    if (c->ha1 != protobuf_c_empty_string)
        explicit_bzero(c->ha1, strlen(c->ha1));
    plane__credentials__free_unpacked(c, NULL);
}
