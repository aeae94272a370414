/* Walks the tables of one process: no holes, no unreachable state, no dead end, every name there. -v prints them. */
#include "tests/table/walk.h"
#include <stdio.h>
#include <string.h>

static const char *cell_text(const struct fsm *m, const struct fsm_cell *c, char *out, size_t size)
{
    const char *next = c->kind == FSM_GO ? m->state_names[c->next] : c->kind == FSM_IGNORED ? "." : "-";
    (void)snprintf(out, size, "%s%s", next, c->kind == FSM_GO && c->act != NULL ? " *" : "");
    return out;
}

/* One line an event, one column a state: the figure as text ("." ignored, "-" cannot be, "*" something is done). */
static void print_table(const struct fsm *m)
{
    char text[64];
    printf("%-20s", m->name);
    for (unsigned s = 0; s < m->states; s++)
        printf("%-16s", m->state_names[s]);
    printf("\n");
    for (unsigned e = 0; e < m->events; e++) {
        printf("  %-18s", m->event_names[e]);
        for (unsigned s = 0; s < m->states; s++)
            printf("%-16s", cell_text(m, &m->cells[s * m->events + e], text, sizeof(text)));
        printf("\n");
    }
}

int main(int argc, char **argv)
{
    int faults = 0;
    unsigned walked = 0;
    bool verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    for (const struct walk_row *r = walk_rows; r->machine != NULL; r++) {
        const struct fsm *m = r->machine();
        const char *fault = fsm_check(m, r->start, r->last);
        if (verbose)
            print_table(m);
        if (fault != NULL)
            printf("[  FAILED  ] %s\n", fault);
        else
            printf("[       OK ] %s: %u states, %u events\n", m->name, m->states, m->events);
        faults += fault != NULL;
        walked++;
    }
    if (walked == 0)
        printf("[  FAILED  ] no machine is listed\n");
    return faults > 0 || walked == 0;
}
