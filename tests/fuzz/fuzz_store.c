/*
 * A row of the store that is not what we wrote (a newer version, a damaged disk): it is refused, or it is a call that
 * can be asked again, told things, and put back as a row that is read the same.
 */
#include "call-actor/call.h"
#include "call-actor/call_history.h"
#include "call-actor/call_row.h"
#include "common/base/log.h"
#include "tests/fuzz/fuzz.h"

#define FIRE_MAX 64

static struct call_conf conf;
static struct now now;

static void step(struct call *c, const struct call_input *in)
{
    struct call_effects fx = {.count = 0};
    call_handle(c, in, &fx, now);
    FUZZ_ASSERT(fx.count <= CALL_EFFECTS_MAX);
    call_effects_clear(&fx);
}

static void ask_again(struct call *c, Plane__Proc peer)
{
    struct call_effects fx = {.count = 0};
    call_ask_again(c, peer, &fx, now);
    call_effects_clear(&fx);
}

/* As turn.c puts it and recover.c reads it. */
static struct call *put_and_read(struct call *c)
{
    size_t n = store__call_row__get_packed_size(c->row);
    uint8_t *bytes = malloc(n > 0 ? n : 1);
    FUZZ_ASSERT(bytes != NULL && store__call_row__pack(c->row, bytes) == n);
    Store__CallRow *row = store__call_row__unpack(NULL, n, bytes);
    free(bytes);
    FUZZ_ASSERT(row == NULL || (row->key == c->row->key && row->state == c->row->state));
    call_free(c);
    if (row == NULL) /* protobuf-c takes an unknown field number 0, and refuses it as it packs it itself */
        return NULL;
    c = call_from_row(&conf, row);
    FUZZ_ASSERT(c != NULL);
    return c;
}

static void show_line(void *user, const struct call_history_line *l)
{
    char text[CALL_HISTORY_TEXT_MAX];
    (void)user;
    call_history_text(l, text);
    FUZZ_ASSERT(memchr(l->what, '\0', sizeof(l->what)) != NULL && memchr(text, '\0', sizeof(text)) != NULL);
}

static void show(const struct call *c)
{
    call_history_each(c, show_line, NULL);
    FUZZ_ASSERT(call_from(c) != NULL && call_to(c) != NULL && *call_state_name(call_state(c)) != '\0');
}

/* Time goes on until nothing is armed: the timers of any row are bounded. */
static void let_time_pass(struct call *c)
{
    for (unsigned i = 0; i < FIRE_MAX; i++) {
        unsigned t = 0;
        while (t < CALL_TIMERS && c->row->timers[t] == 0)
            t++;
        if (t == CALL_TIMERS)
            return;
        if (c->row->timers[t] > (uint64_t)now.wall_ms && c->row->timers[t] < (uint64_t)now.wall_ms + 3600000u)
            now.wall_ms = (int64_t)c->row->timers[t];
        step(c, &(struct call_input){.type = CALL_IN_TIMER, .timer = (enum call_timer)t});
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bad;
    Store__OutboxRow *event = store__outbox_row__unpack(NULL, size, data);
    Store__CallRow *row = store__call_row__unpack(NULL, size, data);
    log_set_level(LOG_ERROR);
    if (event != NULL)
        store__outbox_row__free_unpacked(event, NULL);
    if (row == NULL)
        return 0;
    conf = (struct call_conf){.contact_addr = "192.0.2.1",
                              .contact_port = 5060,
                              .media_addr = "192.0.2.1",
                              .agent = "sig",
                              .t1_ms = 500,
                              .setup_ms = 10000,
                              .events_json = true};
    (void)codecs_parse(&conf.codecs, SPAN("PCMU,PCMA,telephone-event"), &bad);
    now = (struct now){.wall_ms = 1750000000000};
    struct call *c = call_from_row(&conf, row);
    if (c == NULL)
        return 0;
    show(c);
    ask_again(c, PLANE__PROC__PROC_NONE);
    c = put_and_read(c);
    if (c == NULL)
        return 0;
    ask_again(c, PLANE__PROC__PROC_EDGE);
    step(c, &(struct call_input){.type = CALL_IN_TERMINATE, .reason = "x"});
    let_time_pass(c);
    show(c);
    call_free(c);
    return 0;
}
