#include "tests/chaos/caller.h"

#include "tests/bench/load.h"
#include "tests/chaos/party.h"
#include <stdlib.h>
#include <string.h>

#define AWAITED_MAX_US 120000000 /* what the platform is to do: the broker may be away for a while */
#define CROSSED_MIN_US 2100000
#define CROSSED_MAX_US 4000000
#define KINDS 128
#define PEER_MAX 64

enum outcome { OPEN = 0, WENT_WELL, CANCELLED, FAILED, OUTCOMES };
static const char *const outcome_names[OUTCOMES] = {"open", "well", "cancelled", "failed"};

struct caller {
    struct party_dialog dialog;
    struct party_ask ask;
    struct party_ask cancel;
    struct party_ask refresh;    /* where we are now */
    struct link *own;            /* a connection of its own; NULL: it has none */
    struct party_answer *answer; /* to the re-INVITE of a transfer; NULL: there was none */
    const char *step;            /* what it does next: a letter each, see on_step() */
    char kind;
    enum outcome outcome;
    unsigned cseq;
    unsigned acked; /* CSeq of the 2xx that we acknowledged, until something behind it is answered; 0: none */
    bool is_over;
    bool changes_mind;
    bool was_answered;
    bool was_crossed;
    char awaits; /* B: a BYE, T: to be transferred; 0: nothing */
    int64_t next_us;
    int64_t began_ms, ended_ms; /* wall clock */
    char rung[PEER_MAX];        /* Call-ID under which the callee was rung */
};

static const char *const steps_of[KINDS] = {
    ['a'] = "B", ['h'] = "HRIOB", ['c'] = "B", ['p'] = "P", ['b'] = "B", ['r'] = "HRIOB", ['e'] = "E", ['t'] = "TB"};

static const struct caller_plan *plan;
static struct caller *callers;
static unsigned long begun, first_open, over_cnt;
static unsigned long outcomes[KINDS][OUTCOMES];
static struct load_latency answered, first_word;
static unsigned long told_late; /* calls whose BYE could not reach them while they had no connection */
static unsigned long crossed;   /* INVITEs that overtook an ACK that was lost */
static void on_message(struct link *l, struct span m, int64_t now);
static void on_open(struct link *l, bool again, int64_t now);
static struct link_side side = {.on_message = on_message, .on_open = on_open};

/* --- the books --- */

static unsigned long number_of(const struct caller *c)
{
    return (unsigned long)(c - callers);
}

static void fail(struct caller *c, const char *what, unsigned status)
{
    (void)fprintf(stderr, "%lld %s %s %u\n", (long long)party_wall_ms(), c->dialog.id, what, status);
    c->outcome = FAILED;
}

void caller_fail(unsigned long number, const char *what, unsigned status)
{
    if (number < begun)
        fail(&callers[number], what, status);
}

static void end(struct caller *c, enum outcome outcome)
{
    if (c->is_over)
        return;
    if (c->outcome == OPEN)
        c->outcome = outcome;
    c->is_over = true;
    c->ended_ms = party_wall_ms();
    c->ask.open = c->cancel.open = c->refresh.open = false;
    c->awaits = '\0';
    over_cnt++;
    link_finish(c->own);
    c->dialog.link = side.main[link_transport(c->dialog.link)];
}

bool caller_is_rung(unsigned long number, struct span call_id)
{
    if (number >= begun)
        return true;
    struct caller *c = &callers[number];
    if (c->rung[0] != '\0')
        return span_eq(span_cstr(c->rung), call_id);
    (void)span_copy(c->rung, sizeof(c->rung),
                    call_id.len < sizeof(c->rung) ? call_id : span_of(call_id.p, PEER_MAX - 1));
    return true;
}

bool caller_wants_bye(unsigned long number)
{
    return number < begun && callers[number].kind == 'e' && callers[number].awaits == 'B';
}

/* --- what he does --- */

static void ask(struct caller *c, const char *method, enum party_body body, int64_t now)
{
    c->next_us = 0;
    party_ask(&c->ask, &c->dialog, method, ++c->cseq, body, now);
}

static void await(struct caller *c, char what, int64_t now)
{
    c->awaits = what;
    c->next_us = now + AWAITED_MAX_US;
}

static void on_step(struct caller *c, int64_t now)
{
    switch (*c->step) {
    case 'H':
        ask(c, "INVITE", PARTY_HOLD, now);
        break;
    case 'R':
        ask(c, "INVITE", PARTY_OFFER, now);
        break;
    case 'I':
        ask(c, "INFO", PARTY_KEY, now);
        break;
    case 'O':
        ask(c, "OPTIONS", PARTY_NO_BODY, now);
        break;
    case 'P': /* who ends it saw call.answered */
    case 'E':
        await(c, 'B', now);
        break;
    case 'T':
        await(c, 'T', now);
        break;
    default:
        ask(c, "BYE", PARTY_NO_BODY, now);
        break;
    }
}

static void pause_before_step(struct caller *c, int64_t now)
{
    unsigned long share = plan->hold_ms * 1000 / strlen(steps_of[(int)c->kind]) + 1;
    c->next_us = now + (int64_t)(share / 2 + party_roll(share));
}

static void next_step(struct caller *c, int64_t now)
{
    c->awaits = '\0';
    if (*c->step == '\0' || *++c->step == '\0')
        end(c, WENT_WELL);
    else
        pause_before_step(c, now);
}

static char one_of(const char *letters)
{
    size_t cnt = strlen(letters);
    return letters[cnt > 1 ? party_roll(cnt) : 0];
}

static bool is_bridged(const struct caller *c)
{
    return strchr("bre", c->kind) != NULL || (c->kind == 'c' && c->dialog.number % 2 == 0);
}

/* The number of the platform, or one that leads to the callee, over whichever transport. */
static const char *number_for(const struct caller *c)
{
    const char *to[LINK_TRANSPORTS];
    unsigned cnt = 0;
    for (enum link_transport t = LINK_UDP; is_bridged(c) && t < LINK_TRANSPORTS; t++) {
        if (plan->bridged[t] != NULL)
            to[cnt++] = plan->bridged[t];
    }
    return cnt == 0 ? plan->answered : to[cnt > 1 ? party_roll(cnt) : 0];
}

/* returns the way to the service by this letter of CALLER_WAYS */
static struct link *link_by(struct caller *c, char way)
{
    enum link_transport t = way == 'u' ? LINK_UDP : way == 't' || way == 'T' ? LINK_TCP : LINK_TLS;
    if (way == 'T' || way == 'S')
        return c->own = link_new(&side, t);
    return side.main[t];
}

void caller_dial(int64_t now)
{
    if (begun == plan->count)
        return;
    unsigned long n = begun++;
    struct caller *c = &callers[n];
    struct party_dialog *d = &c->dialog;
    d->number = n;
    c->kind = one_of(plan->mix);
    c->step = steps_of[(int)c->kind];
    c->began_ms = party_wall_ms();
    char way = one_of(plan->ways);
    d->link = link_by(c, way);
    const char *to = number_for(c);
    enum link_transport t = link_transport(d->link);
    (void)snprintf(d->id, sizeof(d->id), "%c-%lu-%lu-%c@chaos", c->kind, plan->seed, n, way);
    (void)snprintf(d->from, sizeof(d->from), "<sip:05321112233@127.0.0.1>;tag=f%lu", n);
    (void)snprintf(d->to, sizeof(d->to), "<sip:%s@127.0.0.1>", to);
    (void)snprintf(d->target, sizeof(d->target), "sip:%s@127.0.0.1:%u%s", to, plan->port[t], link_param(d->link));
    ask(c, "INVITE", PARTY_OFFER, now);
    if (c->kind == 'c')
        c->next_us = now + (int64_t)party_roll(plan->within_ms * 1000 + 1);
}

/* --- what he hears --- */

static void on_answered(struct caller *c, struct span m, int64_t now)
{
    bool is_first = c->cseq == 1;
    if (is_first && (!party_contact(m, c->dialog.target) ||
                     !span_copy(c->dialog.to, sizeof(c->dialog.to), load_header(m, "To: ")))) {
        fail(c, "answer-without-contact", 200);
        end(c, FAILED);
        return;
    }
    party_ack_2xx(&c->dialog, c->ask.cseq);
    c->acked = c->ask.cseq;
    c->was_answered = true;
    if (is_first) {
        load_latency_add(&answered, now - c->ask.began_us);
        if (*c->step == 'P' || *c->step == 'T') /* the platform need not wait for us */
            on_step(c, now);
        else
            pause_before_step(c, now);
    } else {
        next_step(c, now);
    }
}

/* Our ACK died with an edge, and our next INVITE came before we could say it again (RFC 5407 §3.1.5): once more, after
 * the time that RFC 3261 §14.1 gives the owner of the Call-ID. */
static bool asks_again_later(struct caller *c, unsigned status, int64_t now)
{
    if (status != 491 || c->cseq == 1 || c->was_crossed)
        return false;
    c->was_crossed = true;
    crossed++;
    c->next_us = now + CROSSED_MIN_US + (int64_t)party_roll(CROSSED_MAX_US - CROSSED_MIN_US);
    return true;
}

/* Refused: the first INVITE's refusal ends the call, as does what says that the dialog is gone. */
static void on_refused(struct caller *c, unsigned status, int64_t now)
{
    bool is_invite = strcmp(c->ask.method, "INVITE") == 0;
    if (is_invite)
        party_ack_refusal(&c->dialog, c->ask.cseq);
    if (c->cseq == 1 && c->changes_mind && status == 487) {
        c->outcome = CANCELLED;
        if (!c->cancel.open)
            end(c, CANCELLED);
        return;
    }
    if (asks_again_later(c, status, now))
        return;
    fail(c, c->cseq == 1 ? "call-refused" : c->ask.method, status);
    if (c->cseq == 1 || status == 481 || status == 408 || *c->step == 'B')
        end(c, FAILED);
    else
        next_step(c, now);
}

static void on_refreshed(struct caller *c, unsigned status, int64_t now)
{
    if (status < 200)
        return;
    party_ask_ends(&c->refresh);
    if (status == 481 && c->awaits == 'B') {
        told_late++;
        next_step(c, now);
    } else if (status >= 300) {
        fail(c, "UPDATE", status);
    }
}

static void on_response(struct caller *c, struct span m, unsigned status, int64_t now)
{
    struct span method;
    unsigned cseq = party_cseq(m, &method);
    bool is_invite = span_eq(method, SPAN("INVITE"));
    if (span_eq(method, SPAN("CANCEL"))) {
        if (!c->cancel.open || status < 200)
            return;
        party_ask_ends(&c->cancel);
        if (status != 200)
            fail(c, "CANCEL", status);
        if (c->outcome == CANCELLED)
            end(c, CANCELLED);
    } else if (c->refresh.open && cseq == c->refresh.cseq) {
        on_refreshed(c, status, now);
    } else if (!c->ask.open || cseq != c->ask.cseq) { /* repeated: our ACK was lost */
        if (is_invite && status >= 200 && status < 300)
            party_ack_2xx(&c->dialog, cseq);
        else if (is_invite && status >= 300)
            party_ack_refusal(&c->dialog, cseq);
    } else if (status < 200) {
        if (!c->ask.proceeding)
            load_latency_add(&first_word, now - c->ask.began_us);
        party_ask_proceeds(&c->ask, is_bridged(c), now);
    } else {
        party_ask_ends(&c->ask);
        c->acked = 0;
        if (status >= 300)
            on_refused(c, status, now);
        else if (is_invite)
            on_answered(c, m, now);
        else
            next_step(c, now);
    }
}

static void on_bye(struct caller *c, struct link *l, struct span m, int64_t now)
{
    party_reply(l, m, "200 OK", "late");
    if (c->is_over)
        return;
    if (c->awaits == 'B') {
        next_step(c, now);
    } else {
        fail(c, "BYE-came", 0);
        end(c, FAILED);
    }
}

static void on_reinvite(struct caller *c, struct link *l, struct span m, int64_t now)
{
    if (c->answer == NULL)
        c->answer = calloc(1, sizeof(*c->answer));
    if (c->answer == NULL)
        load_stop("memory");
    party_accept(c->answer, l, m, "late", number_of(c), now);
}

static void on_request(struct caller *c, struct link *l, struct span m, int64_t now)
{
    if (span_starts(m, SPAN("ACK "))) {
        if (c->answer != NULL && party_acked(c->answer, m) && c->awaits == 'T')
            next_step(c, now);
    } else if (span_starts(m, SPAN("BYE "))) {
        on_bye(c, l, m, now);
    } else if (span_starts(m, SPAN("INVITE "))) {
        on_reinvite(c, l, m, now);
    } else {
        party_reply(l, m, "200 OK", "late");
    }
}

static struct caller *caller_of(struct span m)
{
    char *rest;
    struct span id = load_header(m, "Call-ID: ");
    if (id.len < 3 || strtoul(id.p + 2, &rest, 10) != plan->seed || *rest != '-')
        return NULL;
    unsigned long n = strtoul(rest + 1, NULL, 10);
    return n < begun ? &callers[n] : NULL;
}

static void on_message(struct link *l, struct span m, int64_t now)
{
    struct caller *c = caller_of(m);
    unsigned status = party_status(m);
    if (c == NULL)
        return;
    if (status != 0)
        on_response(c, m, status, now);
    else
        on_request(c, l, m, now);
}

/* --- a connection that comes back --- */

/* An INVITE that has had a provisional response has its final one from the service's side, if that can connect. */
static bool waits_for_them(const struct caller *c)
{
    return link_is_reachable(c->dialog.link) && c->ask.proceeding && strcmp(c->ask.method, "INVITE") == 0;
}

static void on_open(struct link *l, bool again, int64_t now)
{
    for (unsigned long i = first_open; i < begun; i++) {
        struct caller *c = &callers[i];
        if (c->is_over || c->dialog.link != l)
            continue;
        if (again && c->acked != 0) /* nobody knows whether it was read */
            party_ack_2xx(&c->dialog, c->acked);
        if (!waits_for_them(c))
            party_ask_again(&c->ask, &c->dialog);
        party_ask_again(&c->cancel, &c->dialog);
        party_ask_again(&c->refresh, &c->dialog);
        if (again && !link_is_reachable(l) && c->was_answered && !c->ask.open && !c->refresh.open)
            party_ask(&c->refresh, &c->dialog, "UPDATE", ++c->cseq, PARTY_NO_BODY, now);
    }
}

/* --- time --- */

static void change_mind(struct caller *c, int64_t now)
{
    c->next_us = 0;
    c->changes_mind = true;
    party_ask(&c->cancel, &c->dialog, "CANCEL", 1, PARTY_NO_BODY, now);
}

static void on_due(struct caller *c, int64_t now)
{
    if (c->awaits != '\0') {
        fail(c, c->awaits == 'B' ? "no-BYE-came" : "not-transferred", 0);
        c->awaits = '\0';
        ask(c, "BYE", PARTY_NO_BODY, now);
        c->step = "B";
    } else if (!c->ask.open) {
        on_step(c, now);
    } else if (c->kind == 'c' && c->cseq == 1 && c->ask.proceeding && !c->changes_mind) {
        change_mind(c, now); /* not before a provisional response: RFC 3261 §9.1 */
    }
}

static void look_at(struct caller *c, int64_t now)
{
    if (!party_ask_on_time(&c->ask, &c->dialog, now)) {
        fail(c, c->cseq == 1 ? "nothing-came" : c->ask.method, 408);
        end(c, FAILED);
        return;
    }
    if (!party_ask_on_time(&c->cancel, &c->dialog, now)) {
        bool was_all = c->outcome == CANCELLED; /* the INVITE has had its 487 */
        fail(c, "CANCEL", 408);
        if (was_all)
            end(c, FAILED);
    }
    if (!party_ask_on_time(&c->refresh, &c->dialog, now))
        fail(c, "UPDATE", 408);
    if (c->answer != NULL && !party_answer_on_time(c->answer, now))
        fail(c, "no-ACK", 0);
    if (c->next_us != 0 && now >= c->next_us)
        on_due(c, now);
}

void caller_on_time(int64_t now)
{
    while (first_open < begun && callers[first_open].is_over)
        first_open++;
    for (unsigned long i = first_open; i < begun; i++) {
        if (!callers[i].is_over)
            look_at(&callers[i], now);
    }
}

/* --- the whole --- */

static bool goes_by(const char *ways)
{
    return plan->ways[strcspn(plan->ways, ways)] != '\0';
}

void caller_begin(const struct caller_plan *p)
{
    plan = p;
    callers = calloc(plan->count, sizeof(*callers));
    if (callers == NULL)
        load_stop("memory");
    (void)memcpy(side.service, plan->port, sizeof(side.service));
    static const char *const ways[LINK_TRANSPORTS] = {"u", "tT", "sS"};
    if (goes_by(ways[LINK_TCP]))
        link_listen(&side, LINK_TCP, false);
    if (goes_by(ways[LINK_TLS]))
        link_listen(&side, LINK_TLS, true);
    for (enum link_transport t = LINK_UDP; t < LINK_TRANSPORTS; t++) {
        if (goes_by(ways[t]))
            side.main[t] = link_new(&side, t);
    }
}

unsigned long caller_open_cnt(void)
{
    return begun - over_cnt;
}

unsigned long caller_begun_cnt(void)
{
    return begun;
}

unsigned long caller_failed_cnt(void)
{
    unsigned long failed = 0;
    for (int k = 0; k < KINDS; k++)
        failed += outcomes[k][FAILED] + outcomes[k][OPEN];
    return failed;
}

void caller_print(void)
{
    const char *comma = "";
    for (unsigned long i = 0; i < begun; i++)
        outcomes[(int)callers[i].kind][callers[i].outcome]++;
    printf("\"calls\":%lu,\"kinds\":{", begun);
    for (int k = 0; k < KINDS; k++) {
        if (steps_of[k] == NULL)
            continue;
        printf("%s\"%c\":{\"well\":%lu,\"cancelled\":%lu,\"failed\":%lu}", comma, k, outcomes[k][WENT_WELL],
               outcomes[k][CANCELLED], outcomes[k][FAILED] + outcomes[k][OPEN]);
        comma = ",";
    }
    printf("},\"told_late\":%lu,\"crossed\":%lu,\"answer_p50_ms\":%.1f,\"answer_p99_ms\":%.1f,\"first_word_p50_ms\":%."
           "1f,\"first_word_"
           "p99_ms\":%.1f,",
           told_late, crossed, load_latency_ms(&answered, 0.5), load_latency_ms(&answered, 0.99),
           load_latency_ms(&first_word, 0.5), load_latency_ms(&first_word, 0.99));
}

void caller_write(FILE *out)
{
    for (unsigned long i = 0; i < begun; i++) {
        const struct caller *c = &callers[i];
        (void)fprintf(out, "%s %c %s %lld %lld\n", c->dialog.id, c->kind, outcome_names[c->outcome],
                      (long long)c->began_ms, (long long)c->ended_ms);
    }
}

void caller_end(void)
{
    for (unsigned long i = 0; i < begun; i++)
        free(callers[i].answer);
    free(callers);
}
