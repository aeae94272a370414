/* A request line: what is accepted fits its bounds and comes through unchanged; any text is one JSON string, harmless
 * on a terminal. */
#include "proto/control.h"
#include "tests/fuzz/fuzz.h"

#define OUT_MAX (16L * CONTROL_LINE_MAX)

static void check_request(const struct control_request *r)
{
    struct buf line;
    struct control_request again;
    const char *error = NULL;
    const char *message = NULL;
    FUZZ_ASSERT(r->cmd < CONTROL_CMDS);
    for (size_t i = 0; i < CONTROL_ARGS; i++)
        FUZZ_ASSERT(memchr(r->arg[i], '\0', CONTROL_ARG_MAX) != NULL);
    buf_init(&line, OUT_MAX);
    control_put_request(&line, r);
    FUZZ_ASSERT(!line.failed && span_find(buf_span(&line), '\n') == line.len - 1);
    if (line.len - 1 <= CONTROL_LINE_MAX) {
        FUZZ_ASSERT(control_parse(span_of(line.p, line.len - 1), &again, &error, &message) == 0);
        FUZZ_ASSERT(again.cmd == r->cmd && again.flag == r->flag);
    }
    buf_fini(&line);
}

static void check_text(struct span in)
{
    struct buf out;
    buf_init(&out, 8 * in.len + 16);
    control_put_string(&out, in);
    FUZZ_ASSERT(!out.failed && span_find(buf_span(&out), '\n') == out.len);
    buf_reset(&out);
    control_put_printable(&out, in);
    FUZZ_ASSERT(!out.failed);
    for (size_t i = 0; i < out.len; i++)
        FUZZ_ASSERT((unsigned char)out.p[i] >= 0x20 || out.p[i] == '\n');
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct control_request r;
    const char *error = NULL;
    const char *message = NULL;
    struct span in = fuzz_span(data, size);
    if (control_parse(in, &r, &error, &message) == 0)
        check_request(&r);
    else
        FUZZ_ASSERT(error != NULL && message != NULL);
    check_text(in);
    return 0;
}
