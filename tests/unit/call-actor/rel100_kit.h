/*
 * rel100_kit: reliable provisionals and their PRACKs beside bridge_kit's callers and callees.
 */
#ifndef TESTS_UNIT_CALL_ACTOR_REL100_KIT_H
#define TESTS_UNIT_CALL_ACTOR_REL100_KIT_H

#include "tests/unit/call-actor/bridge_kit.h"

#include "call-actor/rel100.h"

#define REQUIRES "Require: 100rel\r\n"
#define SUPPORTS "Supported: timer, 100rel\r\n"
#define CONTACT "Contact: <sip:bob@198.51.100.20:5062>\r\n"
#define RELIABLE(n) CONTACT "Require: 100rel\r\nRSeq: " #n "\r\n"
#define NEW_OFFER BRIDGE_CALLER_OFFER "a=new\r\n"
#define NEW_ANSWER BRIDGE_OFFER "a=new\r\n"

/* --- the caller --- */

static inline uint32_t number_in(const struct call_effect *e, const char *name)
{
    assert_non_null(e);
    const char *at = memmem(e->raw, e->raw_len, name, strlen(name));
    if (at == NULL)
        fail_msg("no %s in\n%.*s", name, (int)e->raw_len, e->raw);
    return (uint32_t)strtoul(at + strlen(name), NULL, 10);
}

static inline uint32_t rseq_of(const struct call_effect *e)
{
    kit_assert_has(e, "\r\nRequire: 100rel\r\n");
    return number_in(e, "\r\nRSeq: ");
}

/* tag: what follows our own. */
static inline void prack_in(struct kit *k, const char *tag, uint32_t rseq, uint32_t cseq, const char *body)
{
    char to[160], rack[64], base[64];
    (void)snprintf(base, sizeof(base), "%s", k->c->row->a->local_tag);
    base[strcspn(base, ".")] = '\0';
    (void)snprintf(to, sizeof(to), "<sip:902121234567@203.0.113.5>;tag=%s%s", base, tag);
    (void)snprintf(rack, sizeof(rack), "RAck: %u 10 INVITE\r\n", rseq);
    KIT_REQUEST(k, .method = "PRACK", .cseq = cseq, .to = to, .more = rack, .body = body);
}

static inline void prack(struct kit *k, uint32_t rseq, uint32_t cseq)
{
    prack_in(k, ".1", rseq, cseq, "");
}

static inline void ring(struct kit *k, const char *body, const char *more)
{
    bridge_asked_with(k, body, more);
    bridge_rings(k, &bridge_bob, 1);
}

/* --- what callees get --- */

static inline Store__EarlyAsk *asked(struct kit *k)
{
    assert_true(k->c->row->n_earlies > 0 && k->c->row->earlies[0]->n_asks > 0);
    return k->c->row->earlies[0]->asks[0];
}

static inline void prack_answered(struct kit *k, unsigned status, const char *body)
{
    bridge_response_to(k, row_span(asked(k)->request->branch), "x",
                       &(struct bridge_rsp){.status = status, .method = "PRACK", .tag = "b1", .body = body});
}

#endif
