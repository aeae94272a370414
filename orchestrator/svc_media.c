#include "orchestrator/svc.h"
#include "orchestrator/wire.h"

#define SILENCE_SAMPLES ((size_t)8000)
#define SILENCE_TYPE "data:audio/L16;rate=8000;base64,"
/* 16,000 zero bytes: every three make "AAAA", the last one "AA==" */
#define SILENCE_TEXT ((SILENCE_SAMPLES * 2 / 3 + 1) * 4)

int svc_port_decode(struct span body, uint32_t *port)
{
    struct wire w = wire_open(body);
    struct wire_field f;
    uint64_t n = 0;
    while (wire_next(&w, &f))
        if (f.no == 1 && f.type == WIRE_VARINT)
            n = f.num;
    if (w.bad || n == 0 || n > 65535)
        return -SVC_EMALFORMED;
    *port = (uint32_t)n;
    return 0;
}

enum svc_layout svc_layout_parse(const char *word)
{
    if (strcmp(word, "1.8") == 0)
        return SVC_LAYOUT_1_8;
    return strcmp(word, "1.13") == 0 ? SVC_LAYOUT_1_13 : SVC_LAYOUT_UNKNOWN;
}

const char *svc_silence_uri(void)
{
    static char uri[sizeof(SILENCE_TYPE) + SILENCE_TEXT];
    if (uri[0] == '\0') {
        char *at = uri + sizeof(SILENCE_TYPE) - 1;
        memset(at, 'A', SILENCE_TEXT);
        memset(at + SILENCE_TEXT - 2, '=', 2);
        at[SILENCE_TEXT] = '\0';
        memcpy(uri, SILENCE_TYPE, sizeof(SILENCE_TYPE) - 1);
    }
    return uri;
}
