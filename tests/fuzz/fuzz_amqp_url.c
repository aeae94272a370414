/* The broker's URL: what is taken is whole C strings within their bounds, what is not has a reason that says nothing of
 * the secret in it. */
#include "common/rt/amqp_url.h"
#include "tests/fuzz/fuzz.h"

static bool whole(const char *z)
{
    return memchr(z, '\0', AMQP_URL_TEXT_MAX) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct amqp_url u;
    const char *why = NULL;
    struct span in = fuzz_span(data, size);
    if (amqp_url_parse(&u, in, &why) != 0) {
        FUZZ_ASSERT(why != NULL && *why != '\0');
        return 0;
    }
    FUZZ_ASSERT(whole(u.user) && whole(u.password) && whole(u.host) && whole(u.vhost));
    FUZZ_ASSERT(u.host[0] != '\0' && u.port != 0 && u.vhost[0] != '\0');
    return 0;
}
