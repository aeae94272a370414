/*
 * storm [--seed N] [--count N] [--seconds T] [--calls N] [--calm | --pairs]
 *
 * Storms from seed N on, one after the other and a process each, until `count` of them are through or T seconds are
 * over. The first one in which something does not hold ends it: its seed is told, and `storm --seed N --count 1` does
 * the same again (STORM_TRACE=1 shows what was said). --calm: nobody is killed. --pairs: the edge and its actor may die
 * within moments of each other.
 */
#include "tests/storm/storm.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include <getopt.h>
#include <inttypes.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONG_ONE_IN 25
#define LONG_MS 900000 /* of those: between two things that a party does */
#define REFERS_PERMILLE 300
#define ASKED_PERMILLE 250
#define DIALS_PERMILLE 100
#define TIMER_C_MS 3800000
#define PRACKS_PERMILLE 600
#define HASH_PRIME UINT64_C(0x100000001b3)
#define OVER_MS 400000 /* everything ends within: set-up, 64*T1 of the 2xx, of the BYE, of what lingers */

struct options {
    uint64_t seed, count;
    unsigned seconds, calls;
    bool calm, pairs;
};

struct outcome {
    unsigned calls, answered, kills;
    uint64_t hash;
    int64_t virtual_ms;
};

/* What a storm is made of. It is the seed's and not drawn from what it draws: whatever is added here leaves the other
 * bytes of a storm that has none of it alone. */
struct mix {
    unsigned shards;
    unsigned phones;
    bool refers;
    bool lines; /* phones with connections */
    bool pracks;
    bool platform; /* ends, moves and places calls */
    bool is_long;
};

static struct mix mix_of(uint64_t seed)
{
    return (struct mix){.shards = seed % 2 == 0 ? 1 : 2 + (unsigned)(seed / 2 % (VIRT_SHARDS_MAX - 1)),
                        .phones = seed % 5 == 0 ? 0 : PHONES_MAX,
                        .refers = seed % 3 != 0,
                        .lines = seed % 7 >= 4,
                        .pracks = seed % 4 == 1 || seed % 4 == 2,
                        .platform = seed % 4 >= 2,
                        .is_long = seed % LONG_ONE_IN == 0};
}

static void tell_mix(uint64_t seed)
{
    struct mix mix = mix_of(seed);
    printf("storm: seed %" PRIu64 ": %u shards, %u phones that register%s%s%s%s%s\n", seed, mix.shards, mix.phones,
           mix.lines ? ", half of them over TCP" : "", mix.pracks ? ", PRACK" : "", mix.refers ? ", REFER" : "",
           mix.platform ? ", the platform asks" : "", mix.is_long ? ", long calls" : "");
}

static struct outcome storm(uint64_t seed, const struct options *o)
{
    const struct mix mix = mix_of(seed);
    const struct world_conf conf = {.shards = mix.shards, .lines = mix.lines, .kills = !o->calm, .pairs = o->pairs};
    storm_seed(seed);
    log_set_level(storm_traces() ? LOG_INFO : LOG_ERROR);
    if (mix.is_long) /* calls that outlive every table (RFC 4028, or a lesson of others) */
        party_patience_ms = LONG_MS;
    prack_permille = mix.pracks ? PRACKS_PERMILLE : 0;
    party_asked_permille = mix.platform ? ASKED_PERMILLE : 0;
    party_refers_permille = mix.refers ? REFERS_PERMILLE : 0;
    world_begin(&conf);
    phones_begin(mix.phones, mix.lines);
    for (unsigned i = 0; i < o->calls; i++) {
        party_call();
        if (mix.platform && storm_chance(DIALS_PERMILLE))
            control_dial();
        storm_run_until(virt_now.mono_ms + storm_ms(0, 1500));
    }
    storm_run_until(virt_now.mono_ms + (mix.is_long ? 2 * LONG_MS : 5000));
    world_calm();
    party_calm();
    int64_t by = virt_now.mono_ms + OVER_MS;
    do {
        storm_run_until(virt_now.mono_ms + 1000);
    } while ((party_open() > 0 || !world_is_over() || !control_is_over()) && virt_now.mono_ms < by);
    if (!world_is_over() && world_waits_for_timer_c())
        storm_run_until(virt_now.mono_ms + TIMER_C_MS);
    party_check_over();
    STORM_HOLDS(control_is_over(), "whoever asks is answered");
    world_end();
    return (struct outcome){.calls = o->calls,
                            .answered = party_answered(),
                            .kills = world_kills(),
                            .hash = storm_hash(),
                            .virtual_ms = virt_now.mono_ms};
}

/* In a process of its own, so that each begins alike. false: it did not end well. */
static bool one(uint64_t seed, const struct options *o, struct outcome *out)
{
    int fds[2];
    if (pipe(fds) != 0)
        abort();
    pid_t pid = fork();
    if (pid == 0) {
        struct outcome mine = storm(seed, o);
        bool sent = write(fds[1], &mine, sizeof mine) == (ssize_t)sizeof mine;
        _exit(sent ? 0 : 1);
    }
    int status = 0;
    (void)close(fds[1]);
    bool read_all = read(fds[0], out, sizeof *out) == (ssize_t)sizeof *out;
    (void)close(fds[0]);
    return pid > 0 && waitpid(pid, &status, 0) == pid && read_all && status == 0;
}

static uint64_t number(const char *text)
{
    return strtoull(text, NULL, 10);
}

static void parse(struct options *o, int argc, char **argv)
{
    static const struct option longs[] = {{"seed", required_argument, NULL, 's'},
                                          {"count", required_argument, NULL, 'n'},
                                          {"seconds", required_argument, NULL, 't'},
                                          {"calls", required_argument, NULL, 'c'},
                                          {"calm", no_argument, NULL, 'q'},
                                          {"pairs", no_argument, NULL, 'p'},
                                          {0}};
    for (int opt; (opt = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (opt == 's')
            o->seed = number(optarg);
        else if (opt == 'n')
            o->count = number(optarg);
        else if (opt == 't')
            o->seconds = (unsigned)number(optarg);
        else if (opt == 'c')
            o->calls = (unsigned)number(optarg);
        else if (opt == 'q')
            o->calm = true;
        else if (opt == 'p')
            o->pairs = true;
        else
            exit(2);
    }
}

int main(int argc, char **argv)
{
    struct options o = {.seed = 1, .count = UINT64_MAX, .seconds = 10, .calls = 30};
    struct outcome sum = {.calls = 0};
    struct outcome last = {.calls = 0};
    parse(&o, argc, argv);
    int64_t end = clock_mono_ms() + (int64_t)o.seconds * 1000;
    uint64_t done = 0;
    for (; done < o.count && clock_mono_ms() < end; done++) {
        if (o.count == 1)
            tell_mix(o.seed);
        if (!one(o.seed + done, &o, &last)) {
            if (o.count != 1)
                tell_mix(o.seed + done);
            printf("storm: seed %" PRIu64 " does not end well: %s --seed %" PRIu64 " --count 1 --calls %u%s\n",
                   o.seed + done, argv[0], o.seed + done, o.calls,
                   o.calm    ? " --calm"
                   : o.pairs ? " --pairs"
                             : "");
            return 1;
        }
        sum.calls += last.calls;
        sum.answered += last.answered;
        sum.kills += last.kills;
        sum.virtual_ms += last.virtual_ms;
        sum.hash = (sum.hash ^ last.hash) * HASH_PRIME;
    }
    printf("storm: %" PRIu64 " storms, %u calls, %u answered, %u deaths, %" PRId64
           " s of virtual time, hash %016" PRIx64 "\n",
           done, sum.calls, sum.answered, sum.kills, sum.virtual_ms / 1000, sum.hash);
    return 0;
}
