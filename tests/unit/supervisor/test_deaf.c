/*
 * Who is blamed when a link is mute, and whose silence counts: an edge (0), an orchestrator (1), a publisher (2), and
 * call-actors from 3 on.
 */
#include "tests/unit/testkit.h"

#include "supervisor/deaf.h"
#include "supervisor/patience.h"
#include "supervisor/unread.h"

enum { EDGE = 0, ORCH = 1, PUB = 2, ACTOR = 3, ACTOR2 = 4 };

#define OK_MS 100
#define MUTE_MS DEAF_MS
#define NEARLY_MS (DEAF_MS - 300) /* said a little earlier */
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int judge(const struct deaf_word *w, size_t cnt)
{
    struct deaf d = {0};
    return deaf_judge(&d, w, cnt, 1000);
}

static void test_nobody_is_deaf(void **state)
{
    (void)state;
    const struct deaf_word w[] = {{EDGE, ACTOR, OK_MS}, {ACTOR, EDGE, DEAF_MS - 1}, {ORCH, ACTOR, OK_MS}};
    assert_int_equal(judge(w, COUNT(w)), DEAF_NOBODY);
    assert_int_equal(judge(w, 0), DEAF_NOBODY);
}

static void test_who_reads_and_does_not_answer(void **state)
{
    (void)state;
    const struct deaf_word actor[] = {{EDGE, ACTOR, MUTE_MS}, {ACTOR, EDGE, OK_MS}, {ORCH, ACTOR, OK_MS}};
    const struct deaf_word edge[] = {{EDGE, ACTOR, OK_MS}, {ACTOR, EDGE, MUTE_MS}, {ORCH, ACTOR, OK_MS}};
    assert_int_equal(judge(actor, COUNT(actor)), ACTOR);
    assert_int_equal(judge(edge, COUNT(edge)), EDGE);
}

static void test_both_complain_and_one_has_other_links_that_work(void **state)
{
    (void)state;
    const struct deaf_word edge[] = {{EDGE, ACTOR, MUTE_MS}, {ACTOR, EDGE, NEARLY_MS}, {ORCH, ACTOR, OK_MS},
                                     {ACTOR, ORCH, OK_MS},   {PUB, ACTOR, OK_MS},      {ACTOR, PUB, OK_MS}};
    const struct deaf_word actor[] = {{EDGE, ACTOR, NEARLY_MS}, {ACTOR, EDGE, MUTE_MS}, {ORCH, ACTOR, MUTE_MS},
                                      {ACTOR, ORCH, MUTE_MS},   {PUB, ACTOR, MUTE_MS},  {ACTOR, PUB, MUTE_MS}};
    const struct deaf_word one_shard[] = {{EDGE, ACTOR, MUTE_MS}, {ACTOR, EDGE, MUTE_MS}, {EDGE, ACTOR2, OK_MS},
                                          {ACTOR2, EDGE, OK_MS},  {ORCH, ACTOR, MUTE_MS}, {ACTOR, ORCH, MUTE_MS}};
    assert_int_equal(judge(edge, COUNT(edge)), EDGE);
    assert_int_equal(judge(actor, COUNT(actor)), ACTOR);
    assert_int_equal(judge(one_shard, COUNT(one_shard)), ACTOR);
}

static void test_the_same_link_again_is_the_other_ends_fault(void **state)
{
    (void)state;
    const struct deaf_word w[] = {{EDGE, ACTOR, MUTE_MS}, {ACTOR, EDGE, MUTE_MS}};
    const struct deaf_word other_link[] = {{ORCH, ACTOR, MUTE_MS}, {ACTOR, ORCH, MUTE_MS}};
    struct deaf d = {0};
    assert_int_equal(deaf_judge(&d, w, COUNT(w), 1000), EDGE);
    struct deaf d2 = d;
    assert_int_equal(deaf_judge(&d2, other_link, COUNT(other_link), 3000), ACTOR); /* the edge's death was in vain */
    assert_int_equal(deaf_judge(&d, w, COUNT(w), 1000 + DEAF_AGAIN_MS - 1), ACTOR);
    assert_int_equal(deaf_judge(&d, w, COUNT(w), 1000 + 2 * DEAF_AGAIN_MS), EDGE); /* long after: a new trouble */
}

static void test_a_link_that_works_again_holds_nothing_against_the_other_end(void **state)
{
    (void)state;
    const struct deaf_word w[] = {{EDGE, ACTOR, MUTE_MS}, {ACTOR, EDGE, MUTE_MS}};
    const struct deaf_word cured[] = {{EDGE, ACTOR, OK_MS}, {ACTOR, EDGE, OK_MS}};
    const struct deaf_word orch[] = {
        {EDGE, ACTOR, OK_MS}, {ACTOR, EDGE, OK_MS}, {ORCH, ACTOR, MUTE_MS}, {ACTOR, ORCH, MUTE_MS}};
    struct deaf d = {0};
    assert_int_equal(deaf_judge(&d, w, COUNT(w), 1000), EDGE);
    assert_int_equal(deaf_judge(&d, cured, COUNT(cured), 3000), DEAF_NOBODY);
    assert_int_equal(deaf_judge(&d, orch, COUNT(orch), 5000), ORCH);
}

/* The first word to pass the bound must not condemn who has only one link to speak of. */
static void test_words_are_not_of_one_moment(void **state)
{
    (void)state;
    const struct deaf_word w[] = {
        {ORCH, ACTOR, NEARLY_MS}, {ACTOR, ORCH, NEARLY_MS}, {PUB, ACTOR, MUTE_MS}, {ACTOR, PUB, NEARLY_MS}};
    assert_int_equal(judge(w, COUNT(w)), ACTOR);
}

/* --- who reads no more --- */

#define BEAT_MS 500

static void test_a_socket_that_nobody_looks_at(void **state)
{
    (void)state;
    struct unread u = {0};
    int64_t now_ms = 777;
    int64_t begin_ms = now_ms;
    while (!unread_note(&u, true, 41, true, now_ms))
        now_ms += BEAT_MS;
    assert_true(now_ms - begin_ms <= 2000); /* found within 3 s of what waits, with a heartbeat to each side */
}

static void test_what_is_looked_at_or_not_to_be_read_yet(void **state)
{
    (void)state;
    struct unread flooded = {0}, paused = {0}, empty = {0}, slow = {0}, now_and_then = {0};
    int64_t now_ms = 777;
    for (unsigned i = 0; i < 100; i++, now_ms += BEAT_MS) {
        assert_false(unread_note(&flooded, true, i, true, now_ms));
        assert_false(unread_note(&paused, false, 0, true, now_ms));
        assert_false(unread_note(&empty, true, 3, false, now_ms));
        assert_false(unread_note(&now_and_then, true, 3, i % 3 != 0, now_ms));
        assert_false(unread_note(&slow, true, 3, true, now_ms + i * UNREAD_GAP_MS)); /* its loop does not come to it */
    }
}

/* --- whose silence counts --- */

struct waiting {
    struct patience p;
    struct patience_look look;
    int64_t now_ms;
    int64_t next_ms;
};

static struct waiting begun(int64_t ms, char proc_state)
{
    struct waiting w = {.look = {.use = {.state = proc_state}, .held = proc_state == 'R' ? '\0' : proc_state},
                        .now_ms = 5000};
    w.next_ms = patience_begin(&w.p, ms, w.now_ms);
    return w;
}

/* One slice, and by how much it is too long; the worker uses `cpu` thousandths of the time. */
static bool waits_on(struct waiting *w, int64_t late_ms, uint64_t cpu)
{
    int64_t late;
    w->look.use.cpu_ms += (uint64_t)w->next_ms * cpu / 1000;
    w->now_ms += w->next_ms + late_ms;
    w->next_ms = patience_go_on(&w->p, &w->look, w->now_ms, &late);
    assert_int_equal(late, late_ms);
    return w->next_ms > 0;
}

static int64_t waited(struct waiting *w, uint64_t cpu)
{
    int64_t began = w->now_ms;
    while (waits_on(w, 0, cpu))
        ;
    return w->now_ms - began;
}

static void test_a_wait_is_as_long_as_asked(void **state)
{
    (void)state;
    static const char states[] = {'S', 'T', 'Z', '\0'};
    for (size_t i = 0; i < COUNT(states); i++) {
        struct waiting w = begun(2000, states[i]);
        assert_int_equal(waited(&w, 0), 2000);
    }
    struct waiting w = begun(1100, 'S'); /* no whole number of slices */
    assert_int_equal(waited(&w, 0), 1100);
}

static void test_time_in_which_we_stood_still_counts_little(void **state)
{
    (void)state;
    struct waiting w = begun(2000, 'T');
    assert_true(waits_on(&w, 3600000, 0)); /* the machine was suspended */
    assert_true(waited(&w, 0) >= 2000 - 2 * PATIENCE_SLICE_MS);
}

static void test_a_loop_that_spins_is_not_spared(void **state)
{
    (void)state;
    struct waiting w = begun(2000, 'R');
    assert_int_equal(waited(&w, 950), 2000);
}

static void test_who_is_kept_from_running_is_borne_for_a_while(void **state)
{
    (void)state;
    struct waiting r = begun(2000, 'R');
    assert_int_equal(waited(&r, 50), 2000 + PATIENCE_SPARED_MS);
    struct waiting d = begun(2000, 'D');
    assert_int_equal(waited(&d, 0), 2000 + PATIENCE_BUSY_MS);
    struct waiting s = begun(2000, 'R');
    while (s.p.spared_ms == 0)
        assert_true(waits_on(&s, 0, 50));
    s.look.use.state = 'S'; /* it ran, and sleeps without a word */
    assert_true(waited(&s, 0) <= 1000);
}

/* A turn that is long because there is much to do in it, for as long as that can be believed. */
static void test_who_gets_on_is_borne_for_longer(void **state)
{
    (void)state;
    struct waiting w = begun(2000, 'R');
    do
        w.look.signs++;
    while (waits_on(&w, 0, 990));
    assert_int_equal(w.now_ms - 5000, 2000 + PATIENCE_BUSY_MS);
    struct waiting s = begun(2000, 'R');
    while (s.p.spared_ms < 3000) {
        s.look.signs++;
        assert_true(waits_on(&s, 0, 990));
    }
    assert_true(waited(&s, 990) <= 2000); /* it got on until now, and spins */
    struct waiting t = begun(2000, 'S');
    t.look.turns = true;
    do
        t.look.signs++;
    while (waits_on(&t, 0, 10));
    assert_int_equal(t.now_ms - 5000, 2000); /* it works, and does not hear us */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_is_deaf),
        cmocka_unit_test(test_who_reads_and_does_not_answer),
        cmocka_unit_test(test_both_complain_and_one_has_other_links_that_work),
        cmocka_unit_test(test_the_same_link_again_is_the_other_ends_fault),
        cmocka_unit_test(test_words_are_not_of_one_moment),
        cmocka_unit_test(test_a_link_that_works_again_holds_nothing_against_the_other_end),
        cmocka_unit_test(test_a_socket_that_nobody_looks_at),
        cmocka_unit_test(test_what_is_looked_at_or_not_to_be_read_yet),
        cmocka_unit_test(test_a_wait_is_as_long_as_asked),
        cmocka_unit_test(test_time_in_which_we_stood_still_counts_little),
        cmocka_unit_test(test_a_loop_that_spins_is_not_spared),
        cmocka_unit_test(test_who_gets_on_is_borne_for_longer),
        cmocka_unit_test(test_who_is_kept_from_running_is_borne_for_a_while),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
