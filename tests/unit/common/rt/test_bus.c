/*
 * bus: two processes over real ipc sockets. The child plays the other side and is killed -9 and started again; the
 * parent must see the link go down and come back fresh, and must not see anything that was queued for its predecessor.
 */
#include "tests/unit/testkit.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/rt/bus.h"
#include "common/rt/work.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 5000
#define LEAVING_STEP 500u /* seqs in one answer */
#define MANY 200000u      /* seqs; more bytes than a socket takes at once */

static char path[108];
static char self[256];

struct seen {
    struct loop *loop;
    struct bus *bus;
    struct bus_link *link;
    int ups;
    int fresh;
    int downs;
    int msgs;
    int poison;
    int mute;
    uint64_t last_seq;
    struct timer patience;
    bool (*enough)(const struct seen *s);
};

/* What is said of one message after the other; then, and without any, all are fine. */
struct judgement {
    enum work_verdict verdict;
    bool readable;
};
static const struct judgement *judged;
static size_t judged_cnt;

enum work_verdict __wrap_work_begin(enum work_kind kind, struct span id, struct span bytes);
bool __wrap_work_is_readable(void);
static bool readable;

enum work_verdict __wrap_work_begin(enum work_kind kind, struct span id, struct span bytes)
{
    (void)id;
    (void)bytes;
    assert_int_equal(kind, WORK_PLANE);
    if (judged_cnt == 0)
        return WORK_GO;
    judged_cnt--;
    readable = judged->readable;
    return judged++->verdict;
}

bool __wrap_work_is_readable(void)
{
    return readable;
}

static void stop_if_enough(struct seen *s)
{
    if (s->enough(s))
        loop_stop(s->loop);
}

static void on_up(struct bus_link *k, const Plane__Hello *peer, bool fresh)
{
    struct seen *s = bus_link_user(k);
    assert_int_equal(peer->proc, PLANE__PROC__PROC_PUB);
    s->ups++;
    s->fresh += fresh;
    stop_if_enough(s);
}

static void on_down(struct bus_link *k)
{
    struct seen *s = bus_link_user(k);
    s->downs++;
    stop_if_enough(s);
}

static void on_msg(struct bus_link *k, uint16_t type, const ProtobufCMessage *m)
{
    struct seen *s = bus_link_user(k);
    assert_int_equal(type, PLANE_PUB_CONFIRMED);
    const Plane__Confirmed *c = (const void *)m;
    for (size_t i = 0; i < c->n_seq; i++) {
        assert_int_equal(c->seq[i], s->last_seq + 1);
        s->last_seq = c->seq[i];
    }
    s->msgs++;
    stop_if_enough(s);
}

static void on_poison(struct bus_link *k, uint16_t type, const ProtobufCMessage *m)
{
    struct seen *s = bus_link_user(k);
    assert_int_equal(type, PLANE_PUB_CONFIRMED);
    assert_int_equal(((const Plane__Confirmed *)(const void *)m)->n_seq, 1);
    s->poison++;
}

static void on_mute_poison(struct bus_link *k, uint16_t type, const ProtobufCMessage *m)
{
    struct seen *s = bus_link_user(k);
    assert_int_equal(type, PLANE_PUB_CONFIRMED);
    assert_int_equal(((const Plane__Confirmed *)(const void *)m)->n_seq, 1);
    s->mute++;
}

static void on_patience(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    struct seen *s = t->owner;
    print_error("gave up: ups %d fresh %d downs %d msgs %d\n", s->ups, s->fresh, s->downs, s->msgs);
    loop_stop(s->loop);
}

static bool wait_until(struct seen *s, bool (*enough)(const struct seen *))
{
    s->enough = enough;
    if (enough(s))
        return true;
    timer_init(&s->patience, on_patience, s);
    loop_refresh(s->loop);
    loop_timer_in(s->loop, &s->patience, PATIENCE_MS);
    loop_run(s->loop);
    loop_timer_cancel(s->loop, &s->patience);
    return enough(s);
}

static Plane__Hello hello(Plane__Proc proc, uint64_t epoch)
{
    Plane__Hello h = PLANE__HELLO__INIT;
    h.proc = proc;
    h.epoch = epoch;
    h.version = (char *)"test";
    h.plane_version = PLANE_VERSION;
    h.probes = true;
    return h;
}

/* --- the other side, in its own process: answers every event with its confirmation -----------------------------------
 */

static void echo_msg(struct bus_link *k, uint16_t type, const ProtobufCMessage *m)
{
    if (type != PLANE_PUB_EVENT)
        return;
    uint64_t seq = ((const Plane__Event *)(const void *)m)->seq;
    Plane__Confirmed c = PLANE__CONFIRMED__INIT;
    c.n_seq = 1;
    c.seq = &seq;
    (void)bus_send(k, PLANE_PUB_CONFIRMED, &c.base);
}

/* Answers the first event with everything up to its seq, none of it in a hurry, and leaves. */
static void leaving_msg(struct bus_link *k, uint16_t type, const ProtobufCMessage *m)
{
    if (type != PLANE_PUB_EVENT)
        return;
    uint64_t until = ((const Plane__Event *)(const void *)m)->seq;
    uint64_t seqs[LEAVING_STEP];
    for (uint64_t next = 1; next <= until;) {
        Plane__Confirmed c = PLANE__CONFIRMED__INIT;
        c.seq = seqs;
        while (c.n_seq < LEAVING_STEP && next <= until)
            seqs[c.n_seq++] = next++;
        (void)bus_send_later(k, PLANE_PUB_CONFIRMED, &c.base);
    }
    loop_stop(bus_link_user(k));
}

static int leaving_main(const char *at, const char *epoch)
{
    log_init("peer", false, LOG_ERROR);
    (void)alarm(PATIENCE_MS / 1000); /* one that would wait for ever dies, which the test sees */
    static struct loop *l;           /* a worker's are reachable, too, when it leaves */
    l = loop_new(false);
    Plane__Hello me = hello(PLANE__PROC__PROC_PUB, strtoull(epoch, NULL, 10));
    static struct bus *b;
    b = bus_new(l, &me);
    struct bus_link_args a = {.path = at, .peer = PLANE__PROC__PROC_CALL, .on_msg = leaving_msg, .user = l};
    if (bus_link_open(b, &a) == NULL)
        return 1;
    loop_run(l);
    bus_finish(b);
    return 0; /* as a worker does: nothing else is flushed or freed */
}

static int echo_main(const char *at, const char *epoch)
{
    log_init("peer", false, LOG_ERROR);
    struct loop *l = loop_new(false);
    Plane__Hello me = hello(PLANE__PROC__PROC_PUB, strtoull(epoch, NULL, 10));
    struct bus *b = bus_new(l, &me);
    struct bus_link_args a = {.path = at, .peer = PLANE__PROC__PROC_CALL, .on_msg = echo_msg};
    if (bus_link_open(b, &a) == NULL)
        return 1;
    loop_run(l);
    return 0;
}

static pid_t start(const char *what, unsigned epoch)
{
    char text[16];
    snprintf(text, sizeof(text), "%u", epoch);
    pid_t pid = fork();
    if (pid == 0) {
        execl(self, self, what, path, text, (char *)NULL);
        _exit(127);
    }
    assert_true(pid > 0);
    return pid;
}

static pid_t start_peer(unsigned epoch)
{
    return start("echo", epoch);
}

static void assert_left(pid_t pid)
{
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void kill_peer(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* --- this side
 * --------------------------------------------------------------------------------------------------------- */

static struct seen begin(void)
{
    struct seen s = {.loop = loop_new(false)};
    return s;
}

static void open_link(struct seen *s)
{
    Plane__Hello me = hello(PLANE__PROC__PROC_CALL, 1);
    s->bus = bus_new(s->loop, &me);
    s->link = bus_link_open(s->bus, &(struct bus_link_args){.path = path,
                                                            .listen = true,
                                                            .peer = PLANE__PROC__PROC_PUB,
                                                            .on_up = on_up,
                                                            .on_down = on_down,
                                                            .on_msg = on_msg,
                                                            .on_poison = on_poison,
                                                            .on_mute_poison = on_mute_poison,
                                                            .user = s});
    assert_non_null(s->link);
}

static void end(struct seen *s)
{
    bus_free(s->bus);
    loop_free(s->loop);
}

static int say(struct seen *s, uint64_t seq)
{
    Plane__Event e = PLANE__EVENT__INIT;
    e.seq = seq;
    e.message_id = (char *)"m";
    e.routing_key = (char *)"call.started";
    return bus_send(s->link, PLANE_PUB_EVENT, &e.base);
}

static bool is_up(const struct seen *s)
{
    return s->ups == 1;
}
static bool is_up_again(const struct seen *s)
{
    return s->ups == 2;
}
static bool is_down(const struct seen *s)
{
    return s->downs == 1;
}
static bool has_all(const struct seen *s)
{
    return s->last_seq == 20000;
}
static bool has_next(const struct seen *s)
{
    return s->last_seq == 20001;
}

static void a_killed_peer_is_seen_and_its_successor_is_fresh(void **state)
{
    (void)state;
    struct seen s = begin();
    open_link(&s);
    assert_int_equal(say(&s, 1), -BUS_EDOWN);
    pid_t pid = start_peer(100);
    assert_true(wait_until(&s, is_up));
    assert_int_equal(s.fresh, 1);
    for (uint64_t i = 1; i <= 20000; i++)
        assert_int_equal(say(&s, i), 0);
    assert_true(wait_until(&s, has_all));
    kill_peer(pid);
    assert_true(wait_until(&s, is_down));
    assert_int_equal(say(&s, 1), -BUS_EDOWN);
    pid = start_peer(200);
    assert_true(wait_until(&s, is_up_again));
    assert_int_equal(s.fresh, 2);
    assert_int_equal(say(&s, 20001), 0);
    assert_true(wait_until(&s, has_next)); /* in order: nothing came from the time before */
    kill_peer(pid);
    end(&s);
}

static void a_full_link_says_so_and_takes_nothing(void **state)
{
    (void)state;
    struct seen s = begin();
    open_link(&s);
    pid_t pid = start_peer(1);
    assert_true(wait_until(&s, is_up));
    uint8_t *body = calloc(1, 1 << 20);
    Plane__Event e = PLANE__EVENT__INIT;
    e.seq = 1;
    e.message_id = (char *)"m";
    e.routing_key = (char *)"k";
    e.body = (ProtobufCBinaryData){.len = 1 << 20, .data = body};
    int taken = 0;
    while (bus_send(s.link, PLANE_PUB_EVENT, &e.base) == 0)
        taken++;
    assert_int_equal(taken, 15); /* PLANE_BATCH_MAX less heads */
    assert_true(bus_link_queued(s.link) <= PLANE_BATCH_MAX);
    e.body.len = 1 << 10;
    while (bus_send(s.link, PLANE_PUB_EVENT, &e.base) == 0)
        ;
    e.body.len = 0;
    while (bus_send(s.link, PLANE_PUB_EVENT, &e.base) == 0)
        ;
    size_t queued = bus_link_queued(s.link);
    for (int i = 0; i < 100; i++)
        bus_probe(s.bus, 0); /* has room of its own */
    assert_true(bus_link_queued(s.link) >= queued + 100);
    assert_true(bus_link_queued(s.link) <= PLANE_BATCH_MAX);
    assert_int_equal(bus_send(s.link, PLANE_PUB_EVENT, &e.base), -BUS_EFULL);
    free(body);
    kill_peer(pid);
    end(&s);
}

static int say_later(struct seen *s, uint64_t seq)
{
    Plane__Event e = PLANE__EVENT__INIT;
    e.seq = seq;
    e.message_id = (char *)"m";
    e.routing_key = (char *)"call.ended";
    return bus_send_later(s->link, PLANE_PUB_EVENT, &e.base);
}

static bool has_two(const struct seen *s)
{
    return s->last_seq == 2;
}
static bool has_four(const struct seen *s)
{
    return s->last_seq == 4;
}

static void what_may_wait_leaves_in_time_and_in_order(void **state)
{
    (void)state;
    struct seen s = begin();
    open_link(&s);
    assert_int_equal(say_later(&s, 1), -BUS_EDOWN);
    pid_t pid = start_peer(1);
    assert_true(wait_until(&s, is_up));
    assert_int_equal(say_later(&s, 1), 0);
    assert_int_equal(say(&s, 2), 0); /* takes the first along */
    assert_true(bus_is_urgent(s.bus));
    assert_true(wait_until(&s, has_two));
    assert_int_equal(s.msgs, 2);
    assert_false(bus_is_urgent(s.bus));
    int64_t began = clock_mono_ms();
    assert_int_equal(say_later(&s, 3), 0);
    assert_int_equal(say_later(&s, 4), 0);
    assert_false(bus_is_urgent(s.bus));    /* so nothing of it need be committed yet */
    assert_true(wait_until(&s, has_four)); /* by itself */
    assert_true(clock_mono_ms() - began >= BUS_LATER_MS - 1);
    kill_peer(pid);
    end(&s);
}

static void what_may_wait_is_said_before_its_sender_leaves(void **state)
{
    (void)state;
    static const uint64_t seqs[] = {1, MANY};
    for (size_t i = 0; i < 2; i++) {
        struct seen s = begin();
        open_link(&s);
        pid_t pid = start("leaving", 1);
        assert_true(wait_until(&s, is_up));
        assert_int_equal(say(&s, seqs[i]), 0);
        assert_true(wait_until(&s, is_down));
        assert_int_equal(s.last_seq, seqs[i]);
        assert_left(pid);
        end(&s);
    }
}

static void on_enough(struct timer *t, int64_t now_ms)
{
    (void)now_ms;
    struct seen *s = t->owner;
    loop_stop(s->loop);
}

static void who_does_not_read_keeps_nobody_from_leaving(void **state)
{
    (void)state;
    struct seen s = begin();
    open_link(&s);
    pid_t pid = start("leaving", 1);
    assert_true(wait_until(&s, is_up));
    assert_int_equal(say(&s, MANY), 0);
    timer_init(&s.patience, on_enough, &s);
    loop_timer_in(s.loop, &s.patience, 0); /* one turn, which sends it; nothing is read after that */
    loop_run(s.loop);
    assert_left(pid);
    end(&s);
}

static bool has_one(const struct seen *s)
{
    return s->last_seq == 1;
}

static void poison_is_told_or_let_go_of_or_left_unread(void **state)
{
    static const struct judgement all[] = {{WORK_DROP, false}, {WORK_DROP, true}, {WORK_TELL, true}, {WORK_GO, false}};
    const size_t cnt = sizeof all / sizeof all[0];
    (void)state;
    struct seen s = begin();
    open_link(&s);
    pid_t pid = start_peer(1);
    assert_true(wait_until(&s, is_up));
    judged = all;
    judged_cnt = cnt;
    for (size_t i = 0; i < cnt; i++)
        assert_int_equal(say(&s, 1), 0);
    assert_true(wait_until(&s, has_one)); /* the last one */
    assert_int_equal(judged_cnt, 0);
    assert_int_equal(s.mute, 1);
    assert_int_equal(s.poison, 1);
    assert_int_equal(s.msgs, 1);
    kill_peer(pid);
    end(&s);
}

static void say_what_only_others_may(void)
{
    struct seen s = begin();
    open_link(&s);
    Plane__Confirmed c = PLANE__CONFIRMED__INIT;
    (void)bus_send(s.link, PLANE_PUB_CONFIRMED, &c.base);
}

static void saying_what_the_catalogue_forbids_is_a_bug(void **state)
{
    (void)state;
    testkit_assert_bug(say_what_only_others_may, "plane_may_send");
}

static int cleanup(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "echo") == 0)
        return echo_main(argv[2], argv[3]);
    if (argc == 4 && strcmp(argv[1], "leaving") == 0)
        return leaving_main(argv[2], argv[3]);
    snprintf(self, sizeof(self), "%s", argv[0]);
    snprintf(path, sizeof(path), "%s/bus-%d.sock", getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp", (int)getpid());
    log_init("test", false, LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(saying_what_the_catalogue_forbids_is_a_bug, cleanup),
        cmocka_unit_test_teardown(a_killed_peer_is_seen_and_its_successor_is_fresh, cleanup),
        cmocka_unit_test_teardown(a_full_link_says_so_and_takes_nothing, cleanup),
        cmocka_unit_test_teardown(poison_is_told_or_let_go_of_or_left_unread, cleanup),
        cmocka_unit_test_teardown(what_may_wait_leaves_in_time_and_in_order, cleanup),
        cmocka_unit_test_teardown(what_may_wait_is_said_before_its_sender_leaves, cleanup),
        cmocka_unit_test_teardown(who_does_not_read_keeps_nobody_from_leaving, cleanup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
