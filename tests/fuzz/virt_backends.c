#include "tests/fuzz/virt_backends.h"

#include "common/base/id.h"
#include "common/rt/crypt.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/virt_service.h"
#include <stdio.h>

#define JOBS_MAX 1024
#define STORIES_MAX 256
#define EVENTS_MAX 512
#define ID_BYTES_MAX 64
#define USER_BYTES_MAX 64
#define PORT_0 20000u

struct job {
    struct bus_link *of; /* the actor that asks */
    char id[ID_BYTES_MAX];
    size_t id_len;
    Plane__RunJob__Kind kind;
    char user[USER_BYTES_MAX], realm[USER_BYTES_MAX]; /* whose credentials are asked for */
    uint32_t port;                                    /* given, or to be given back */
    Plane__JobDone__Result result;
    bool over, bridge, cancelled;
    bool portless; /* only the plan is wanted */
};

/* What was told of one call. */
struct story {
    const struct virt *of;
    uint64_t key;
    bool started, answered, moved, ended;
    bool kept; /* the broker has the end of it */
};

struct event {
    struct bus_link *of;
    uint64_t seq;
    struct story *ends; /* NULL: it is not the last of its call */
};

static struct {
    struct job job[JOBS_MAX];
    size_t jobs;
    uint32_t ports;
    unsigned back[JOBS_MAX]; /* how often each port came back */
    struct story story[STORIES_MAX];
    size_t stories;
    struct event event[EVENTS_MAX]; /* not settled, oldest first */
    size_t events;
    virt_orch_fn *passes_on;
} b;

void virt_backends_begin(void)
{
    memset(&b, 0, sizeof(b));
}

static void tell(struct bus_link *to, uint16_t type, const ProtobufCMessage *m)
{
    if (!to->up)
        return; /* it will ask again */
    struct virt_msg *v = virt_msg_new(type, m);
    virt_hear(to, type, span_of((const char *)v->body, v->len));
    free(v);
    virt_turn_end(to->of);
}

/* --- jobs --- */

static struct job *job_by_id(const struct bus_link *of, ProtobufCBinaryData id)
{
    for (size_t i = 0; i < b.jobs; i++) {
        if (b.job[i].of == of && b.job[i].id_len == id.len && memcmp(b.job[i].id, id.data, id.len) == 0)
            return &b.job[i];
    }
    return NULL;
}

static struct job *open_job(size_t at)
{
    size_t open = virt_orch_open();
    if (open == 0)
        return NULL;
    at %= open;
    struct job *j = b.job;
    for (;; j++) {
        if (!j->over && at-- == 0)
            return j;
    }
}

size_t virt_orch_open(void)
{
    size_t n = 0;
    for (size_t i = 0; i < b.jobs; i++)
        n += b.job[i].over ? 0 : 1;
    return n;
}

static void tell_done(struct job *j)
{
    Plane__JobDone done = PLANE__JOB_DONE__INIT;
    Plane__Plan plan = PLANE__PLAN__INIT;
    static char good[] = "ECHO_TEST", bridge[] = "BRIDGE_CALL", why[] = "UNAVAILABLE";
    Plane__Credentials credentials = PLANE__CREDENTIALS__INIT;
    char ha1[CRYPT_HEX_SIZE];
    if (j->kind == PLANE__RUN_JOB__KIND__GET_CREDENTIALS && j->result == PLANE__JOB_DONE__RESULT__OK) {
        const struct span parts[] = {span_cstr(j->user), span_cstr(j->realm), SPAN(VIRT_SECRET)};
        crypt_hash_joined(CRYPT_MD5, parts, 3, ha1);
        credentials.ha1 = ha1;
        done.credentials = &credentials;
    }
    done.id = (ProtobufCBinaryData){.len = j->id_len, .data = (uint8_t *)j->id};
    done.result = j->result;
    done.grpc_status = why;
    plan.action = j->bridge ? bridge : good;
    if (j->kind == PLANE__RUN_JOB__KIND__SETUP) {
        done.plan = j->result == PLANE__JOB_DONE__RESULT__OK ? &plan : NULL;
        done.rtp_port = j->port;
    }
    tell(j->of, PLANE_ORCH_JOB_DONE, &done.base);
}

static void run(const Plane__RunJob *m, struct bus_link *of)
{
    struct job *j = job_by_id(of, m->id);
    if (j != NULL && j->over) {
        tell_done(j);
        return;
    }
    if (j != NULL)
        return;
    FUZZ_ASSERT(b.jobs < JOBS_MAX && m->id.len <= ID_BYTES_MAX);
    j = &b.job[b.jobs++];
    *j = (struct job){.of = of, .id_len = m->id.len, .kind = m->kind, .port = m->rtp_port, .portless = m->portless};
    memcpy(j->id, m->id.data, m->id.len);
    (void)snprintf(j->user, sizeof(j->user), "%s", m->sip_username);
    (void)snprintf(j->realm, sizeof(j->realm), "%s", m->realm);
}

/* One shard asks another: passed on, nothing is kept. Links are in the same place at each. */
static struct bus_link *same_link_of(const struct bus_link *k, unsigned shard)
{
    return &virt[shard].link[k - k->of->link];
}

static void pass_where(const Plane__Where *m, const struct bus_link *from)
{
    Plane__Where pass = *m;
    pass.asker = virt_shard_of(from->of);
    tell(same_link_of(from, id_shard_of_user(span_cstr(m->user), virt_shards())), PLANE_CALL_WHERE, &pass.base);
}

void virt_orch_hears(uint16_t type, const ProtobufCMessage *m, struct bus_link *from)
{
    if (type == PLANE_ORCH_RUN_JOB) {
        run((const void *)m, from);
    } else if (type == PLANE_ORCH_PASS_WHERE) {
        pass_where((const void *)m, from);
    } else if (type == PLANE_CALL_WHEREABOUTS) {
        const Plane__Whereabouts *told = (const void *)m;
        tell(same_link_of(from, told->asker), PLANE_ORCH_WHEREABOUTS, m);
    } else if (type == PLANE_ORCH_CANCEL_JOB) {
        struct job *j = job_by_id(from, ((const Plane__CancelJob *)(const void *)m)->id);
        if (j != NULL)
            j->cancelled = true;
    } else if (b.passes_on != NULL && (type == PLANE_CALL_TERMINATED || type == PLANE_CALL_CONTROLLED)) {
        b.passes_on(type, m, virt_shard_of(from->of));
    }
}

void virt_orch_passes_on(virt_orch_fn *to)
{
    b.passes_on = to;
}

void virt_orch_tells(unsigned shard, uint16_t type, const ProtobufCMessage *m)
{
    if (virt[shard].link_cnt == VIRT_LINKS)
        tell(&virt[shard].link[TO_ORCH], type, m);
}

static void end_setup(struct job *j, enum virt_outcome how)
{
    static const Plane__JobDone__Result results[VIRT_OUTCOMES] = {
        [VIRT_GOOD] = PLANE__JOB_DONE__RESULT__OK,
        [VIRT_BRIDGE] = PLANE__JOB_DONE__RESULT__OK,
        [VIRT_UNAVAILABLE] = PLANE__JOB_DONE__RESULT__UNAVAILABLE,
        [VIRT_DENIED] = PLANE__JOB_DONE__RESULT__DENIED,
        [VIRT_FAILED] = PLANE__JOB_DONE__RESULT__FAILED,
        [VIRT_FAILED_WITH_PORT] = PLANE__JOB_DONE__RESULT__FAILED,
    };
    j->over = true;
    j->bridge = how == VIRT_BRIDGE;
    j->result = j->cancelled && how != VIRT_GOOD ? PLANE__JOB_DONE__RESULT__CANCELLED : results[how];
    j->port = !j->portless && (how == VIRT_GOOD || how == VIRT_FAILED_WITH_PORT) ? PORT_0 + b.ports++ : 0;
}

/* A port that cannot be given back now is still out: another job comes for it, and this one keeps its answer. */
static void end_release(struct job *j, enum virt_outcome how)
{
    j->over = true;
    if (how == VIRT_UNAVAILABLE) {
        j->result = PLANE__JOB_DONE__RESULT__UNAVAILABLE;
        return;
    }
    FUZZ_ASSERT(j->port >= PORT_0 && j->port < PORT_0 + b.ports);
    FUZZ_ASSERT(b.back[j->port - PORT_0]++ == 0); /* by one job, however often that is asked */
    j->result = PLANE__JOB_DONE__RESULT__OK;
}

static void forget(struct job *j)
{
    *j = b.job[--b.jobs];
}

void virt_orch_dies(void)
{
    for (size_t i = b.jobs; i-- > 0;) {
        if (!b.job[i].over)
            forget(&b.job[i]);
    }
}

void virt_orch_ends(size_t at, enum virt_outcome how)
{
    struct job *j = open_job(at);
    if (j == NULL)
        return;
    if (j->kind == PLANE__RUN_JOB__KIND__SETUP) {
        end_setup(j, how);
    } else if (j->kind == PLANE__RUN_JOB__KIND__RELEASE_PORT) {
        end_release(j, how);
    } else {
        j->over = true;
        j->result = how == VIRT_UNAVAILABLE ? PLANE__JOB_DONE__RESULT__UNAVAILABLE : PLANE__JOB_DONE__RESULT__OK;
    }
    struct job told = *j;
    if (j->kind >= PLANE__RUN_JOB__KIND__GET_CREDENTIALS) /* answers to look-ups are not kept */
        forget(j);
    tell_done(&told);
}

void virt_orch_steps(size_t at, unsigned step)
{
    static const char *const steps[] = {"user", "dialplan", "media", ""};
    static char outcome[] = "started";
    Plane__JobStep m = PLANE__JOB_STEP__INIT;
    const struct job *j = open_job(at);
    if (j == NULL)
        return;
    m.id = (ProtobufCBinaryData){.len = j->id_len, .data = (uint8_t *)(uintptr_t)j->id};
    m.step = (char *)(uintptr_t)steps[step % 4];
    m.outcome = outcome;
    tell(j->of, PLANE_ORCH_JOB_STEP, &m.base);
}

/* --- events --- */

static struct story *story_of(const struct virt *of, uint64_t key)
{
    for (size_t i = 0; i < b.stories; i++) {
        if (b.story[i].of == of && b.story[i].key == key)
            return &b.story[i];
    }
    FUZZ_ASSERT(b.stories < STORIES_MAX);
    b.story[b.stories] = (struct story){.of = of, .key = key};
    return &b.story[b.stories++];
}

/* "trace/key in hex/call.started", "trace/key in hex/call.dtmf.received/3" */
static uint64_t key_of(const char *message_id)
{
    const char *first = strchr(message_id, '/');
    FUZZ_ASSERT(first != NULL && strlen(first) > 17 && first[17] == '/');
    return strtoull(first + 1, NULL, 16);
}

void virt_pub_hears(const Plane__Event *ev, struct bus_link *from)
{
    struct story *s = story_of(from->of, key_of(ev->message_id));
    if (strcmp(ev->routing_key, "call.started") == 0) {
        FUZZ_ASSERT(!s->answered && !s->ended);
        s->started = true;
    } else if (strcmp(ev->routing_key, "call.answered") == 0) {
        FUZZ_ASSERT(s->started && !s->ended);
        s->answered = true;
    } else if (strcmp(ev->routing_key, "call.dtmf.received") == 0) {
        FUZZ_ASSERT(s->started && ev->optional);
    } else if (strcmp(ev->routing_key, "call.transfer.started") == 0) {
        FUZZ_ASSERT(s->started && !s->ended);
        s->moved = true;
    } else if (strncmp(ev->routing_key, "call.transfer.", 14) == 0) {
        FUZZ_ASSERT(s->moved && !s->ended);
    } else {
        FUZZ_ASSERT(s->started && strcmp(ev->routing_key, "call.ended") == 0);
        s->ended = true;
    }
    FUZZ_ASSERT(b.events < EVENTS_MAX);
    b.event[b.events++] =
        (struct event){.of = from, .seq = ev->seq, .ends = strcmp(ev->routing_key, "call.ended") == 0 ? s : NULL};
}

size_t virt_pub_open(void)
{
    return b.events;
}

void virt_pub_settles(bool confirm)
{
    if (b.events == 0)
        return;
    uint64_t seq = b.event[0].seq;
    struct bus_link *to = b.event[0].of;
    if (confirm && b.event[0].ends != NULL)
        b.event[0].ends->kept = true;
    memmove(b.event, b.event + 1, --b.events * sizeof(b.event[0]));
    if (confirm) {
        Plane__Confirmed m = PLANE__CONFIRMED__INIT;
        m.n_seq = 1;
        m.seq = &seq;
        tell(to, PLANE_PUB_CONFIRMED, &m.base);
    } else {
        Plane__Refused m = PLANE__REFUSED__INIT;
        m.seq = seq;
        tell(to, PLANE_PUB_REFUSED, &m.base);
    }
}

void virt_pub_forgets(const struct bus_link *link)
{
    size_t left = 0;
    for (size_t i = 0; i < b.events; i++) {
        if (b.event[i].of != link)
            b.event[left++] = b.event[i];
    }
    b.events = left;
}

size_t virt_pub_answered(void)
{
    size_t n = 0;
    for (size_t i = 0; i < b.stories; i++)
        n += b.story[i].answered ? 1 : 0;
    return n;
}

void virt_backends_check_over(void)
{
    for (uint32_t p = 0; p < b.ports; p++) {
        if (b.back[p] != 1)
            fprintf(stderr, "port %u came back %u times\n", PORT_0 + p, b.back[p]);
        FUZZ_ASSERT(b.back[p] == 1);
    }
    for (size_t i = 0; i < b.stories; i++)
        FUZZ_ASSERT(b.story[i].started && b.story[i].ended && b.story[i].kept);
}
