/* Every action puts the next question; what was found is noted by locate.c, which chooses the event. */
#include "sip-edge/locate_act.h"

static void ask(struct locate *l, enum dns_type type, const char *name)
{
    (void)dns_question_make(&l->question, type, span_cstr(name));
    l->asked++;
}

void locate_act_ask_naptr(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    (void)fx;
    (void)now;
    struct locate *l = obj;
    ask(l, DNS_NAPTR, l->host);
}

void locate_act_ask_srv(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    (void)fx;
    (void)now;
    struct locate *l = obj;
    ask(l, DNS_SRV, l->service[l->service_at].name);
}

void locate_addr_question(const struct locate *l, const struct locate_target *t, bool second, struct dns_question *q)
{
    bool v6 = l->means.v4 && l->means.v6 ? l->means.v6_first != second : l->means.v6;
    (void)dns_question_make(q, v6 ? DNS_AAAA : DNS_A, span_cstr(t->name));
}

void locate_act_ask_addr(void *obj, const void *arg, void *fx, struct now now)
{
    (void)arg;
    (void)fx;
    (void)now;
    struct locate *l = obj;
    locate_addr_question(l, &l->target[l->target_at], l->second_family, &l->question);
    l->asked++;
}
