#include "orchestrator/svc.h"
#include "orchestrator/text.h"
#include "orchestrator/wire.h"

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
