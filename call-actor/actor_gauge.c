/* What is worked out only when somebody asks for metrics. */
#include "call-actor/actor.h"
#include "call-actor/registrar.h"
#include "common/base/stat.h"

#define GAUGE(id, text)                                                                                                \
    {                                                                                                                  \
        .name = "sip_signaling_" id, .help = (text), .kind = STAT_GAUGE                                                \
    }

static struct stat_series calls_limit = GAUGE("calls_limit", "calls at once, _CALLS_MAX");
static struct stat_series registrations = GAUGE("registrations", "bindings in force");
static struct stat_series outbox = GAUGE("outbox", "events that wait for the broker's confirm");
static struct stat_series outbox_limit = GAUGE("outbox_limit", "events that may wait, _OUTBOX_MAX");
static struct stat_series store_rows = GAUGE("store_used_bytes", "of the store's file: what holds rows now");
static struct stat_series store_file = GAUGE("store_file_bytes", "the store's file, which does not shrink");
static struct stat_series store_limit = GAUGE("store_limit_bytes", "from which new calls are refused, _STORE_MAX_MB");
static const struct stat_family calls = {
    .name = "sip_signaling_calls", .help = "calls in progress, by state", .kind = STAT_GAUGE, .key = {"state"}};

void gauge_init(void)
{
    static struct stat_series *const all[] = {&calls_limit, &registrations, &outbox,     &outbox_limit,
                                              &store_rows,  &store_file,    &store_limit};
    static const char *const states[] = {"locating",  "user_lookup", "dialplan", "ringing",     "media",
                                         "answering", "answered",    "closing",  "established", "ending"};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        stat_register(all[i]);
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        (void)stat_labelled(&calls, states[i], NULL);
}

static void count_calls(struct actor *a)
{
    const char *last = NULL;
    struct stat_series *series = stat_labelled(&calls, "established", NULL);
    stat_labelled_zero(&calls);
    for (struct list *n = a->calls.all.next; n != &a->calls.all; n = n->next) {
        const struct entry *e = LIST_ENTRY(n, struct entry, all);
        if (!e->live)
            continue;
        const char *state = call_state_shown(e->call);
        if (state != last) /* most are in one state: it is looked up once */
            series = stat_labelled(&calls, state, NULL);
        last = state;
        stat_inc(series);
    }
}

void actor_measure(struct worker *w)
{
    struct actor *a = worker_state(w);
    struct store_use use = store_use(a->store);
    count_calls(a);
    stat_set(&registrations, (int64_t)registrar_bindings(a->registrar));
    stat_set(&calls_limit, (int64_t)a->calls_max);
    stat_set(&outbox, (int64_t)outbox_count(a->outbox));
    stat_set(&outbox_limit, conf_u32(worker_conf(w), SET_OUTBOX_MAX));
    stat_set(&store_rows, (int64_t)use.rows_bytes);
    stat_set(&store_file, (int64_t)use.file_bytes);
    stat_set(&store_limit, (int64_t)use.limit_bytes);
}
