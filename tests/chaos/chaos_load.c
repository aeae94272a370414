/*
 * chaos_load: callers and callees of every kind at a rate, for who kills the service meanwhile (README.md here).
 * Over UDP, TCP and TLS on loopback, one process.
 *
 * SIGTERM: dials no more; ends when all calls are over. Prints one line of JSON, and on standard error a line for
 * whatever went wrong, with the wall clock and the Call-ID. Ends with 0 when no call failed.
 */
#include "tests/bench/load.h"
#include "tests/chaos/callee.h"
#include "tests/chaos/caller.h"
#include "tests/chaos/party.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>

#define TICK_US 5000
#define USAGE                                                                                                          \
    "usage: chaos_load --port PORT [--callee PORT] [--count N] [--rate N] [--hold MS] [--within MS] [--seed N]\n"      \
    "                  [--mix KINDS] [--ways WAYS] [--answered USER] [--bridged USER] [--calls FILE]\n"                \
    "                  [--sips PORT --pki DIR] [--bridged-tcp USER] [--bridged-tls USER --callee-tls PORT]\n"          \
    "                  [--settle MS]\n"                                                                                \
    "KINDS, WAYS: letters of tests/chaos/caller.h, each as often as it stands there\n"

static struct caller_plan plan = {
    .count = 1000, .hold_ms = 2000, .within_ms = 100, .seed = 1, .mix = "a", .ways = "u", .answered = "902121234567"};
static double rate = 100;
static unsigned long settle_ms = 40000; /* what callees still wait for when all callers have gone: more than 64*T1 */
static uint16_t callee_ports[LINK_TRANSPORTS];
static const char *calls_path, *pki;
static volatile sig_atomic_t ending;

static void on_term(int signo)
{
    (void)signo;
    ending = 1;
}

static void run(void)
{
    int64_t started = load_now_us(), ticked = 0;
    bool has_callee = callee_ports[LINK_UDP] != 0;
    link_begin(pki);
    caller_begin(&plan);
    if (has_callee)
        callee_begin(plan.port, callee_ports, plan.within_ms);
    unsigned long due = 0;
    int64_t over_since = 0, settle_us = (int64_t)settle_ms * 1000;
    while (over_since == 0 || (has_callee && !callee_is_settled() && load_now_us() - over_since < settle_us)) {
        int64_t now = load_now_us();
        if (over_since == 0 && (ending || caller_begun_cnt() == plan.count) && caller_open_cnt() == 0)
            over_since = now;
        if (!ending)
            due = (unsigned long)((double)(now - started) * rate / 1e6) + 1;
        while (caller_begun_cnt() < due && caller_begun_cnt() < plan.count && !ending)
            caller_dial(now);
        if (now - ticked >= TICK_US) {
            caller_on_time(now);
            if (has_callee)
                callee_on_time(now);
            link_on_time(now);
            ticked = now;
        }
        link_wait(2);
    }
    if (has_callee)
        callee_give_up();
}

static void print(void)
{
    printf("{");
    caller_print();
    if (callee_ports[LINK_UDP] != 0)
        callee_print();
    printf("\"connections\":{\"made\":%lu,\"lost\":%lu,\"accepted\":%lu},", link_counts.made, link_counts.lost,
           link_counts.accepted);
    printf("\"requests\":%lu,\"answers_repeated\":%lu,\"repeated\":[", party_counts.requests,
           party_counts.answers_repeated);
    for (unsigned i = 0; i <= PARTY_REPEATS_MAX; i++)
        printf("%s%lu", i > 0 ? "," : "", party_counts.repeated[i]);
    printf("],\"unanswered\":%lu}\n", party_counts.repeated[PARTY_REPEATS_MAX + 1]);
}

static uint16_t port_of(const char *value)
{
    unsigned long port = strtoul(value, NULL, 10);
    return port <= UINT16_MAX ? (uint16_t)port : 0;
}

/* returns false when there is no such option */
static bool take_text(int c, const char *value)
{
    switch (c) {
    case 'm':
        plan.mix = value;
        return true;
    case 'y':
        plan.ways = value;
        return true;
    case 'a':
        plan.answered = value;
        return true;
    case 'b':
        plan.bridged[LINK_UDP] = value;
        return true;
    case 'B':
        plan.bridged[LINK_TCP] = value;
        return true;
    case 'L':
        plan.bridged[LINK_TLS] = value;
        return true;
    case 'f':
        calls_path = value;
        return true;
    case 'k':
        pki = value;
        return true;
    default:
        return false;
    }
}

static void take_option(int c, const char *value)
{
    unsigned long number = strtoul(value, NULL, 10);
    switch (c) {
    case 'p':
        plan.port[LINK_UDP] = plan.port[LINK_TCP] = port_of(value);
        break;
    case 'S':
        plan.port[LINK_TLS] = port_of(value);
        break;
    case 'c':
        callee_ports[LINK_UDP] = callee_ports[LINK_TCP] = port_of(value);
        break;
    case 'C':
        callee_ports[LINK_TLS] = port_of(value);
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
    case 'e':
        settle_ms = number;
        break;
    default:
        if (!take_text(c, value))
            plan.port[LINK_UDP] = 0;
        break;
    }
}

static bool are_all(const char *letters, const char *known)
{
    return letters[0] != '\0' && letters[strspn(letters, known)] == '\0';
}

static void parse(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", 1, NULL, 'p'},
        {"callee", 1, NULL, 'c'},
        {"count", 1, NULL, 'n'},
        {"rate", 1, NULL, 'r'},
        {"hold", 1, NULL, 'h'},
        {"within", 1, NULL, 'w'},
        {"seed", 1, NULL, 's'},
        {"mix", 1, NULL, 'm'},
        {"ways", 1, NULL, 'y'},
        {"answered", 1, NULL, 'a'},
        {"bridged", 1, NULL, 'b'},
        {"calls", 1, NULL, 'f'},
        {"sips", 1, NULL, 'S'},
        {"pki", 1, NULL, 'k'},
        {"bridged-tcp", 1, NULL, 'B'},
        {"bridged-tls", 1, NULL, 'L'},
        {"callee-tls", 1, NULL, 'C'},
        {"settle", 1, NULL, 'e'},
        {0},
    };
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        take_option(c, optarg != NULL ? optarg : "");
    bool has_letters = are_all(plan.mix, CALLER_KINDS) && are_all(plan.ways, CALLER_WAYS);
    bool has_tls = plan.port[LINK_TLS] != 0 && pki != NULL;
    bool wants_tls = strpbrk(plan.ways, "sS") != NULL || callee_ports[LINK_TLS] != 0;
    if (plan.port[LINK_UDP] == 0 || plan.count == 0 || rate <= 0 || plan.seed == 0 || !has_letters ||
        (wants_tls && !has_tls)) {
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
    link_end();
    return good ? 0 : 1;
}
