/* What `sigctl doctor` is told of calls, events and the store. */
#include "call-actor/actor.h"

#define EVENT_OLD_MS 60000 /* an event that the broker has not confirmed for so long */
#define JOB_OLD_MS 60000   /* a question to the platform without an answer for so long */
#define USED_MUCH_PERCENT 80

static const char events_remedy[] =
    "see dependency rabbitmq in sigctl status, and sigctl events: bring the broker back, or bind a "
    "queue for the keys it names; events are kept and sent then";

static void take_since(void *user, uint64_t seq, uint64_t call_key, const char *state)
{
    (void)call_key;
    (void)state;
    *(uint64_t *)user = seq;
}

/* When the oldest event was made; 0: there is none. */
static int64_t oldest_event_ms(struct actor *a)
{
    uint64_t seq = 0;
    outbox_each(a->outbox, 1, take_since, &seq);
    struct span bytes = seq != 0 ? store_get(a->store, STORE_OUTBOX, seq) : span_of(NULL, 0);
    Store__OutboxRow *row =
        bytes.p != NULL ? store__outbox_row__unpack(NULL, bytes.len, (const uint8_t *)bytes.p) : NULL;
    int64_t at_ms = row != NULL && row->event != NULL ? (int64_t)row->event->wall_ms : 0;
    if (row != NULL)
        store__outbox_row__free_unpacked(row, NULL);
    return at_ms;
}

static void put_events(struct actor *a, struct findings *f)
{
    size_t cnt = outbox_count(a->outbox);
    uint32_t most = conf_u32(worker_conf(a->worker), SET_OUTBOX_MAX);
    int64_t oldest_ms = oldest_event_ms(a);
    int64_t age_ms = oldest_ms > 0 ? loop_now(a->loop).wall_ms - oldest_ms : 0;
    if (outbox_is_full(a->outbox))
        finding_add(f, FINDING_ERROR, "outbox_full", events_remedy,
                    "new calls are refused: %zu events wait for the broker", cnt);
    else if (cnt > (uint64_t)most * USED_MUCH_PERCENT / 100)
        finding_add(f, FINDING_WARNING, "outbox_full", events_remedy, "%zu of at most %u events wait for the broker",
                    cnt, most);
    if (age_ms > EVENT_OLD_MS)
        finding_add(f, FINDING_WARNING, "outbox_old", events_remedy,
                    "%zu events wait for the broker, the oldest for %lld s", cnt, (long long)(age_ms / 1000));
}

static void put_jobs(struct actor *a, struct findings *f)
{
    int64_t now_ms = loop_now(a->loop).wall_ms;
    size_t setups = 0;
    size_t ports = 0;
    for (const struct list *n = a->calls.all.next; n != &a->calls.all; n = n->next) {
        const Store__CallRow *row = LIST_ENTRY(n, struct entry, all)->call->row;
        for (size_t i = 0; i < row->n_jobs; i++) {
            const Store__OpenJob *job = row->jobs[i];
            bool is_setup = job->kind == PLANE__RUN_JOB__KIND__SETUP;
            bool is_old = job->asked_wall_ms == 0 || now_ms - (int64_t)job->asked_wall_ms > JOB_OLD_MS;
            setups += is_setup && is_old && job->asked_wall_ms != 0;
            ports += !is_setup && is_old;
        }
    }
    if (setups > 0)
        finding_add(f, FINDING_WARNING, "setups_unanswered",
                    "sigctl restart orchestrator: it is asked again; nothing is lost",
                    "%zu set-ups have had no answer of the platform for a minute", setups);
    if (ports > 0)
        finding_add(f, FINDING_WARNING, "ports_waiting", "bring media-service back: they are given back then",
                    "%zu ports of calls that are over could not be given back yet", ports);
}

static void put_store(struct actor *a, struct findings *f)
{
    struct store_use use = store_use(a->store);
    if (store_is_full(a->store))
        finding_add(f, FINDING_ERROR, "store_full",
                    "nearly always events: bring the broker back; or raise SIP_SIGNALING_SERVICE_STORE_MAX_MB",
                    "new calls are refused: the store holds %llu MiB, its limit is %llu",
                    (unsigned long long)(use.rows_bytes >> 20), (unsigned long long)(use.limit_bytes >> 20));
    else if (use.rows_bytes > use.limit_bytes / 100 * USED_MUCH_PERCENT)
        finding_add(f, FINDING_WARNING, "store_full",
                    "bring the broker back, or raise SIP_SIGNALING_SERVICE_STORE_MAX_MB",
                    "the store holds %llu of %llu MiB", (unsigned long long)(use.rows_bytes >> 20),
                    (unsigned long long)(use.limit_bytes >> 20));
    if (a->unreadable_cnt > 0)
        finding_add(f, FINDING_WARNING, "rows_unreadable",
                    "their calls are not known here: hang them up at the other end; the rows stay for a look, with a "
                    "bug report",
                    "%zu calls in the store cannot be read", a->unreadable_cnt);
}

void actor_examine(struct worker *w, struct findings *f)
{
    struct actor *a = worker_state(w);
    put_events(a, f);
    put_jobs(a, f);
    put_store(a, f);
    if (!a->admitting && a->admit_told && a->why_not[0] != '\0' && !a->draining)
        finding_add(f, FINDING_ERROR, "calls_refused", "see the other findings", "new calls are refused: %s",
                    a->why_not);
}
