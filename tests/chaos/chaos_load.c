/*
 * chaos_load: callers and callees of every kind at a rate, for who kills the service meanwhile (README.md here).
 * Over UDP on loopback, one process, one socket for all callers and one for all callees.
 *
 * SIGTERM: dials no more; ends when all calls are over. Prints one line of JSON, and on standard error a line for
 * whatever went wrong, with the wall clock and the Call-ID. Ends with 0 when no call failed.
 */
#include "tests/bench/load.h"
#include "tests/chaos/callee.h"
#include "tests/chaos/caller.h"
#include "tests/chaos/party.h"

#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#define TICK_US 5000
#define SETTLE_MAX_US 40000000 /* what callees still wait for when all callers have gone */
#define USAGE                                                                                                          \
    "usage: chaos_load --port PORT [--callee PORT] [--count N] [--rate N] [--hold MS] [--within MS] [--seed N]\n"      \
    "                  [--mix KINDS] [--answered USER] [--bridged USER] [--calls FILE]\n"                              \
    "KINDS: letters of tests/chaos/caller.h, each kind as often as it stands there\n"

static struct caller_plan plan = {
    .count = 1000, .hold_ms = 2000, .within_ms = 100, .seed = 1, .mix = "a", .answered = "902121234567"};
static double rate = 100;
static unsigned long callee_port;
static const char *calls_path;
static volatile sig_atomic_t ending;

static void on_term(int signo)
{
    (void)signo;
    ending = 1;
}

static void run(void)
{
    int64_t started = load_now_us(), ticked = 0;
    int callers = caller_begin(&plan);
    int callees = callee_port != 0 ? callee_begin(plan.port, (uint16_t)callee_port, plan.within_ms) : -1;
    unsigned long due = 0;
    int64_t over_since = 0;
    while (over_since == 0 || (callees >= 0 && !callee_is_settled() && load_now_us() - over_since < SETTLE_MAX_US)) {
        int64_t now = load_now_us();
        if (over_since == 0 && (ending || caller_begun_cnt() == plan.count) && caller_open_cnt() == 0)
            over_since = now;
        if (!ending)
            due = (unsigned long)((double)(now - started) * rate / 1e6) + 1;
        while (caller_begun_cnt() < due && caller_begun_cnt() < plan.count && !ending)
            caller_dial(now);
        if (now - ticked >= TICK_US) {
            caller_on_time(now);
            if (callees >= 0)
                callee_on_time(now);
            ticked = now;
        }
        struct pollfd p[] = {{.fd = callers, .events = POLLIN}, {.fd = callees, .events = POLLIN}};
        if (poll(p, 2, 2) <= 0)
            continue;
        now = load_now_us();
        if (p[0].revents != 0)
            caller_receive(now);
        if (p[1].revents != 0)
            callee_receive(now);
    }
}

static void print(void)
{
    printf("{");
    caller_print();
    if (callee_port != 0)
        callee_print();
    printf("\"requests\":%lu,\"answers_repeated\":%lu,\"repeated\":[", party_counts.requests,
           party_counts.answers_repeated);
    for (unsigned i = 0; i <= PARTY_REPEATS_MAX; i++)
        printf("%s%lu", i > 0 ? "," : "", party_counts.repeated[i]);
    printf("],\"unanswered\":%lu}\n", party_counts.repeated[PARTY_REPEATS_MAX + 1]);
}

static void take_option(int c, const char *value)
{
    unsigned long number = strtoul(value, NULL, 10);
    switch (c) {
    case 'p':
        plan.port = number <= UINT16_MAX ? (uint16_t)number : 0;
        break;
    case 'c':
        callee_port = number;
        break;
    case 'n':
        plan.count = number;
        break;
    case 'r':
        rate = strtod(value, NULL);
        break;
    case 'h':
        plan.hold_ms = number;
        break;
    case 'w':
        plan.within_ms = number;
        break;
    case 's':
        plan.seed = number;
        break;
    case 'm':
        plan.mix = value;
        break;
    case 'a':
        plan.answered = value;
        break;
    case 'b':
        plan.bridged = value;
        break;
    case 'f':
        calls_path = value;
        break;
    default:
        plan.port = 0;
        break;
    }
}

static void parse(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", 1, NULL, 'p'},     {"callee", 1, NULL, 'c'},  {"count", 1, NULL, 'n'}, {"rate", 1, NULL, 'r'},
        {"hold", 1, NULL, 'h'},     {"within", 1, NULL, 'w'},  {"seed", 1, NULL, 's'},  {"mix", 1, NULL, 'm'},
        {"answered", 1, NULL, 'a'}, {"bridged", 1, NULL, 'b'}, {"calls", 1, NULL, 'f'}, {0},
    };
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        take_option(c, optarg != NULL ? optarg : "");
    bool has_kinds = plan.mix[0] != '\0' && plan.mix[strspn(plan.mix, CALLER_KINDS)] == '\0';
    if (plan.port == 0 || callee_port > UINT16_MAX || plan.count == 0 || rate <= 0 || plan.seed == 0 || !has_kinds) {
        (void)fputs(USAGE, stderr);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    parse(argc, argv);
    party_seed(plan.seed);
    (void)signal(SIGTERM, on_term);
    run();
    print();
    if (calls_path != NULL) {
        FILE *out = fopen(calls_path, "w");
        if (out == NULL)
            load_stop(calls_path);
        caller_write(out);
        if (fclose(out) != 0)
            load_stop(calls_path);
    }
    bool good = caller_failed_cnt() == 0;
    caller_end();
    callee_end();
    return good ? 0 : 1;
}
