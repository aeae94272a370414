/* Answers of user-, dialplan- and media-service: whatever is taken is well-formed, bounded and says the same when
 * packed. */
#include "orchestrator/svc.h"
#include "orchestrator/text.h"
#include "tests/fuzz/fuzz.h"

static void check_plan(Plane__Plan *p)
{
    FUZZ_ASSERT(text_message_ok(&p->base));
    FUZZ_ASSERT(p->action[0] != '\0');
    FUZZ_ASSERT(p->n_action_data <= SVC_ACTION_DATA_MAX);
    for (size_t i = 0; i < p->n_action_data; i++)
        for (size_t k = 0; k < i; k++)
            FUZZ_ASSERT(strcmp(p->action_data[i]->key, p->action_data[k]->key) != 0);
    size_t n = plane__plan__get_packed_size(p);
    uint8_t *bytes = malloc(2 * n);
    FUZZ_ASSERT(bytes != NULL && plane__plan__pack(p, bytes) == n);
    Plane__Plan *again = plane__plan__unpack(NULL, n, bytes);
    FUZZ_ASSERT(again != NULL && plane__plan__pack(again, bytes + n) == n);
    FUZZ_ASSERT(memcmp(bytes, bytes + n, n) == 0);
    plane__plan__free_unpacked(again, NULL);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span all = fuzz_span(data, size);
    Plane__Plan *p = NULL;
    Plane__User *u = NULL;
    uint32_t port = 0;
    if (svc_dialplan_decode(all, &p) == 0) {
        check_plan(p);
        plane__plan__free_unpacked(p, NULL);
    }
    if (svc_user_decode(all, &u) == 0 && u != NULL) {
        FUZZ_ASSERT(text_message_ok(&u->base));
        plane__user__free_unpacked(u, NULL);
    }
    if (svc_port_decode(all, &port) == 0)
        FUZZ_ASSERT(port > 0 && port <= 65535);
    return 0;
}
