/* Bridged calls until somebody answers or nobody does: RFC 3261 §9, §13.2, §16.7. */
#include "tests/unit/call-actor/bridge_kit.h"

#include "call-actor/ring.h"

static void assert_ended(struct kit *k, unsigned status, const char *reason, const char *by)
{
    struct call_effect *reply = bridge_reply(k, 0, status);
    assert_non_null(reply);
    kit_assert_has(reply, "CSeq: 10 INVITE\r\n");
    kit_assert_state(k, CALL_ST_ENDED);
    assert_non_null(kit_event(k, "call.ended"));
    assert_string_equal(k->c->row->end_reason, reason);
    assert_string_equal(k->c->row->ended_by, by);
    assert_int_equal(k->c->row->end_status, status);
    assert_string_equal(k->c->row->end_stage, "ringing");
}

static void a_plan_to_bridge_looks_up_and_rings(void **s)
{
    struct kit *k = *s;
    bridge_asked(k);
    kit_assert_state(k, CALL_ST_SETUP);
    assert_string_equal(bridge_who(k), "bob");
    assert_non_null(kit_effect(k, CALL_EFF_LOCATE, 0));
    assert_null(kit_job(k, PLANE__RUN_JOB__KIND__RELEASE_PORT));
    bridge_rings(k, &bridge_bob, 1);
    kit_assert_state(k, CALL_ST_RINGING);
    bridge_assert_leg(k, 1, OUT_LEG_CALLING);
    kit_assert_has(kit_event(k, "call.started"), "BRIDGE_CALL");
    struct call_effect *invite = bridge_request(k, 1, "INVITE");
    kit_assert_has(invite, "INVITE sip:bob@198.51.100.20:5062 SIP/2.0\r\nMax-Forwards: 68\r\n");
    kit_assert_has(invite, "\r\nTo: <sip:902121234567@203.0.113.5>\r\n");
    kit_assert_has(invite, "\r\nMax-Breadth: 60\r\n");
    kit_assert_has(invite, "\r\nContact: <sip:sentiric@203.0.113.5:5060>\r\n");
    kit_assert_has(invite, "\r\nContent-Type: application/sdp\r\n");
    kit_assert_has(invite, BRIDGE_CALLER_OFFER);
    kit_assert_hasnt(invite, "kit-call@192.0.2.1");
    kit_assert_hasnt(invite, "ft1");
    assert_string_equal(invite->peer.addr, "198.51.100.20");
    assert_non_null(kit_arm(k, CALL_TMR_NO_ANSWER));
}

static void a_callee_of_the_other_family_can_reach_us(void **s)
{
    static const struct bridge_target far = {.uri = "sip:far@[2001:db8::20];transport=tcp", .q = 1000};
    struct kit *k = *s;
    k->conf.contact_addr_other = "2001:db8::5";
    bridge_asked(k);
    bridge_rings(k, &far, 1);
    kit_assert_has(bridge_request(k, 1, "INVITE"), "Contact: <sip:sentiric@[2001:db8::5]:5060;transport=tcp>\r\n");
}

static void nobody_there_is_told(void **s)
{
    static const unsigned status[] = {480, 404, 503};
    (void)s;
    for (size_t i = 0; i < 3; i++) {
        struct kit other;
        kit_init(&other);
        bridge_asked(&other);
        bridge_targets(&other, "bob", NULL, 0, status[i]);
        kit_assert_reply(&other, status[i]);
        kit_assert_state(&other, CALL_ST_ENDED);
        assert_null(kit_event(&other, "call.started"));
        assert_null(kit_event(&other, "call.ended"));
        kit_fini(&other);
    }
}

static void an_answer_to_a_question_not_asked_is_nothing(void **s)
{
    struct kit *k = *s;
    bridge_asked(k);
    bridge_targets(k, "somebody else", &bridge_bob, 1, 0);
    assert_int_equal(k->fx.count, 0);
    kit_assert_state(k, CALL_ST_SETUP);
}

static void hops_run_out(void **s)
{
    struct kit *k = *s;
    bridge_asked_with(k, BRIDGE_CALLER_OFFER, "Max-Breadth: 0\r\n");
    bridge_rings(k, &bridge_bob, 1);
    kit_assert_reply(k, 440);
}

static void provisionals_go_to_the_caller_under_the_legs_own_tag(void **s)
{
    struct kit *k = *s;
    bridge_ring_bob(k);
    char tag[128];
    (void)snprintf(tag, sizeof(tag), ";tag=%s.1\r\n", k->c->row->a->local_tag);
    BRIDGE_SAYS(k, 1, .status = 180);
    struct call_effect *ringing = kit_assert_reply(k, 180);
    kit_assert_has(ringing, tag);
    kit_assert_has(ringing, "Contact: <sip:sentiric@203.0.113.5:5060>\r\n");
    kit_assert_has(ringing, "Content-Length: 0\r\n");
    bridge_assert_leg(k, 1, OUT_LEG_RINGING);
    BRIDGE_SAYS(k, 1, .status = 183, .body = BRIDGE_EARLY);
    kit_assert_has(kit_assert_reply(k, 183), BRIDGE_EARLY);
    kit_assert_has(kit_effect(k, CALL_EFF_REPLY, 0), tag);
    (void)snprintf(tag, sizeof(tag), ";tag=%s.1.1\r\n", k->c->row->a->local_tag);
    BRIDGE_SAYS(k, 1, .status = 180, .tag = "fork");
    kit_assert_has(kit_assert_reply(k, 180), tag);
    BRIDGE_SAYS(k, 1, .status = 100, .tag = "");
    assert_int_equal(k->fx.count, 0);
}

static void a_flood_of_provisionals_is_not_passed_on(void **s)
{
    struct kit *k = *s;
    size_t passed = 0;
    char tag[16];
    bridge_ring_bob(k);
    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(tag, sizeof(tag), "t%u", i);
        BRIDGE_SAYS(k, 1, .status = 183, .tag = tag, .body = BRIDGE_EARLY);
        passed += kit_count(k, CALL_EFF_REPLY);
        if (i == 50)
            k->c->dirty = false;
    }
    assert_false(k->c->dirty); /* nor is it written down each time */
    assert_int_equal(passed, OUT_LEG_PASSED_MAX);
    assert_int_equal(bridge_leg(k, 1)->n_early, OUT_LEG_EARLY_MAX);
}

static void the_answer_is_the_callees(void **s)
{
    struct kit *k = *s;
    bridge_ring_bob(k);
    BRIDGE_SAYS(k, 1, .status = 180);
    k->now.wall_ms += 3000;
    BRIDGE_SAYS(k, 1, .status = 200, .body = BRIDGE_OFFER,
                .more = "Record-Route: <sip:p1.example;lr>\r\n"
                        "Record-Route: <sip:p2.example;lr>\r\n"
                        "Contact: <sip:bob@10.1.1.1:5064>\r\n");
    kit_assert_state(k, CALL_ST_ANSWERED);
    struct call_effect *ok = bridge_reply(k, 0, 200);
    kit_assert_has(ok, BRIDGE_OFFER);
    kit_assert_has(ok, ".1\r\n");
    struct call_effect *ack = bridge_request(k, 1, "ACK");
    kit_assert_has(ack, "ACK sip:bob@10.1.1.1:5064 SIP/2.0\r\n");
    kit_assert_has(ack, "Route: <sip:p2.example;lr>\r\nRoute: <sip:p1.example;lr>\r\n");
    kit_assert_has(ack, "To: <sip:bob@example.org>;tag=b1\r\n");
    kit_assert_has(ack, "CSeq: 1 ACK\r\n");
    assert_string_equal(ack->next_hop, "sip:p2.example;lr");
    assert_null(kit_event(k, "call.answered"));
    kit_ack(k, 10);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
    assert_non_null(kit_event(k, "call.answered"));
    assert_int_equal(k->c->row->rtp_port, 0);
    assert_null(kit_job(k, PLANE__RUN_JOB__KIND__PUNCH));
}

static void a_repeated_2xx_is_acknowledged_again(void **s)
{
    struct kit *k = *s;
    char first[4096];
    bridge_answered(k);
    struct call_effect *ack = bridge_request(k, 1, "ACK");
    assert_true(ack->raw_len < sizeof(first));
    memcpy(first, ack->raw, ack->raw_len);
    size_t len = ack->raw_len;
    kit_ack(k, 10);
    for (unsigned i = 0; i < 3; i++) {
        BRIDGE_SAYS(k, 1, .status = 200, .body = BRIDGE_OFFER);
        assert_int_equal(k->fx.count, 1);
        ack = bridge_request(k, 1, "ACK");
        assert_int_equal(ack->raw_len, len);
        assert_memory_equal(ack->raw, first, len);
    }
}

static void a_second_callee_of_one_invite_gets_ack_and_bye(void **s)
{
    struct kit *k = *s;
    bridge_up(k);
    BRIDGE_SAYS(k, 1, .status = 200, .tag = "other", .body = BRIDGE_OFFER);
    bridge_assert_leg(k, 2, OUT_LEG_ENDING);
    kit_assert_has(bridge_request(k, 2, "ACK"), "tag=other\r\n");
    kit_assert_has(bridge_request(k, 2, "BYE"), "tag=other\r\n");
    kit_assert_has(bridge_request(k, 2, "BYE"), bridge_leg(k, 1)->dialog->call_id);
    BRIDGE_SAYS(k, 1, .status = 200, .tag = "other", .body = BRIDGE_OFFER);
    assert_non_null(bridge_request(k, 2, "ACK"));
    assert_null(bridge_request(k, 2, "BYE"));
    bridge_bye_answered(k, 2);
    bridge_assert_leg(k, 2, OUT_LEG_OVER);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

static void a_flood_of_2xx_with_other_tags_is_bounded(void **s)
{
    struct kit *k = *s;
    char tag[16];
    bridge_up(k);
    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(tag, sizeof(tag), "t%u", i);
        BRIDGE_SAYS(k, 1, .status = 200, .tag = tag, .body = BRIDGE_OFFER);
    }
    assert_int_equal(k->c->row->n_out_legs, OUT_LEGS_MAX);
}

/* --- several --- */

static const struct bridge_target three[] = {
    {.uri = "sip:bob@198.51.100.20:5062", .q = 1000, .addr = "198.51.100.20"},
    {.uri = "sip:bob@198.51.100.21:5062", .q = 1000, .addr = "198.51.100.21"},
    {.uri = "sip:bob@198.51.100.22:5062", .q = 500, .addr = "198.51.100.22"},
};

static void the_first_answer_wins(void **s)
{
    struct kit *k = *s;
    bridge_asked(k);
    bridge_rings(k, three, 2);
    kit_assert_has(bridge_request(k, 1, "INVITE"), "Max-Breadth: 30\r\n");
    assert_non_null(bridge_request(k, 2, "INVITE"));
    assert_string_not_equal(bridge_leg(k, 1)->dialog->call_id, bridge_leg(k, 2)->dialog->call_id);
    BRIDGE_SAYS(k, 1, .status = 180);
    BRIDGE_SAYS(k, 2, .status = 183, .body = BRIDGE_EARLY);
    kit_assert_has(kit_effect(k, CALL_EFF_REPLY, 0), ".2\r\n");
    BRIDGE_SAYS(k, 2, .status = 200, .body = BRIDGE_OFFER);
    kit_assert_has(bridge_reply(k, 0, 200), ".2\r\n");
    kit_assert_has(bridge_cancel(k, 1), "cause=200");
    bridge_assert_leg(k, 1, OUT_LEG_CANCELLING);
    BRIDGE_SAYS(k, 1, .status = 487);
    bridge_assert_leg(k, 1, OUT_LEG_OVER);
    assert_null(kit_effect(k, CALL_EFF_REPLY, 0));
    kit_ack(k, 10);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

static void a_late_answer_gets_ack_and_bye(void **s)
{
    struct kit *k = *s;
    bridge_asked(k);
    bridge_rings(k, three, 2);
    BRIDGE_SAYS(k, 2, .status = 200, .body = BRIDGE_OFFER);
    BRIDGE_SAYS(k, 1, .status = 200, .body = BRIDGE_OFFER);
    assert_non_null(bridge_request(k, 1, "ACK"));
    assert_non_null(bridge_request(k, 1, "BYE"));
    bridge_assert_leg(k, 1, OUT_LEG_ENDING);
    assert_null(kit_effect(k, CALL_EFF_REPLY, 0));
    bridge_bye_answered(k, 1);
    bridge_assert_leg(k, 1, OUT_LEG_OVER);
}

/* What came with it would not fit into our own 200, beside the route set the caller asks for. */
static void an_answer_too_large_to_pass_on_is_none(void **s)
{
    struct kit *k = *s;
    char *body = test_malloc(SDP_BYTES_MAX + 2);
    memset(body, 'a', SDP_BYTES_MAX + 1);
    body[SDP_BYTES_MAX + 1] = '\0';
    bridge_ring_bob(k);
    BRIDGE_SAYS(k, 1, .status = 183, .body = body);
    kit_assert_has(kit_assert_reply(k, 183), "Content-Length: 0\r\n");
    BRIDGE_SAYS(k, 1, .status = 200, .body = body);
    assert_non_null(bridge_request(k, 1, "ACK"));
    assert_non_null(bridge_request(k, 1, "BYE"));
    assert_ended(k, 502, "failure", "callee");
    test_free(body);
}

/* §12.1.2: so do peers of RFC 2543. */
static void an_answer_without_a_tag_is_one(void **s)
{
    struct kit *k = *s;
    bridge_ring_bob(k);
    BRIDGE_SAYS(k, 1, .status = 180, .tag = "");
    BRIDGE_SAYS(k, 1, .status = 200, .tag = "", .body = BRIDGE_OFFER);
    kit_assert_has(bridge_reply(k, 0, 200), ".1\r\n");
    kit_assert_has(bridge_request(k, 1, "ACK"), "To: <sip:bob@example.org>\r\n");
    bridge_assert_leg(k, 1, OUT_LEG_UP);
    BRIDGE_SAYS(k, 1, .status = 200, .tag = "", .body = BRIDGE_OFFER);
    assert_non_null(bridge_request(k, 1, "ACK"));
    assert_int_equal(k->c->row->n_out_legs, 1);
    kit_ack(k, 10);
    kit_bye(k, 11);
    kit_assert_has(bridge_request(k, 1, "BYE"), "To: <sip:bob@example.org>\r\n");
}

static void lower_q_rings_when_all_of_the_higher_refused(void **s)
{
    struct kit *k = *s;
    bridge_asked(k);
    bridge_rings(k, three, 3);
    assert_int_equal(k->c->row->n_out_legs, 2);
    BRIDGE_SAYS(k, 1, .status = 486);
    assert_null(kit_effect(k, CALL_EFF_REPLY, 0));
    assert_int_equal(k->c->row->n_out_legs, 2);
    BRIDGE_SAYS(k, 2, .status = 480);
    assert_non_null(bridge_request(k, 3, "INVITE"));
    BRIDGE_SAYS(k, 3, .status = 404);
    assert_ended(k, 486, "busy", "callee");
}

static void a_6xx_refuses_for_all(void **s)
{
    struct kit *k = *s;
    bridge_asked(k);
    bridge_rings(k, three, 3);
    BRIDGE_SAYS(k, 1, .status = 603);
    assert_ended(k, 603, "busy", "callee");
    assert_non_null(bridge_cancel(k, 2));
    assert_int_equal(k->c->row->n_targets, 0);
    kit_timer(k, CALL_TMR_LINGER);
    assert_false(k->forgotten); /* the second leg has not ended */
    BRIDGE_SAYS(k, 2, .status = 487);
    assert_true(k->forgotten);
}

static void more_targets_than_a_call_rings_are_left_out(void **s)
{
    struct kit *k = *s;
    struct bridge_target many[20];
    char uri[20][32];
    for (unsigned i = 0; i < 20; i++) {
        (void)snprintf(uri[i], sizeof(uri[i]), "sip:b%u@198.51.100.20", i);
        many[i] = (struct bridge_target){.uri = uri[i], .q = 1000};
    }
    bridge_asked(k);
    bridge_rings(k, many, 20);
    assert_int_equal(k->c->row->n_out_legs, 16);
}

/* --- refusals --- */

static void finals_are_mapped(void **s)
{
    static const struct {
        unsigned says, told;
        const char *reason;
    } map[] = {{486, 486, "busy"},      {600, 600, "busy"},      {603, 603, "busy"},    {480, 480, "no_answer"},
               {408, 480, "no_answer"}, {404, 404, "failure"},   {401, 500, "failure"}, {407, 500, "failure"},
               {503, 500, "failure"},   {500, 500, "failure"},   {488, 488, "failure"}, {415, 488, "failure"},
               {302, 480, "no_answer"}, {487, 480, "no_answer"}, {484, 484, "failure"}, {604, 604, "failure"}};
    (void)s;
    for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++) {
        struct kit other;
        kit_init(&other);
        bridge_ring_bob(&other);
        BRIDGE_SAYS(&other, 1, .status = map[i].says, .more = "");
        assert_ended(&other, map[i].told, map[i].reason, "callee");
        kit_fini(&other);
    }
}

static void a_callee_that_is_gone_is_480(void **s)
{
    struct kit *k = *s;
    bridge_ring_bob(k);
    bridge_fails(k, row_span(bridge_leg(k, 1)->invite->branch), false);
    assert_ended(k, 480, "no_answer", "callee");
}

static void ringing_long_enough_is_480(void **s)
{
    struct kit *k = *s;
    bridge_ring_bob(k);
    BRIDGE_SAYS(k, 1, .status = 180);
    kit_timer(k, CALL_TMR_NO_ANSWER);
    assert_int_equal(k->now.wall_ms, KIT_WALL + 60000);
    assert_ended(k, 480, "no_answer", "timer");
    assert_non_null(bridge_cancel(k, 1));
}

/* --- the caller --- */

static void a_cancel_goes_on_with_its_reason(void **s)
{
    struct kit *k = *s;
    bridge_ring_bob(k);
    BRIDGE_SAYS(k, 1, .status = 180);
    KIT_REQUEST(k, .method = "CANCEL", .cseq = 10, .branch = "z9hG4bKinvite",
                .more = "Reason: Q.850;cause=31;text=\"x\"\r\n");
    assert_ended(k, 487, "cancelled", "caller");
    assert_int_equal(k->c->row->end_q850, 31);
    assert_non_null(bridge_reply(k, 0, 200));
    kit_assert_has(bridge_cancel(k, 1), "Q.850;cause=31;text=\"x\"");
    BRIDGE_SAYS(k, 1, .status = 487);
    bridge_assert_leg(k, 1, OUT_LEG_OVER);
    assert_null(kit_effect(k, CALL_EFF_REPLY, 0));
    kit_timer(k, CALL_TMR_LINGER);
    assert_true(k->forgotten);
}

static void an_answer_that_crosses_the_cancel_is_ended(void **s)
{
    struct kit *k = *s;
    bridge_ring_bob(k);
    kit_cancel(k);
    BRIDGE_SAYS(k, 1, .status = 200, .body = BRIDGE_OFFER);
    assert_non_null(bridge_request(k, 1, "ACK"));
    assert_non_null(bridge_request(k, 1, "BYE"));
    assert_null(kit_effect(k, CALL_EFF_REPLY, 0));
    kit_timer(k, CALL_TMR_LINGER);
    assert_false(k->forgotten);
    bridge_bye_answered(k, 1);
    assert_true(k->forgotten);
}

static void a_bye_in_an_early_dialog_is_as_a_cancel(void **s)
{
    struct kit *k = *s;
    char to[160];
    bridge_ring_bob(k);
    BRIDGE_SAYS(k, 1, .status = 180);
    (void)snprintf(to, sizeof(to), "<sip:902121234567@203.0.113.5>;tag=%s.1", k->c->row->a->local_tag);
    KIT_REQUEST(k, .method = "BYE", .cseq = 11, .to = to);
    assert_ended(k, 487, "cancelled", "caller");
    assert_non_null(bridge_cancel(k, 1));
}

static void a_second_invite_while_it_rings_gets_500(void **s)
{
    struct kit *k = *s;
    char to[160];
    bridge_ring_bob(k);
    BRIDGE_SAYS(k, 1, .status = 180);
    (void)snprintf(to, sizeof(to), "<sip:902121234567@203.0.113.5>;tag=%s.1", k->c->row->a->local_tag);
    KIT_REQUEST(k, .method = "INVITE", .cseq = 11, .in_dialog = true, .to = to, .body = BRIDGE_CALLER_OFFER);
    kit_assert_has(kit_assert_reply(k, 500), "Retry-After: ");
    kit_assert_state(k, CALL_ST_RINGING);
    KIT_REQUEST(k, .method = "OPTIONS", .cseq = 12, .to = to);
    kit_assert_reply(k, 200);
}

static void an_operator_ends_the_ringing(void **s)
{
    struct kit *k = *s;
    bridge_ring_bob(k);
    kit_terminate(k, "sigctl");
    assert_ended(k, 480, "system_terminated", "operator");
    assert_non_null(bridge_cancel(k, 1));
}

/* --- redirections --- */

static void a_redirection_to_a_user_of_ours_is_looked_up(void **s)
{
    static const char *const domains[] = {"example.org", NULL};
    struct kit *k = *s;
    k->conf.route.domains = domains;
    bridge_ring_bob(k);
    BRIDGE_SAYS(k, 1, .status = 302, .more = "Contact: <sip:carol@example.org>\r\n");
    assert_null(kit_effect(k, CALL_EFF_REPLY, 0));
    assert_string_equal(bridge_who(k), "carol");
    static const struct bridge_target carol = {.uri = "sip:carol@198.51.100.30", .q = 200, .addr = "198.51.100.30"};
    bridge_rings(k, &carol, 1);
    assert_non_null(bridge_request(k, 2, "INVITE"));
    BRIDGE_SAYS(k, 2, .status = 200, .body = BRIDGE_OFFER);
    kit_assert_state(k, CALL_ST_ANSWERED);
}

static void a_redirection_to_nobody_is_480(void **s)
{
    static const char *const domains[] = {"example.org", NULL};
    struct kit *k = *s;
    k->conf.route.domains = domains;
    bridge_ring_bob(k);
    BRIDGE_SAYS(k, 1, .status = 302, .more = "Contact: <sip:carol@example.org>\r\n");
    bridge_targets(k, "carol", NULL, 0, 404);
    assert_ended(k, 480, "no_answer", "callee");
}

static void redirections_end(void **s)
{
    struct kit *k = *s;
    char contact[64];
    uint32_t leg = 1;
    bridge_ring_bob(k);
    while (leg < 10) {
        (void)snprintf(contact, sizeof(contact), "Contact: <sip:c%u@far.example>\r\n", leg);
        BRIDGE_SAYS(k, leg, .status = 302, .more = contact);
        if (bridge_request(k, leg + 1, "INVITE") == NULL)
            break;
        leg++;
    }
    assert_int_equal(leg, 4); /* three, one after the other */
    assert_ended(k, 480, "no_answer", "callee");
}

static void redirections_of_many_look_up_a_bounded_number(void **s)
{
    static const char *const domains[] = {"example.org", NULL};
    struct kit *k = *s;
    struct bridge_target many[10];
    char uri[10][40], contacts[512];
    k->conf.route.domains = domains;
    for (unsigned i = 0; i < 10; i++) {
        (void)snprintf(uri[i], sizeof(uri[i]), "sip:bob@198.51.100.20:%u", 6000 + i);
        many[i] = (struct bridge_target){.uri = uri[i], .q = 1000, .addr = "198.51.100.20"};
    }
    bridge_asked(k);
    bridge_rings(k, many, 10);
    for (unsigned leg = 1; leg <= 9; leg++) {
        size_t at = 0;
        for (unsigned i = 0; i < RING_REDIRECTS_MAX; i++)
            at +=
                (size_t)snprintf(contacts + at, sizeof(contacts) - at, "Contact: <sip:u%u.%u@example.org>\r\n", leg, i);
        BRIDGE_SAYS(k, leg, .status = 302, .more = contacts);
    }
    assert_int_equal(k->c->row->n_locating, RING_MAX - 10);
}

static void a_redirection_in_a_circle_is_not_followed(void **s)
{
    struct kit *k = *s;
    bridge_ring_bob(k);
    BRIDGE_SAYS(k, 1, .status = 302, .more = "Contact: <sip:c@far.example>\r\n");
    assert_non_null(bridge_request(k, 2, "INVITE"));
    BRIDGE_SAYS(k, 2, .status = 302, .more = "Contact: <sip:c@far.example>\r\n");
    assert_ended(k, 480, "no_answer", "callee");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(a_plan_to_bridge_looks_up_and_rings),
        KIT_TEST(a_callee_of_the_other_family_can_reach_us),
        KIT_TEST(nobody_there_is_told),
        KIT_TEST(an_answer_to_a_question_not_asked_is_nothing),
        KIT_TEST(hops_run_out),
        KIT_TEST(provisionals_go_to_the_caller_under_the_legs_own_tag),
        KIT_TEST(a_flood_of_provisionals_is_not_passed_on),
        KIT_TEST(the_answer_is_the_callees),
        KIT_TEST(a_repeated_2xx_is_acknowledged_again),
        KIT_TEST(a_second_callee_of_one_invite_gets_ack_and_bye),
        KIT_TEST(a_flood_of_2xx_with_other_tags_is_bounded),
        KIT_TEST(the_first_answer_wins),
        KIT_TEST(a_late_answer_gets_ack_and_bye),
        KIT_TEST(an_answer_too_large_to_pass_on_is_none),
        KIT_TEST(an_answer_without_a_tag_is_one),
        KIT_TEST(lower_q_rings_when_all_of_the_higher_refused),
        KIT_TEST(a_6xx_refuses_for_all),
        KIT_TEST(more_targets_than_a_call_rings_are_left_out),
        KIT_TEST(finals_are_mapped),
        KIT_TEST(a_callee_that_is_gone_is_480),
        KIT_TEST(ringing_long_enough_is_480),
        KIT_TEST(a_cancel_goes_on_with_its_reason),
        KIT_TEST(an_answer_that_crosses_the_cancel_is_ended),
        KIT_TEST(a_bye_in_an_early_dialog_is_as_a_cancel),
        KIT_TEST(a_second_invite_while_it_rings_gets_500),
        KIT_TEST(an_operator_ends_the_ringing),
        KIT_TEST(a_redirection_to_a_user_of_ours_is_looked_up),
        KIT_TEST(a_redirection_to_nobody_is_480),
        KIT_TEST(redirections_end),
        KIT_TEST(redirections_of_many_look_up_a_bounded_number),
        KIT_TEST(a_redirection_in_a_circle_is_not_followed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
