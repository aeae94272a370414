/* An INVITE with Replaces: who may, what it is refused with, and who talks to whom then (RFC 3891). */
#include "tests/unit/call-actor/replace_kit.h"

#include "call-actor/leg.h"

#define STAYS_ANSWER                                                                                                   \
    "v=0\r\no=s 1 2 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n"

static const struct carol our_own = {.own = true};

static const Store__Dialog *callees(struct kit *k)
{
    return bridge_leg(k, 1)->dialog;
}

static void up(struct kit *k)
{
    bridge_up(k);
    row_text(&bridge_leg(k, 1)->target->user, SPAN("bob"));
}

/* --- who may --- */

static void a_user_may_replace_himself(void **s)
{
    struct kit *k = *s;
    up(k);
    assert_int_equal(replace_status(k, &(struct carol){.user = "bob"}, replace_value(callees(k), "")), 0);
    assert_int_equal(replace_status(k, &(struct carol){.user = "carol"}, replace_value(callees(k), "")), 403);
    assert_int_equal(replace_status(k, &(struct carol){.user = "bob"}, replace_value(k->c->row->a, "")), 403);
    row_text(&k->c->row->auth_user, SPAN("ali"));
    assert_int_equal(replace_status(k, &(struct carol){.user = "ali"}, replace_value(k->c->row->a, "")), 0);
}

/* A Referred-By is anybody's word. */
static void a_stranger_may_not(void **s)
{
    struct kit *k = *s;
    up(k);
    const char *value = replace_value(callees(k), "");
    assert_int_equal(replace_status(k, &(struct carol){.user = ""}, value), 403);
    assert_int_equal(
        replace_status(k, &(struct carol){.user = "carol", .more = "Referred-By: <sip:bob@example.org>\r\n"}, value),
        403);
}

/* By whoever has asked for it in the other call. */
static void our_own_may_what_its_asker_may(void **s)
{
    struct kit *k = *s;
    up(k);
    char value[512];
    (void)snprintf(value, sizeof(value), "%s", replace_value(callees(k), ""));
    struct carol own = {.own = true, .more = "Sentiric-Asked-By: <sip:bob@192.0.2.200>\r\n"};
    assert_int_equal(replace_status(k, &own, value), 0);
    own.more = "Sentiric-Asked-By: <sip:%62ob@[2001:db8::1]>;trusted\r\n";
    assert_int_equal(replace_status(k, &own, value), 0);
    own.more = "Sentiric-Asked-By: <sip:carol@192.0.2.200>;trusted\r\n";
    assert_int_equal(replace_status(k, &own, value), 403);
    own.more = "Sentiric-Asked-By: <sip:198.51.100.20>\r\n";
    assert_int_equal(replace_status(k, &own, value), 403);
    own.more = "Sentiric-Asked-By: <sip:198.51.100.20>;trusted\r\n";
    assert_int_equal(replace_status(k, &own, value), 0);
    own.more = "";
    assert_int_equal(replace_status(k, &own, value), 403);
    const struct carol stranger = {.user = "carol", .more = "Sentiric-Asked-By: <sip:bob@198.51.100.20>;trusted\r\n"};
    assert_int_equal(replace_status(k, &stranger, value), 403);
}

static void a_trusted_peer_may_replace_what_is_there(void **s)
{
    struct kit *k = *s;
    up(k);
    struct carol peer = {.trusted = true};
    assert_int_equal(replace_status(k, &peer, replace_value(k->c->row->a, "")), 403);
    peer.addr = k->c->row->a->peer->addr;
    assert_int_equal(replace_status(k, &peer, replace_value(k->c->row->a, "")), 0);
}

/* --- what it is refused with (§3) --- */

static void a_dialog_that_there_is_not(void **s)
{
    struct kit *k = *s;
    char text[256];
    up(k);
    const Store__Dialog *d = callees(k);
    (void)snprintf(text, sizeof(text), "%s;to-tag=%s;from-tag=%s", d->call_id, d->remote_tag, d->local_tag);
    assert_int_equal(replace_status(k, &our_own, text), 481);
    (void)snprintf(text, sizeof(text), "other;to-tag=%s;from-tag=%s", d->local_tag, d->remote_tag);
    assert_int_equal(replace_status(k, &our_own, text), 481);
}

static void early_only(void **s)
{
    struct kit *k = *s;
    up(k);
    assert_int_equal(replace_status(k, &our_own, replace_value(callees(k), ";early-only")), 486);
}

static void while_it_rings(void **s)
{
    struct kit *k = *s;
    char text[256];
    bridge_ring_bob(k);
    BRIDGE_SAYS(k, 1, .status = 180);
    assert_int_equal(replace_status(k, &our_own, replace_value(k->c->row->a, "")), 481); /* he called us */
    (void)snprintf(text, sizeof(text), "%s;to-tag=%s;from-tag=b1", callees(k)->call_id, callees(k)->local_tag);
    assert_int_equal(replace_status(k, &our_own, text), 488);
}

static void before_the_ack_it_is_too_soon(void **s)
{
    struct kit *k = *s;
    bridge_answered(k);
    assert_int_equal(replace_status(k, &our_own, replace_value(k->c->row->a, "")), 491);
}

static void when_it_is_over(void **s)
{
    struct kit *k = *s;
    up(k);
    kit_terminate(k, "sigctl");
    assert_int_equal(replace_status(k, &our_own, replace_value(callees(k), "")), 603);
    assert_int_equal(replace_status(k, &our_own, replace_value(k->c->row->a, "")), 603);
}

static void when_an_offer_is_under_way(void **s)
{
    struct kit *k = *s;
    up(k);
    KIT_REQUEST(k, .method = "INVITE", .cseq = 11, .in_dialog = true, .body = BRIDGE_CALLER_OFFER);
    assert_int_equal(replace_status(k, &our_own, replace_value(callees(k), "")), 491);
}

static void a_refused_one_is_turned_away_as_a_new_call(void **s)
{
    struct kit *k = *s;
    struct refusal no = {.status = 603};
    struct call_input in = replace_input(k, &our_own, "x;to-tag=a;from-tag=b");
    in.refused = &no;
    kit_step(k, &in);
    kit_assert_hasnt(kit_assert_reply(k, 603), "Contact:");
    assert_false(k->c->storable);
}

/* --- of a bridged call --- */

static void assert_talks_to_carol(struct kit *k, uint32_t leg)
{
    assert_int_equal(k->c->row->winner, leg);
    bridge_assert_leg(k, leg, OUT_LEG_UP);
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

static void the_callee_is_replaced(void **s)
{
    struct kit *k = *s;
    up(k);
    replace_ask(k, &our_own, replace_value(callees(k), ""));
    const struct call_effect *offer = bridge_request(k, 0, "INVITE");
    kit_assert_has(offer, "m=audio 7000 RTP/AVP 0");
    kit_assert_has(offer, "o=bob 7 8 IN IP4"); /* to who stays it is one session */
    bridge_assert_leg(k, 2, OUT_LEG_JOINING);
    assert_null(bridge_request(k, 1, "BYE"));
    replace_answered(k, 200, STAYS_ANSWER);
    const struct call_effect *ok = bridge_reply(k, 2, 200);
    kit_assert_has(ok, STAYS_ANSWER);
    kit_assert_has(ok, "Call-ID: carols\r\n");
    kit_assert_has(ok, bridge_leg(k, 2)->dialog->local_tag);
    assert_non_null(bridge_request(k, 0, "ACK"));
    kit_assert_has(bridge_request(k, 1, "BYE"), "Reason: SIP;cause=200");
    assert_talks_to_carol(k, 2);
    char tag[64];
    (void)snprintf(tag, sizeof(tag), "%s", bridge_leg(k, 2)->dialog->local_tag);
    replace_says(k, &(struct carol){.method = "ACK", .to_tag = tag, .body = ""});
    assert_null(leg_txn_unacked(k->c));
    bridge_bye_answered(k, 1);
    bridge_assert_leg(k, 1, OUT_LEG_OVER);
    replace_says(k, &(struct carol){.method = "BYE", .to_tag = tag, .body = "", .cseq = 2, .branch = "z9hG4bKbye"});
    assert_non_null(bridge_reply(k, 2, 200));
    assert_non_null(bridge_request(k, 0, "BYE"));
    kit_assert_has(kit_event(k, "call.ended"), "kit-call@192.0.2.1");
}

/* Who stays is the A leg then, but the call keeps its name. */
static void the_caller_is_replaced(void **s)
{
    struct kit *k = *s;
    up(k);
    replace_ask(k, &our_own, replace_value(k->c->row->a, ""));
    const struct call_effect *offer = bridge_request(k, 0, "INVITE");
    kit_assert_has(offer, "m=audio 7000 RTP/AVP 0");
    kit_assert_has(offer, "INVITE sip:bob@198.51.100.20:5062 SIP/2.0");
    replace_answered(k, 200, STAYS_ANSWER);
    kit_assert_has(bridge_reply(k, 2, 200), STAYS_ANSWER);
    kit_assert_has(bridge_request(k, 1, "BYE"), "BYE sip:ali@192.0.2.1:5070 SIP/2.0");
    assert_talks_to_carol(k, 2);
    assert_string_equal(call_name(k->c), "kit-call@192.0.2.1");
    char tag[64];
    (void)snprintf(tag, sizeof(tag), "%s", bridge_leg(k, 2)->dialog->local_tag);
    replace_says(k, &(struct carol){.method = "ACK", .to_tag = tag, .body = ""});
    assert_null(leg_txn_unacked(k->c));
    kit_terminate(k, "sigctl");
    assert_non_null(bridge_request(k, 0, "BYE"));
    assert_non_null(bridge_request(k, 2, "BYE"));
    kit_assert_has(kit_event(k, "call.ended"), "kit-call@192.0.2.1");
}

static void carol_asks_who_stays_for_an_offer(void **s)
{
    struct kit *k = *s;
    up(k);
    replace_ask(k, &(struct carol){.own = true, .body = ""}, replace_value(callees(k), ""));
    kit_assert_has(bridge_request(k, 0, "INVITE"), "Content-Length: 0\r\n");
    replace_answered(k, 200, STAYS_ANSWER);
    kit_assert_has(bridge_reply(k, 2, 200), STAYS_ANSWER);
    assert_null(bridge_request(k, 0, "ACK"));
    char tag[64];
    (void)snprintf(tag, sizeof(tag), "%s", bridge_leg(k, 2)->dialog->local_tag);
    replace_says(k, &(struct carol){.method = "ACK", .to_tag = tag, .body = CAROL_OFFER});
    kit_assert_has(bridge_request(k, 0, "ACK"), "m=audio 7000");
    assert_talks_to_carol(k, 2);
}

static void who_stays_does_not_take_it(void **s)
{
    struct kit *k = *s;
    for (int caller = 0; caller < 2; caller++) {
        if (caller == 0)
            up(k);
        uint32_t leg = (uint32_t)k->c->row->n_out_legs + 1;
        const Store__Dialog *old = caller ? k->c->row->a : callees(k);
        replace_ask(k, &(struct carol){.own = true, .branch = caller ? "z9hG4bKx" : NULL, .cseq = 1 + (uint32_t)caller},
                    replace_value(old, ""));
        replace_answered(k, 488, "");
        kit_assert_hasnt(bridge_reply(k, leg, 488), "m=audio");
        bridge_assert_leg(k, leg, OUT_LEG_OVER);
        bridge_assert_leg(k, 1, OUT_LEG_UP);
        assert_int_equal(k->c->row->winner, 1);
        assert_null(bridge_request(k, 1, "BYE"));
        assert_false(replace_is_under_way(k->c));
    }
    kit_assert_state(k, CALL_ST_ESTABLISHED);
}

static void carol_changes_her_mind(void **s)
{
    struct kit *k = *s;
    up(k);
    replace_ask(k, &our_own, replace_value(callees(k), ""));
    replace_says(k, &(struct carol){.method = "CANCEL", .body = ""});
    assert_non_null(kit_assert_reply(k, 200));
    assert_non_null(bridge_cancel(k, 0));
    replace_answered(k, 487, "");
    assert_non_null(bridge_reply(k, 2, 487));
    bridge_assert_leg(k, 2, OUT_LEG_OVER);
    bridge_assert_leg(k, 1, OUT_LEG_UP);
}

static void the_call_ends_meanwhile(void **s)
{
    struct kit *k = *s;
    up(k);
    replace_ask(k, &our_own, replace_value(callees(k), ""));
    kit_bye(k, 11);
    assert_non_null(bridge_reply(k, 2, 487));
    assert_non_null(bridge_request(k, 1, "BYE"));
    bridge_assert_leg(k, 2, OUT_LEG_OVER);
    replace_answered(k, 200, STAYS_ANSWER);
    assert_null(bridge_reply(k, 2, 200));
}

static void who_is_replaced_hangs_up_meanwhile(void **s)
{
    struct kit *k = *s;
    up(k);
    replace_ask(k, &our_own, replace_value(callees(k), ""));
    bridge_asks(k, 1, "BYE", 5, "", NULL);
    assert_non_null(bridge_reply(k, 1, 200));
    bridge_assert_leg(k, 1, OUT_LEG_OVER);
    replace_answered(k, 200, STAYS_ANSWER);
    assert_non_null(bridge_reply(k, 2, 200));
    assert_null(bridge_request(k, 1, "BYE"));
    assert_talks_to_carol(k, 2);
}

static void he_hangs_up_and_she_is_not_taken(void **s)
{
    struct kit *k = *s;
    up(k);
    replace_ask(k, &our_own, replace_value(callees(k), ""));
    bridge_asks(k, 1, "BYE", 5, "", NULL);
    replace_answered(k, 488, "");
    assert_non_null(bridge_reply(k, 2, 488));
    assert_non_null(bridge_request(k, 0, "BYE"));
    kit_assert_has(kit_event(k, "call.ended"), "normal_clearing");
    kit_assert_state(k, CALL_ST_ENDING);
}

static void she_never_acknowledges(void **s)
{
    struct kit *k = *s;
    up(k);
    replace_ask(k, &our_own, replace_value(callees(k), ""));
    replace_answered(k, 200, STAYS_ANSWER);
    kit_timer(k, CALL_TMR_2XX);
    assert_non_null(bridge_reply(k, 2, 200));
    kit_timer(k, CALL_TMR_NO_ACK);
    assert_non_null(bridge_request(k, 0, "BYE"));
    assert_non_null(bridge_request(k, 2, "BYE"));
}

static void a_death_in_between(void **s)
{
    struct kit *k = *s;
    up(k);
    replace_ask(k, &our_own, replace_value(k->c->row->a, ""));
    come_back(k);
    assert_non_null(bridge_request(k, 0, "INVITE"));
    const struct call_input again = replace_input(k, &our_own, "x;to-tag=a;from-tag=b");
    assert_true(call_knows(k->c, again.txn));
    replace_answered(k, 200, STAYS_ANSWER);
    assert_non_null(bridge_reply(k, 2, 200));
    come_back(k);
    assert_non_null(bridge_request(k, 1, "BYE"));
    assert_talks_to_carol(k, 2);
}

static struct call *read_back(struct kit *k)
{
    size_t n = store__call_row__get_packed_size(k->c->row);
    uint8_t *packed = malloc(n);
    assert_non_null(packed);
    (void)store__call_row__pack(k->c->row, packed);
    struct call *c = call_from_row(&k->conf, store__call_row__unpack(NULL, n, packed));
    free(packed);
    return c;
}

/* Whatever would lead an action astray. */
static void a_row_that_does_not_fit_is_none_of_ours(void **s)
{
    struct kit *k = *s;
    up(k);
    replace_ask(k, &our_own, replace_value(callees(k), ""));
    struct call *good = read_back(k);
    assert_non_null(good);
    call_free(good);
    Store__Replacing *r = k->c->row->replacing;
    for (uint32_t leg = 0; leg < 5; leg++) {
        r->leg = leg;
        if (leg != 2)
            assert_null(read_back(k));
    }
    r->leg = 2;
    r->pending = false;
    assert_null(read_back(k));
    r->pending = true;
    k->c->row->relays[0]->state = RELAY_DONE;
    assert_null(read_back(k));
    k->c->row->relays[0]->state = RELAY_ASKED;
}

static void she_is_replaced_by_herself(void **s)
{
    struct kit *k = *s;
    up(k);
    replace_ask(k, &(struct carol){.user = "bob"}, replace_value(callees(k), ""));
    replace_answered(k, 200, STAYS_ANSWER);
    char tag[64];
    (void)snprintf(tag, sizeof(tag), "%s", bridge_leg(k, 2)->dialog->local_tag);
    replace_says(k, &(struct carol){.method = "ACK", .to_tag = tag, .body = ""});
    const struct carol again = {.user = "bob", .branch = "z9hG4bKagain", .cseq = 2};
    assert_int_equal(replace_status(k, &again, replace_value(callees(k), "")), 603);
    assert_int_equal(replace_status(k, &again, replace_value(bridge_leg(k, 2)->dialog, "")), 0);
}

/* --- of a call that we answer --- */

static void the_platform_goes_on_with_carol(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    replace_ask(k, &our_own, replace_value(k->c->row->a, ""));
    const struct call_effect *ok = bridge_reply(k, 0, 200);
    kit_assert_has(ok, "m=audio 10050 RTP/AVP 0");
    kit_assert_has(ok, "Call-ID: carols\r\n");
    kit_assert_has(bridge_request(k, 1, "BYE"), "Call-ID: kit-call@192.0.2.1\r\n");
    assert_string_equal(kit_job(k, PLANE__RUN_JOB__KIND__PUNCH)->job->rtp_target, "198.51.100.30:7000");
    assert_int_equal(k->c->row->winner, 0);
    replace_says(k, &(struct carol){.method = "ACK", .to_tag = k->c->row->a->local_tag, .body = ""});
    assert_null(leg_txn_unacked(k->c));
    bridge_bye_answered(k, 1);
    replace_says(k,
                 &(struct carol){
                     .method = "BYE", .to_tag = k->c->row->a->local_tag, .body = "", .cseq = 2, .branch = "z9hG4bKb"});
    assert_non_null(bridge_reply(k, 0, 200));
    kit_assert_has(kit_event(k, "call.ended"), "kit-call@192.0.2.1");
    kit_assert_state(k, CALL_ST_ENDED);
}

static void a_codec_that_we_have_not(void **s)
{
    struct kit *k = *s;
    kit_established(k);
    const struct carol strange = {.own = true, .body = BRIDGE_CALLER_OFFER};
    assert_int_equal(replace_status(k, &strange, replace_value(k->c->row->a, "")), 488);
}

/* --- to ourselves --- */

static void a_dialog_of_ours_is_asked_of_ourselves(void **s)
{
    struct kit *k = *s;
    k->conf.own_addr = "127.0.0.1";
    k->conf.listen_port = 5060;
    assert_null(replace_target(&k->conf, SPAN("x;to-tag=theirs;from-tag=f")));
    assert_null(replace_target(&k->conf, SPAN("nonsense")));
    Store__Target *t = replace_target(&k->conf, SPAN("x;to-tag=a2-12ab-xyz;from-tag=f"));
    assert_non_null(t);
    assert_true(t->own);
    assert_string_equal(t->uri, "sip:a2-12ab-xyz@127.0.0.1:5060");
    assert_string_equal(t->dest->addr, "127.0.0.1");
    assert_int_equal(t->dest->port, 5060);
    store__target__free_unpacked(t, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        KIT_TEST(a_user_may_replace_himself),
        KIT_TEST(a_stranger_may_not),
        KIT_TEST(our_own_may_what_its_asker_may),
        KIT_TEST(a_trusted_peer_may_replace_what_is_there),
        KIT_TEST(a_dialog_that_there_is_not),
        KIT_TEST(early_only),
        KIT_TEST(while_it_rings),
        KIT_TEST(before_the_ack_it_is_too_soon),
        KIT_TEST(when_it_is_over),
        KIT_TEST(when_an_offer_is_under_way),
        KIT_TEST(a_refused_one_is_turned_away_as_a_new_call),
        KIT_TEST(the_callee_is_replaced),
        KIT_TEST(the_caller_is_replaced),
        KIT_TEST(carol_asks_who_stays_for_an_offer),
        KIT_TEST(who_stays_does_not_take_it),
        KIT_TEST(carol_changes_her_mind),
        KIT_TEST(the_call_ends_meanwhile),
        KIT_TEST(who_is_replaced_hangs_up_meanwhile),
        KIT_TEST(he_hangs_up_and_she_is_not_taken),
        KIT_TEST(she_never_acknowledges),
        KIT_TEST(a_death_in_between),
        KIT_TEST(a_row_that_does_not_fit_is_none_of_ours),
        KIT_TEST(she_is_replaced_by_herself),
        KIT_TEST(the_platform_goes_on_with_carol),
        KIT_TEST(a_codec_that_we_have_not),
        KIT_TEST(a_dialog_of_ours_is_asked_of_ourselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
