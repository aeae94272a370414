/*
 * What a process was at when it died, over several lives of one journal: who is suspected, who is poison, who is
 * cleared, and what is saved of it. Each life but the last is a child that leaves without a word.
 */
#include "tests/unit/testkit.h"

#include "common/base/err.h"
#include "common/rt/quarantine.h"
#include "common/rt/work.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DIED 99

struct place {
    int fd;
    char dir[64];
};

static struct place new_place(void)
{
    struct place p = {.fd = memfd_create("journal", 0)};
    (void)snprintf(p.dir, sizeof p.dir, "%s", "/tmp/work.XXXXXX");
    assert_non_null(mkdtemp(p.dir));
    assert_int_equal(ftruncate(p.fd, WORK_JOURNAL_BYTES), 0);
    return p;
}

static void clear_place(struct place *p)
{
    char path[512];
    (void)snprintf(path, sizeof path, "rm -rf '%s'", p->dir);
    assert_int_equal(system(path), 0);
    close(p->fd);
}

static enum work_verdict begin(const char *text)
{
    return work_begin(WORK_PLANE, span_cstr(text), span_cstr(text));
}

/* Handled to the end, but for the end of the turn. */
static void handle(const char *text)
{
    if (begin(text) == WORK_GO)
        work_known();
    work_end();
}

typedef void life_fn(void);

/* One process's life of a program: what it does before it dies. returns its exit code */
static int live_as(struct place *p, uint64_t build, life_fn *life)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        if (!work_open(&(struct work_args){.fd = p->fd, .state_dir = p->dir, .name = "call-actor", .build = build}))
            _exit(1);
        life();
        _exit(DIED);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int live(struct place *p, life_fn *life)
{
    return live_as(p, 0, life);
}

#define EXPECT(cond)                                                                                                   \
    do {                                                                                                               \
        if (!(cond))                                                                                                   \
            _exit(2);                                                                                                  \
    } while (0)

static void dies_of_bad(void)
{
    handle("good");
    (void)begin("bad");
    work_known();
}

static void finds_poison(void)
{
    EXPECT(begin("good") == WORK_GO);
    work_end();
    EXPECT(begin("bad") == WORK_TELL);
    work_end();
    EXPECT(work_poison_count() == 1);
    work_turn_done();
    EXPECT(begin("bad") == WORK_TELL); /* it stays */
    work_end();
    work_turn_done();
}

static void finds_none(void)
{
    EXPECT(work_poison_count() == 0);
    EXPECT(begin("good") == WORK_GO);
    work_end();
    EXPECT(begin("bad") == WORK_GO);
    work_end();
    work_turn_done();
}

static void twice_is_poison(void **state)
{
    (void)state;
    struct place p = new_place();
    assert_int_equal(live(&p, dies_of_bad), DIED);
    assert_int_equal(quarantine_count(p.dir), 0);
    assert_int_equal(live(&p, dies_of_bad), DIED);
    assert_int_equal(live(&p, finds_poison), DIED);
    assert_int_equal(live(&p, finds_poison), DIED);
    assert_int_equal(quarantine_count(p.dir), 1); /* saved once */
    clear_place(&p);
}

static void is_careful(void)
{
    EXPECT(work_is_careful());
    handle("bad");
    work_turn_done();
}

static void who_is_handled_is_cleared(void **state)
{
    (void)state;
    struct place p = new_place();
    assert_int_equal(live(&p, dies_of_bad), DIED);
    assert_int_equal(live(&p, is_careful), DIED);
    assert_int_equal(live(&p, dies_of_bad), DIED);
    assert_int_equal(live(&p, finds_none), DIED);
    clear_place(&p);
}

static void dies_at_the_end_of_a_turn(void)
{
    handle("good");
    handle("bad");
    handle("other");
}

static void dies_at_the_end_of_a_turn_of_one(void)
{
    handle("good");
    work_turn_done();
    handle("bad");
}

/* All of the turn are suspected and none is condemned together with others. */
static void one_of_many(void **state)
{
    (void)state;
    struct place p = new_place();
    for (int i = 0; i < 3; i++)
        assert_int_equal(live(&p, dies_at_the_end_of_a_turn), DIED);
    assert_int_equal(quarantine_count(p.dir), 0);
    assert_int_equal(live(&p, dies_at_the_end_of_a_turn_of_one), DIED);
    assert_int_equal(live(&p, finds_poison), DIED);
    clear_place(&p);
}

static void ends_in_order(void)
{
    (void)begin("bad");
    work_close();
}

static void disk_is_full(void)
{
    (void)begin("bad");
    die(EX_STORAGE, "the disk is full");
}

static void nothing_is_held_against_an_end_in_order(void **state)
{
    (void)state;
    struct place p = new_place();
    for (int i = 0; i < 3; i++)
        assert_int_equal(live(&p, ends_in_order), DIED);
    for (int i = 0; i < 3; i++)
        assert_int_equal(live(&p, disk_is_full), EX_STORAGE);
    assert_int_equal(live(&p, finds_none), DIED);
    clear_place(&p);
}

static void dies_before_it_is_taken_apart(void)
{
    (void)begin("bad");
}

static void drops(void)
{
    EXPECT(begin("bad") == WORK_DROP);
    work_end();
}

static void dies_telling(void)
{
    EXPECT(begin("bad") == WORK_TELL);
}

static void dies_telling_what_it_could_read(void)
{
    EXPECT(begin("bad") == WORK_TELL);
    EXPECT(work_is_readable());
    work_known();
}

static void dies_letting_go(void)
{
    EXPECT(begin("good") == WORK_GO);
    EXPECT(!work_is_readable());
    work_end();
    work_turn_done();
    EXPECT(begin("bad") == WORK_DROP);
    EXPECT(work_is_readable());
    work_known();
}

static void drops_unread(void)
{
    EXPECT(begin("bad") == WORK_DROP);
    EXPECT(!work_is_readable());
    work_end();
}

/* Whoever waits for it can be let go, unless that kills, too. */
static void what_kills_as_it_is_told_can_still_be_read(void **state)
{
    (void)state;
    struct place p = new_place();
    assert_int_equal(live(&p, dies_of_bad), DIED);
    assert_int_equal(live(&p, dies_of_bad), DIED);
    assert_int_equal(live(&p, dies_telling_what_it_could_read), DIED);
    assert_int_equal(live(&p, dies_letting_go), DIED);
    assert_int_equal(live(&p, drops_unread), DIED);
    assert_int_equal(live(&p, drops_unread), DIED);
    clear_place(&p);
}

static void what_cannot_be_taken_apart_is_dropped(void **state)
{
    (void)state;
    struct place p = new_place();
    assert_int_equal(live(&p, dies_of_bad), DIED);
    assert_int_equal(live(&p, dies_before_it_is_taken_apart), DIED);
    assert_int_equal(live(&p, drops), DIED);
    clear_place(&p);
    p = new_place();
    assert_int_equal(live(&p, dies_of_bad), DIED);
    assert_int_equal(live(&p, dies_of_bad), DIED);
    assert_int_equal(live(&p, dies_telling), DIED); /* even the refusal kills */
    assert_int_equal(live(&p, drops_unread), DIED);
    clear_place(&p);
}

static void another_build_begins_anew(void **state)
{
    (void)state;
    struct place p = new_place();
    assert_int_equal(live_as(&p, 1, dies_of_bad), DIED);
    assert_int_equal(live_as(&p, 2, dies_of_bad), DIED); /* its first */
    assert_int_equal(quarantine_count(p.dir), 0);
    assert_int_equal(live_as(&p, 1, dies_of_bad), DIED); /* its second */
    assert_int_equal(live_as(&p, 1, finds_poison), DIED);
    assert_int_equal(live_as(&p, 3, finds_none), DIED);
    assert_int_equal(live_as(&p, 1, finds_poison), DIED); /* it has come back */
    clear_place(&p);
}

static void does_nothing(void)
{
}

/* Killed, by whomever, when it had set aside what killed its predecessors, and the journal still named that. */
static void dies_while_it_looks_back(void **state)
{
    (void)state;
    struct place p = new_place();
    char at_and_used[8];
    assert_int_equal(live(&p, dies_of_bad), DIED);
    assert_int_equal(live(&p, dies_of_bad), DIED);
    assert_int_equal(pread(p.fd, at_and_used, sizeof at_and_used, 8), sizeof at_and_used);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(live(&p, does_nothing), DIED);
        assert_int_equal(pwrite(p.fd, at_and_used, sizeof at_and_used, 8), sizeof at_and_used);
    }
    assert_int_equal(live(&p, finds_poison), DIED); /* its sender is told all the same */
    assert_int_equal(quarantine_count(p.dir), 1);
    clear_place(&p);
}

static void who_the_system_held_up_is_absolved(void **state)
{
    (void)state;
    struct place p = new_place();
    struct work_head *h = work_look(p.fd);
    uint32_t signs = work_signs(h);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(live(&p, dies_of_bad), DIED);
        work_absolve(h);
    }
    assert_int_not_equal(work_signs(h), signs);
    assert_int_equal(live(&p, finds_none), DIED);
    clear_place(&p);
}

static void asks_and_dies_of_the_answer(void)
{
    (void)work_begin(WORK_PLANE, SPAN("job"), SPAN("job, asked"));
    work_end();
    work_turn_done();
    (void)work_begin(WORK_ANSWER, SPAN("job"), SPAN("an answer"));
    work_known();
}

static void job_is_poison(void)
{
    EXPECT(work_begin(WORK_PLANE, SPAN("job"), SPAN("job, asked")) == WORK_TELL);
    work_end();
}

static void a_question_clears_no_answer(void **state)
{
    (void)state;
    struct place p = new_place();
    assert_int_equal(live(&p, asks_and_dies_of_the_answer), DIED);
    assert_int_equal(live(&p, asks_and_dies_of_the_answer), DIED);
    assert_int_equal(live(&p, job_is_poison), DIED);
    clear_place(&p);
}

static void a_long_turn(void)
{
    static char big[WORK_BYTES_MAX + 10];
    memset(big, 'x', sizeof big);
    for (int i = 0; i < 64; i++) {
        big[0] = (char)i;
        (void)work_begin(WORK_SIP, span_of(big, sizeof big), span_of(big, sizeof big));
        work_end();
    }
    (void)begin("bad");
    work_known();
}

static void more_than_there_is_room_for(void **state)
{
    (void)state;
    struct place p = new_place();
    assert_int_equal(live(&p, a_long_turn), DIED);
    assert_int_equal(live(&p, a_long_turn), DIED);
    assert_int_equal(live(&p, finds_poison), DIED);
    clear_place(&p);
}

static void dies_of_many(void)
{
    char text[16];
    for (unsigned i = 0; i < 2 * WORK_MARKS_MAX; i++) {
        (void)snprintf(text, sizeof text, "n%u", i);
        handle(text);
    }
}

/* Whatever stands in the journal, the next life reads it and goes on. */
static void a_journal_that_is_broken(void **state)
{
    (void)state;
    struct place p = new_place();
    assert_int_equal(live(&p, dies_of_many), DIED);
    assert_int_equal(live(&p, dies_of_bad), DIED);
    char *j = mmap(NULL, WORK_JOURNAL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, p.fd, 0);
    uint64_t seed = 88172645463325252ULL;
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 8; i++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            size_t span = i % 2 == 0 ? 64 : WORK_JOURNAL_BYTES;
            j[8 + seed % (span - 8)] = (char)(seed >> 32);
        }
        assert_int_equal(live(&p, dies_of_bad), DIED);
    }
    (void)munmap(j, WORK_JOURNAL_BYTES);
    clear_place(&p);
}

/* --- what is saved --- */

static void check_cover(const char *in, const char *want)
{
    char text[512];
    (void)snprintf(text, sizeof text, "%s", in);
    quarantine_cover(text, strlen(text));
    assert_string_equal(text, want);
}

static void secrets_are_covered(void **state)
{
    (void)state;
    check_cover("INVITE x\r\nAuthorization: Digest u=\"a\"\r\nTo: b\r\n\r\n",
                "INVITE x\r\nAuthorization:*************\r\nTo: b\r\n\r\n");
    check_cover("x\r\nPROXY-AUTHORIZATION  : a,\r\n\tb\r\nTo: c\r\n",
                "x\r\nPROXY-AUTHORIZATION  :***\r\n**\r\nTo: c\r\n");
    check_cover("Authorization:", "Authorization:");
    check_cover("Authorization", "Authorization");
    check_cover("Authorization: abc", "Authorization:****");
    check_cover("v=0\na=crypto:1 AES inline:k\na=rtpmap:0 x\n", "v=0\na=crypto:**************\na=rtpmap:0 x\n");
    check_cover("v=0\na=ice-ufrag:u\r\na=ice-pwd:secret\r\na=ice-lite\r\n",
                "v=0\na=ice-ufrag:u\r\na=ice-pwd:******\r\na=ice-lite\r\n");
    check_cover("{\"sdp\":\"v=0\\r\\na=crypto:1 inline:k\"}", "{\"sdp\":\"v=0\\r\\na=crypto:************");
    check_cover("sip:sip:a:b@h sip:c:d@i:e@j", "sip:sip:***@h sip:c:*@i:e@j");
    check_cover("ha1 0123456789abcdef0123456789abcdef!", "ha1 ********************************!");
    check_cover("0123456789abcdef0123456789abcde", "0123456789abcdef0123456789abcde"); /* one short of a digest */
    check_cover("INVITE sip:bob:pw@h SIP/2.0\r\nTo: <SIPS:a:b;c@d>, sip:h:5060\r\n",
                "INVITE sip:bob:**@h SIP/2.0\r\nTo: <SIPS:a:***@d>, sip:h:5060\r\n");
    check_cover("sip:", "sip:");
    check_cover("X-Authorization: a\r\nAuthorizations: b\r\n", "X-Authorization: a\r\nAuthorizations: b\r\n");
}

/* The worst that fits an input: it is looked at once. */
static void covering_takes_no_time(void **state)
{
    (void)state;
    static char text[WORK_BYTES_MAX * 2];
    for (size_t i = 0; i + 4 <= sizeof text; i += 4)
        memcpy(text + i, "sip:", 4);
    clock_t begin = clock(); /* of the CPU: others may have it meanwhile */
    quarantine_cover(text, sizeof text);
    assert_true(clock() - begin < CLOCKS_PER_SEC); /* some 20 ms; 65,536 times as long if each were followed up */
}

static void files_are_bounded(void **state)
{
    (void)state;
    struct place p = new_place();
    char path[QUARANTINE_PATH_MAX], first[QUARANTINE_PATH_MAX] = "";
    struct stat st;
    for (int i = 0; i < QUARANTINE_FILES_MAX + 10; i++) {
        struct quarantine_item it = {
            .worker = "sip-edge", .kind = "sip", .hash = (uint64_t)i, .deaths = 2, .bytes = SPAN("bytes")};
        assert_int_equal(quarantine_save(p.dir, &it, 1000 + i, path), 0);
        if (i == 0)
            memcpy(first, path, sizeof first);
    }
    assert_int_equal(quarantine_count(p.dir), QUARANTINE_FILES_MAX);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_not_equal(stat(first, &st), 0); /* the oldest made room */
    struct quarantine_item it = {.worker = "x", .kind = "sip"};
    assert_int_equal(quarantine_save("/nowhere/at/all", &it, 1, path), -1);
    clear_place(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(twice_is_poison),
        cmocka_unit_test(who_is_handled_is_cleared),
        cmocka_unit_test(one_of_many),
        cmocka_unit_test(nothing_is_held_against_an_end_in_order),
        cmocka_unit_test(what_cannot_be_taken_apart_is_dropped),
        cmocka_unit_test(what_kills_as_it_is_told_can_still_be_read),
        cmocka_unit_test(another_build_begins_anew),
        cmocka_unit_test(dies_while_it_looks_back),
        cmocka_unit_test(who_the_system_held_up_is_absolved),
        cmocka_unit_test(a_question_clears_no_answer),
        cmocka_unit_test(more_than_there_is_room_for),
        cmocka_unit_test(a_journal_that_is_broken),
        cmocka_unit_test(secrets_are_covered),
        cmocka_unit_test(covering_takes_no_time),
        cmocka_unit_test(files_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
