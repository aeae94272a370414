/* Which RTP ports have a call: what the orchestrator compares its book with. */
#include "call-actor/actor.h"
#include "common/base/err.h"
#include <stdlib.h>

#define NUMBERS 65536u
#define WORD_BITS 64u

struct port_set {
    uint64_t word[NUMBERS / WORD_BITS];
};

static void add(struct port_set *s, uint32_t port)
{
    if (port < NUMBERS)
        s->word[port / WORD_BITS] |= UINT64_C(1) << port % WORD_BITS;
}

static bool has(const struct port_set *s, uint32_t port)
{
    return port < NUMBERS && (s->word[port / WORD_BITS] >> port % WORD_BITS & 1) != 0;
}

/* Its own until it was given back, and any that came to it beside that. */
static void add_call(struct port_set *s, const Store__CallRow *row)
{
    if (row->port_state == STORE__PORT_STATE__PORT_HELD || row->port_state == STORE__PORT_STATE__PORT_RELEASING)
        add(s, row->rtp_port);
    for (size_t i = 0; i < row->n_jobs; i++)
        add(s, row->jobs[i]->port);
}

void actor_ports(struct actor *a, const Plane__PortsQuestion *m)
{
    Plane__PortsHeld r = PLANE__PORTS_HELD__INIT;
    struct port_set held = {.word = {0}};
    for (const struct list *n = a->calls.all.next; n != &a->calls.all; n = n->next) {
        const struct entry *e = LIST_ENTRY(n, struct entry, all);
        if (!e->gone)
            add_call(&held, e->call->row);
    }
    r.id = m->id;
    r.held = malloc((m->n_ports + 1) * sizeof *r.held);
    if (r.held == NULL)
        die(EX_INTERNAL, "no memory for a list of ports");
    for (size_t i = 0; i < m->n_ports; i++)
        if (has(&held, m->ports[i]))
            r.held[r.n_held++] = m->ports[i];
    (void)bus_send_later(a->orch, PLANE_CALL_PORTS_HELD, &r.base); /* lost with its link: it is asked again */
    free(r.held);
}
