/*
 * Every way to transfer x who leaves x what can become of it, in virtual time: what each of the three saw, the NOTIFYs
 * among it, the events, the ports, and who talks to whom then. The expectations stand in transfer_want.h.
 *
 * MATRIX=1 in the environment (make matrix) prints the table for people; MATRIX=want in the form of transfer_want.h.
 */
#include "tests/unit/call-actor/transfer_kit.h"

#define TARGET_SDP                                                                                                     \
    "v=0\r\no=carol 9 9 IN IP4 198.51.100.30\r\ns=-\r\nc=IN IP4 198.51.100.30\r\nt=0 0\r\nm=audio 7000 RTP/AVP 0\r\n"
#define STAYS_SDP                                                                                                      \
    "v=0\r\no=s 1 2 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"

/* --- ways, and who leaves --- */

#define WAY_LIST(X)                                                                                                    \
    X(BLIND, "blind: REFER")                                                                                           \
    X(ATTENDED, "attended: REFER with Replaces")                                                                       \
    X(PLATFORM, "by the platform")

#define LEAVER_LIST(X)                                                                                                 \
    X(CALLER, "the caller leaves")                                                                                     \
    X(CALLEE, "the callee leaves")                                                                                     \
    X(AI, "the platform leaves")

enum way {
#define WAY_ENUM(name, text) WAY_##name,
    WAY_LIST(WAY_ENUM)
#undef WAY_ENUM
        WAYS
};
enum leaver {
#define LEAVER_ENUM(name, text) OF_##name,
    LEAVER_LIST(LEAVER_ENUM)
#undef LEAVER_ENUM
        LEAVERS
};

/* --- what happens --- */

struct cell {
    struct transfer_cell *m;
    enum way way;
    enum who leaves, stays; /* of a call with the platform: stays alone, and leaves is not there */
    bool ai;
};

static void look_up(struct cell *x)
{
    static const struct bridge_target carol = {
        .uri = "sip:carol@198.51.100.30:5062", .q = 1000, .addr = "198.51.100.30"};
    if (x->m->k.c->row->n_locating > 0)
        bridge_rings(&x->m->k, &carol, 1);
}

static void rings(struct cell *x)
{
    look_up(x);
    transfer_answers(x->m, WHO_TARGET, "INVITE", 180, NULL);
}

static void target_says(struct cell *x, unsigned status)
{
    rings(x);
    transfer_answers(x->m, WHO_TARGET, "INVITE", status, status == 200 ? TARGET_SDP : NULL);
}

static void stays_says(struct cell *x, unsigned status)
{
    transfer_answers(x->m, x->stays, "INVITE", status, status == 200 ? STAYS_SDP : NULL);
}

/* What who stays answers is news for the target, when it is not what he was offered. */
static void they_are_joined(struct cell *x)
{
    stays_says(x, 200);
    if (transfer_open_of(x->m, WHO_TARGET, "INVITE") != NULL)
        transfer_answers(x->m, WHO_TARGET, "INVITE", 200, TARGET_SDP);
}

static bool he_answers(struct cell *x)
{
    target_says(x, 200);
    they_are_joined(x);
    return true;
}

static bool he_is_busy(struct cell *x)
{
    target_says(x, 486);
    return true;
}

static bool he_declines(struct cell *x)
{
    target_says(x, 603);
    return true;
}

static bool he_does_not_answer(struct cell *x)
{
    rings(x);
    transfer_settle(x->m);
    kit_timer(&x->m->k, CALL_TMR_NO_ANSWER);
    return true;
}

static bool he_is_not_reached(struct cell *x)
{
    look_up(x);
    x->m->target_is_lost = true;
    transfer_answers(x->m, WHO_TARGET, "INVITE", 0, NULL);
    return true;
}

static bool he_is_not_found(struct cell *x)
{
    char who[64];
    if (x->m->k.c->row->n_locating == 0)
        return false;
    (void)snprintf(who, sizeof(who), "%s", bridge_who(&x->m->k));
    bridge_targets(&x->m->k, who, NULL, 0, 480);
    return true;
}

/* RFC 5589 §6.1 */
static bool leaver_hangs_up(struct cell *x)
{
    if (x->ai)
        return false;
    rings(x);
    transfer_says(x->m, x->leaves, "BYE", "");
    transfer_answers(x->m, WHO_TARGET, "INVITE", 200, TARGET_SDP);
    they_are_joined(x);
    return true;
}

static bool leaver_hangs_up_for_nothing(struct cell *x)
{
    if (x->ai)
        return false;
    rings(x);
    transfer_says(x->m, x->leaves, "BYE", "");
    transfer_answers(x->m, WHO_TARGET, "INVITE", 486, NULL);
    return true;
}

static bool he_hangs_up_amid_it(struct cell *x)
{
    target_says(x, 200);
    transfer_says(x->m, WHO_TARGET, "BYE", "");
    stays_says(x, 200);
    transfer_settle(x->m);
    if (x->m->k.c->row->timers[CALL_TMR_SESSION] != 0)
        kit_timer(&x->m->k, CALL_TMR_SESSION);
    if (transfer_open_of(x->m, x->stays, "INVITE") != NULL) /* back to whom he talked to */
        stays_says(x, 200);
    return true;
}

static bool stays_refuses(struct cell *x)
{
    target_says(x, 200);
    stays_says(x, 488);
    return true;
}

static bool stays_hangs_up(struct cell *x)
{
    rings(x);
    transfer_says(x->m, x->stays, "BYE", "");
    return true;
}

static void die(struct cell *x)
{
    come_back(&x->m->k);
    transfer_see_all(&x->m->k, NULL);
}

static void neighbour_dies(struct cell *x, Plane__Proc peer)
{
    struct kit *k = &x->m->k;
    call_effects_clear(&k->fx);
    call_ask_again(k->c, peer, &k->fx, k->now);
    transfer_see_all(k, NULL);
}

static bool orchestrator_killed(struct cell *x)
{
    neighbour_dies(x, PLANE__PROC__PROC_ORCH);
    return he_answers(x);
}

static bool edge_killed_when_it_rings(struct cell *x)
{
    rings(x);
    neighbour_dies(x, PLANE__PROC__PROC_EDGE);
    transfer_answers(x->m, WHO_TARGET, "INVITE", 200, TARGET_SDP);
    they_are_joined(x);
    return true;
}

static bool edge_killed_when_it_joins(struct cell *x)
{
    target_says(x, 200);
    neighbour_dies(x, PLANE__PROC__PROC_EDGE);
    they_are_joined(x);
    return true;
}

static bool killed_when_asked(struct cell *x)
{
    die(x);
    return he_answers(x);
}

static bool killed_when_it_rings(struct cell *x)
{
    rings(x);
    die(x);
    transfer_answers(x->m, WHO_TARGET, "INVITE", 200, TARGET_SDP);
    they_are_joined(x);
    return true;
}

static bool killed_when_it_joins(struct cell *x)
{
    target_says(x, 200);
    die(x);
    they_are_joined(x);
    return true;
}

static bool killed_when_joined(struct cell *x)
{
    target_says(x, 200);
    stays_says(x, 200);
    die(x);
    if (transfer_open_of(x->m, WHO_TARGET, "INVITE") != NULL)
        transfer_answers(x->m, WHO_TARGET, "INVITE", 200, TARGET_SDP);
    return true;
}

#define FATE_LIST(X)                                                                                                   \
    X(ANSWERS, "the target answers", he_answers)                                                                       \
    X(BUSY, "… is busy", he_is_busy)                                                                                   \
    X(DECLINES, "… declines", he_declines)                                                                             \
    X(NO_ANSWER, "… does not answer", he_does_not_answer)                                                              \
    X(UNREACHABLE, "… cannot be reached", he_is_not_reached)                                                           \
    X(AWAY, "… is not there", he_is_not_found)                                                                         \
    X(TARGET_BYE, "… hangs up before they are joined", he_hangs_up_amid_it)                                            \
    X(LEAVER_BYE, "who leaves hangs up while it rings", leaver_hangs_up)                                               \
    X(LEAVER_BYE_BUSY, "… and the target is busy", leaver_hangs_up_for_nothing)                                        \
    X(STAYS_REFUSES, "who stays refuses", stays_refuses)                                                               \
    X(STAYS_BYE, "who stays hangs up while it rings", stays_hangs_up)                                                  \
    X(KILL_ASKED, "call-actor killed when it is asked", killed_when_asked)                                             \
    X(KILL_RINGS, "call-actor killed while it rings", killed_when_it_rings)                                            \
    X(KILL_JOINS, "call-actor killed while they are joined", killed_when_it_joins)                                     \
    X(KILL_JOINED, "call-actor killed when they are", killed_when_joined)                                              \
    X(KILL_EDGE_RINGS, "sip-edge killed while it rings", edge_killed_when_it_rings)                                    \
    X(KILL_EDGE_JOINS, "sip-edge killed while they are joined", edge_killed_when_it_joins)                             \
    X(KILL_ORCH, "orchestrator killed when it is asked", orchestrator_killed)

enum fate {
#define FATE_ENUM(name, text, strike) BY_##name,
    FATE_LIST(FATE_ENUM)
#undef FATE_ENUM
        FATES
};

static const char *const way_ids[] = {
#define WAY_ID(name, text) #name,
    WAY_LIST(WAY_ID)};
static const char *const way_texts[] = {
#define WAY_TEXT(name, text) text,
    WAY_LIST(WAY_TEXT)};
static const char *const leaver_ids[] = {
#define LEAVER_ID(name, text) #name,
    LEAVER_LIST(LEAVER_ID)};
static const char *const leaver_texts[] = {
#define LEAVER_TEXT(name, text) text,
    LEAVER_LIST(LEAVER_TEXT)};
static const struct {
    const char *id;
    const char *text;
    bool (*strike)(struct cell *x);
} fates[FATES] = {
#define FATE_ROW(name, text, strike) [BY_##name] = {#name, text, strike},
    FATE_LIST(FATE_ROW)
#undef FATE_ROW
};

/* --- a cell --- */

struct want {
    const char *leaver; /* NULL: this cannot be */
    const char *stays;
    const char *target;
    const char *events;
    unsigned ports;
    const char *then; /* who talks to whom when all is said */
};

#include "tests/unit/call-actor/transfer_want.h"

static void talk(struct cell *x)
{
    struct transfer_cell *m = x->m;
    static const char *const domains[] = {"example.org", "203.0.113.5", NULL};
    kit_init(&m->k);
    bridge_conf(&m->k);
    m->k.conf.route.domains = domains;
    m->k.conf.own_addr = "127.0.0.1";
    m->k.conf.listen_port = 5060;
    m->k.seen = transfer_see_all;
    m->k.user = "ali";
    m->cseq = 100;
    (void)snprintf(m->call_id[WHO_CALLER], sizeof(m->call_id[0]), "kit-call@192.0.2.1");
    if (x->ai) {
        m->allocated++;
        kit_established(&m->k);
        return;
    }
    bridge_ring_bob(&m->k);
    (void)snprintf(m->call_id[WHO_CALLEE], sizeof(m->call_id[0]), "%s", bridge_leg(&m->k, 1)->dialog->call_id);
    m->call_id[WHO_TARGET][0] = '\0';
    m->open_cnt = 0;
    BRIDGE_SAYS(&m->k, 1, .status = 200, .body = BRIDGE_OFFER);
    kit_ack(&m->k, 10);
    row_text(&bridge_leg(&m->k, 1)->target->user, SPAN("bob"));
}

static void ask_platform(struct cell *x)
{
    Plane__Control q = PLANE__CONTROL__INIT;
    q.op = PLANE__CONTROL__OP__TRANSFER;
    q.id = (ProtobufCBinaryData){.len = 2, .data = (uint8_t *)(uintptr_t) "q1"};
    q.call_id = (char *)(uintptr_t) "kit-call@192.0.2.1";
    q.to = (char *)(uintptr_t) "sip:carol@example.org";
    q.key = (char *)(uintptr_t) "key";
    q.asked_by = (char *)(uintptr_t) "grpc:agent-service";
    q.stays = (char *)(uintptr_t)(x->stays == WHO_CALLEE ? TRANSFER_CALLEE : TRANSFER_CALLER);
    kit_step(&x->m->k, &(struct call_input){.type = CALL_IN_CONTROL, .control = &q, .asker = PLANE__PROC__PROC_ORCH});
}

/* false: it was refused. */
static bool ask(struct cell *x)
{
    if (x->way == WAY_PLATFORM)
        ask_platform(x);
    else
        transfer_says(x->m, x->ai ? WHO_CALLER : x->leaves, "REFER",
                      x->way == WAY_BLIND ? "Refer-To: <sip:carol@203.0.113.5>\r\n"
                                          : "Refer-To: <sip:carol@203.0.113.5?Replaces=x%3Bto-tag%3Da2-12ab-xyz%3B"
                                            "from-tag%3Df>\r\n");
    return transfer_is_under_way(x->m->k.c);
}

static const char *name_of(const struct cell *x, const Store__Dialog *d)
{
    return strcmp(d->call_id, x->m->call_id[x->stays]) == 0              ? "who stays"
           : strcmp(d->call_id, x->m->call_id[x->leaves]) == 0 && !x->ai ? "who leaves"
                                                                         : "the target";
}

static const char *then(const struct cell *x)
{
    static char text[96];
    const struct call *c = x->m->k.c;
    const struct side other = side_other(c, SIDE_CALLER);
    if (!call_is_live(c) || call_state(c) == CALL_ST_ENDING)
        return "nobody";
    if (c->row->winner == SIDE_CALLER)
        return c->row->port_state == STORE__PORT_STATE__PORT_HELD ? "who stays and the platform" : "who stays alone";
    (void)snprintf(text, sizeof(text), "%s and %s", name_of(x, c->row->a), name_of(x, other.d));
    return strcmp(text, "who leaves and who stays") == 0 ? "who stays and who leaves" : text;
}

struct got {
    char saw[3][TRANSFER_TEXT_MAX]; /* who leaves, who stays, the target */
    char events[128];
    unsigned ports;
    char then[96];
    bool can_be;
};

static void run(enum way way, enum leaver leaver, enum fate fate, struct got *got)
{
    struct cell x = {.way = way, .ai = leaver == OF_AI};
    x.leaves = leaver == OF_CALLEE ? WHO_CALLEE : leaver == OF_CALLER ? WHO_CALLER : WHO_CALLEE;
    x.stays = x.leaves == WHO_CALLER ? WHO_CALLEE : WHO_CALLER;
    x.m = calloc(1, sizeof(*x.m));
    assert_non_null(x.m);
    talk(&x);
    x.m->watching = true;
    bool taken = ask(&x);
    transfer_settle(x.m);
    got->can_be = taken ? fates[fate].strike(&x) : fate == BY_ANSWERS;
    transfer_settle(x.m);
    (void)snprintf(got->then, sizeof(got->then), "%s", then(&x));
    transfer_finish(x.m);
    (void)snprintf(got->saw[0], TRANSFER_TEXT_MAX, "%s", x.ai ? "" : x.m->saw[x.leaves]);
    (void)snprintf(got->saw[1], TRANSFER_TEXT_MAX, "%s", x.m->saw[x.stays]);
    (void)snprintf(got->saw[2], TRANSFER_TEXT_MAX, "%s", x.m->saw[WHO_TARGET]);
    (void)snprintf(got->events, sizeof(got->events), "%s", x.m->events);
    got->ports = x.m->released;
    kit_fini(&x.m->k);
    free(x.m);
}

static void assert_same(const char *where, const char *what, const char *got, const char *want)
{
    if (strcmp(got, want) != 0)
        fail_msg("%s: %s: \"%s\", expected \"%s\"", where, what, got, want);
}

static void assert_cell(enum way w, enum leaver l, enum fate f)
{
    const struct want *want = &wanted[w][l][f];
    struct got got = {.can_be = false};
    char where[128];
    (void)snprintf(where, sizeof(where), "[WAY_%s][OF_%s][BY_%s]", way_ids[w], leaver_ids[l], fates[f].id);
    run(w, l, f, &got);
    if (got.can_be != (want->leaver != NULL))
        fail_msg("%s: %s", where, got.can_be ? "can be" : "cannot be");
    if (!got.can_be)
        return;
    assert_same(where, "who leaves saw", got.saw[0], want->leaver);
    assert_same(where, "who stays saw", got.saw[1], want->stays);
    assert_same(where, "the target saw", got.saw[2], want->target);
    assert_same(where, "events", got.events, want->events);
    assert_same(where, "who talks", got.then, want->then);
    assert_int_equal(got.ports, want->ports);
}

static void every_cell_is_as_it_is_told(void **state)
{
    (void)state;
    for (unsigned w = 0; w < WAYS; w++) {
        for (unsigned l = 0; l < LEAVERS; l++) {
            for (unsigned f = 0; f < FATES; f++)
                assert_cell((enum way)w, (enum leaver)l, (enum fate)f);
        }
    }
}

/* --- the table for people --- */

static const char *or_dash(const char *text)
{
    return text[0] != '\0' ? text : "-";
}

static void print_cell(enum way w, enum leaver l, enum fate f, bool source)
{
    struct got g = {.can_be = false};
    run(w, l, f, &g);
    if (!g.can_be)
        return;
    if (source)
        printf("        [BY_%s] = {\"%s\", \"%s\", \"%s\", \"%s\", %u, \"%s\"},\n", fates[f].id, g.saw[0], g.saw[1],
               g.saw[2], g.events, g.ports, g.then);
    else
        printf("| %s | %s | %s | %s | %s | %u | %s |\n", fates[f].text, or_dash(g.saw[0]), or_dash(g.saw[1]),
               or_dash(g.saw[2]), g.events, g.ports, g.then);
}

static void print_table(bool source)
{
    for (unsigned w = 0; w < WAYS; w++) {
        for (unsigned l = 0; l < LEAVERS; l++) {
            if (source)
                printf("    [WAY_%s][OF_%s] = {\n", way_ids[w], leaver_ids[l]);
            else
                printf("\n### %s; %s\n\n| | who leaves sees | who stays sees | the target sees | events | ports | then "
                       "talk "
                       "|\n| --- | --- | --- | --- | --- | --- | --- |\n",
                       way_texts[w], leaver_texts[l]);
            for (unsigned f = 0; f < FATES; f++)
                print_cell((enum way)w, (enum leaver)l, (enum fate)f, source);
            if (source)
                printf("    },\n");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_cell_is_as_it_is_told)};
    const char *print = getenv("MATRIX");
    if (print == NULL)
        return cmocka_run_group_tests(tests, NULL, NULL);
    print_table(strcmp(print, "want") == 0);
    return 0;
}
