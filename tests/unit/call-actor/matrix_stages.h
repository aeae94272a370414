/*
 * matrix_stages: the stages of a call, and how one gets there. For test_call_matrix.c.
 */
#ifndef TESTS_UNIT_CALL_ACTOR_MATRIX_STAGES_H
#define TESTS_UNIT_CALL_ACTOR_MATRIX_STAGES_H

#include "tests/unit/call-actor/matrix_kit.h"

static void tell_step(struct matrix_cell *m, const char *step)
{
    Plane__JobStep told = PLANE__JOB_STEP__INIT;
    told.id = kit_open_job(&m->k, PLANE__RUN_JOB__KIND__SETUP)->id;
    told.step = (char *)(uintptr_t)step;
    told.outcome = (char *)(uintptr_t) "started";
    struct call_input in = {.type = CALL_IN_JOB_STEP, .step = &told};
    kit_step(&m->k, &in);
}

static void to_user_lookup(struct matrix_cell *m)
{
    kit_invite(&m->k);
}

static void to_dialplan(struct matrix_cell *m)
{
    kit_invite(&m->k);
    tell_step(m, "dialplan");
}

static void to_media(struct matrix_cell *m)
{
    kit_invite(&m->k);
    tell_step(m, "media");
}

static void to_answered(struct matrix_cell *m)
{
    kit_invite(&m->k);
    matrix_setup_ok(m);
}

static void to_established(struct matrix_cell *m)
{
    to_answered(m);
    kit_ack(&m->k, 10);
}

static void reinvite(struct matrix_cell *m)
{
    KIT_REQUEST(&m->k, .method = "INVITE", .cseq = 11, .branch = "z9hG4bKre", .in_dialog = true, .body = KIT_HOLD);
}

static void to_reinvite(struct matrix_cell *m)
{
    to_established(m);
    reinvite(m);
}

static void to_closing(struct matrix_cell *m)
{
    to_answered(m);
    kit_terminate(&m->k, "sigctl");
}

static void to_ending(struct matrix_cell *m)
{
    to_established(m);
    kit_terminate(&m->k, "sigctl");
}

static void to_ended(struct matrix_cell *m)
{
    to_established(m);
    kit_bye(&m->k, 11);
}

static void to_locating_first(struct matrix_cell *m)
{
    KIT_REQUEST(&m->k, .method = "INVITE", .cseq = 10, .branch = "z9hG4bKinvite", .uri = "sip:bob@203.0.113.5",
                .body = KIT_OFFER);
}

static void to_locating(struct matrix_cell *m)
{
    bridge_asked(&m->k);
}

static void to_calling(struct matrix_cell *m)
{
    bridge_ring_bob(&m->k);
}

static void to_ringing(struct matrix_cell *m)
{
    bridge_ring_bob(&m->k);
    BRIDGE_SAYS(&m->k, 1, .status = 180);
}

static void to_ringing_two(struct matrix_cell *m)
{
    static const struct bridge_target two[] = {
        {.uri = "sip:bob@198.51.100.20:5062", .q = 1000, .addr = "198.51.100.20"},
        {.uri = "sip:bob@198.51.100.21:5062", .q = 1000, .addr = "198.51.100.21"}};
    bridge_asked(&m->k);
    bridge_rings(&m->k, two, 2);
    BRIDGE_SAYS(&m->k, 1, .status = 180);
    BRIDGE_SAYS(&m->k, 2, .status = 180);
}

static void to_cancelled(struct matrix_cell *m)
{
    to_ringing(m);
    kit_cancel(&m->k);
}

static void to_answering(struct matrix_cell *m)
{
    KIT_REQUEST(&m->k, .method = "INVITE", .cseq = 10, .branch = "z9hG4bKinvite", .body = KIT_OFFER, .more = REQUIRES);
    matrix_setup_ok(m);
}

static void to_prack_owed(struct matrix_cell *m)
{
    ring(&m->k, BRIDGE_CALLER_OFFER, REQUIRES);
    BRIDGE_SAYS(&m->k, 1, .status = 180);
}

static void to_bridged_answering(struct matrix_cell *m)
{
    to_prack_owed(m);
    BRIDGE_SAYS(&m->k, 1, .status = 200, .body = BRIDGE_OFFER);
}

static void to_bridged_answered(struct matrix_cell *m)
{
    bridge_answered(&m->k);
}

static void to_talking(struct matrix_cell *m)
{
    bridge_up(&m->k);
}

static void to_relaying(struct matrix_cell *m)
{
    bridge_up(&m->k);
    reinvite(m);
}

static void to_bridged_closing(struct matrix_cell *m)
{
    bridge_answered(&m->k);
    bridge_asks(&m->k, 1, "BYE", 1, "", NULL);
}

static void to_bridged_ending(struct matrix_cell *m)
{
    bridge_up(&m->k);
    bridge_asks(&m->k, 1, "BYE", 1, "", NULL);
}

#define STAGE_LIST(X)                                                                                                  \
    X(USER_LOOKUP, "user_lookup", to_user_lookup)                                                                      \
    X(DIALPLAN, "dialplan", to_dialplan)                                                                               \
    X(MEDIA, "media", to_media)                                                                                        \
    X(ANSWERING, "answering: our 180 waits for its PRACK", to_answering)                                               \
    X(ANSWERED, "answered by us, before the ACK", to_answered)                                                         \
    X(ESTABLISHED, "established with us", to_established)                                                              \
    X(REINVITE, "re-INVITE to us, before its ACK", to_reinvite)                                                        \
    X(CLOSING, "closing: hung up before the ACK", to_closing)                                                          \
    X(ENDING, "ending: our BYE is out", to_ending)                                                                     \
    X(ENDED, "ended by the caller's BYE", to_ended)                                                                    \
    X(LOCATING_FIRST, "locating a user who was called by name", to_locating_first)                                     \
    X(LOCATING, "locating whom the plan names", to_locating)                                                           \
    X(CALLING, "callee called, nothing heard", to_calling)                                                             \
    X(RINGING, "one callee rings", to_ringing)                                                                         \
    X(RINGING_TWO, "two callees ring", to_ringing_two)                                                                 \
    X(CANCELLED, "cancelled while it rang, the callee has not said 487", to_cancelled)                                 \
    X(PRACK_OWED, "one callee rings, the caller owes a PRACK", to_prack_owed)                                          \
    X(BRIDGED_ANSWERING, "callee answered, the 200 waits for a PRACK", to_bridged_answering)                           \
    X(BRIDGED, "callee answered, before the ACK", to_bridged_answered)                                                 \
    X(TALKING, "caller and callee talk", to_talking)                                                                   \
    X(RELAYING, "re-INVITE passed on", to_relaying)                                                                    \
    X(BRIDGED_CLOSING, "callee hung up before the ACK", to_bridged_closing)                                            \
    X(BRIDGED_ENDING, "callee hung up: our BYE is out", to_bridged_ending)

enum stage {
#define STAGE_ENUM(name, text, reach) ST_##name,
    STAGE_LIST(STAGE_ENUM)
#undef STAGE_ENUM
        STAGES
};

static const struct {
    const char *id;
    const char *text;
    void (*reach)(struct matrix_cell *m);
} stages[STAGES] = {
#define STAGE_ROW(name, text, reach) [ST_##name] = {#name, text, reach},
    STAGE_LIST(STAGE_ROW)
#undef STAGE_ROW
};

#endif
