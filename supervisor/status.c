/*
 * The merged view: what the workers' heartbeats say, and what the supervisor knows about their lives.
 */
#include "supervisor/sup.h"

#include "common/rt/procstat.h"
#include "common/rt/quarantine.h"
#include "proto/control.h"
#include <inttypes.h>
#include <stdio.h>

#define MERGED_MAX 64 /* dependencies shown */

static const char unknown[] = "unknown"; /* of a dependency whose reporter says nothing now */

struct merged {
    const struct dependency *dep;
    const char *state;
    const char *reporter;
};

/* Worse states win when several workers speak of the same dependency. */
static int badness(const char *state)
{
    return strcmp(state, "ready") == 0 ? 0 : strcmp(state, "connecting") == 0 ? 1 : strcmp(state, unknown) == 0 ? 2 : 3;
}

static void merge_one(struct merged *m, size_t *cnt, const struct child *c, const struct dependency *d)
{
    const char *state = watch_is_up(c) && c->beat.known ? d->state : unknown;
    size_t i = 0;
    while (i < *cnt && strcmp(m[i].dep->name, d->name) != 0)
        i++;
    if (i == MERGED_MAX)
        return;
    if (i == *cnt)
        (*cnt)++;
    else if (badness(state) <= badness(m[i].state))
        return;
    m[i] = (struct merged){.dep = d, .state = state, .reporter = c->name};
}

static size_t merge_dependencies(const struct sup *s, struct merged m[MERGED_MAX])
{
    size_t cnt = 0;
    for (size_t i = 0; i < s->child_cnt; i++) {
        const struct child *c = &s->child[i];
        for (size_t k = 0; k < c->beat.dep_cnt; k++)
            merge_one(m, &cnt, c, &c->beat.dep[k]);
    }
    return cnt;
}

static bool child_ready(const struct child *c, char *why)
{
    if (!watch_is_up(c))
        (void)snprintf(why, SUP_TEXT_MAX, "%s is %s", c->name, watch_state(c));
    else if (!c->beat.known)
        (void)snprintf(why, SUP_TEXT_MAX, "%s has not reported yet", c->name);
    else if (!c->beat.ready)
        (void)snprintf(why, SUP_TEXT_MAX, "%s: %.180s", c->name, c->beat.why[0] != '\0' ? c->beat.why : "not ready");
    else
        return true;
    return false;
}

bool status_ready(const struct sup *s, char *why)
{
    struct merged m[MERGED_MAX];
    why[0] = '\0';
    if (s->phase != SUP_SERVING || s->draining) {
        (void)snprintf(why, SUP_TEXT_MAX, "%s", s->phase != SUP_SERVING ? "stopping" : "draining");
        return false;
    }
    for (size_t i = 0; i < s->child_cnt; i++) {
        if (!child_ready(&s->child[i], why))
            return false;
    }
    size_t cnt = merge_dependencies(s, m);
    for (size_t i = 0; i < cnt; i++) {
        if (!m[i].dep->required || strcmp(m[i].state, "ready") == 0)
            continue;
        (void)snprintf(why, SUP_TEXT_MAX, "%.40s is %.20s: %.150s", m[i].dep->name, m[i].state, m[i].dep->detail);
        return false;
    }
    return true;
}

static void put_key(struct buf *out, const char *key, const char *text)
{
    buf_printf(out, "\"%s\":", key);
    control_put_string(out, span_cstr(text));
}

static void put_time(struct buf *out, const char *key, int64_t wall_ms)
{
    char text[CLOCK_RFC3339_SIZE];
    if (wall_ms > 0)
        buf_printf(out, ",\"%s\":\"%s\"", key, clock_rfc3339(wall_ms, text));
}

/* Newest first. */
static void put_deaths(struct buf *out, const struct child *c)
{
    uint64_t kept = c->death_cnt < SUP_DEATHS_MAX ? c->death_cnt : SUP_DEATHS_MAX;
    buf_puts(out, ",\"deaths\":[");
    for (uint64_t i = 0; i < kept; i++) {
        const struct death *d = &c->death[(c->death_cnt - 1 - i) % SUP_DEATHS_MAX];
        buf_puts(out, i > 0 ? ",{" : "{");
        put_key(out, "why", d->why);
        buf_printf(out, ",\"pid\":%d,\"uptime_ms\":%" PRId64, d->pid, d->uptime_ms);
        put_time(out, "at", d->wall_ms);
        buf_putc(out, '}');
    }
    buf_putc(out, ']');
}

static void put_worker(struct buf *out, const struct child *c, struct now now)
{
    int64_t up_ms = c->pid > 0 ? now.mono_ms - c->life.started_ms : 0;
    char why[SUP_TEXT_MAX] = "";
    bool ready = child_ready(c, why);
    buf_putc(out, '{');
    put_key(out, "name", c->name);
    buf_printf(out, ",\"pid\":%d,", c->pid);
    put_key(out, "state", watch_state(c));
    buf_printf(out, ",\"restarts\":%" PRIu64 ",\"uptime_s\":%" PRId64, c->life.restart_cnt, up_ms / 1000);
    buf_printf(out, ",\"ready\":%s,", ready ? "true" : "false");
    put_key(out, "why", why);
    struct procstat use;
    (void)procstat_read(c->pid, &use);
    buf_printf(out, ",\"cpu_ms\":%" PRIu64 ",\"rss_kb\":%" PRIu64, use.cpu_ms, use.rss_kb);
    buf_printf(out, ",\"early_deaths\":%u,\"slowest_turn_ms\":%u", c->life.early_cnt, c->beat.slowest_turn_ms);
    buf_printf(out, ",\"poison\":%u", c->beat.poison);
    put_deaths(out, c);
    buf_putc(out, '}');
}

static void put_dependency(struct buf *out, const struct merged *m)
{
    buf_putc(out, '{');
    put_key(out, "name", m->dep->name);
    buf_putc(out, ',');
    put_key(out, "state", m->state);
    buf_putc(out, ',');
    put_key(out, "detail", m->dep->detail);
    buf_printf(out, ",\"required\":%s,", m->dep->required ? "true" : "false");
    put_key(out, "reporter", m->reporter);
    put_time(out, "since", m->dep->since_wall_ms);
    buf_putc(out, '}');
}

static void put_counts(struct buf *out, const struct sup *s)
{
    uint64_t calls = 0;
    uint64_t registrations = 0;
    uint64_t outbox = 0;
    for (size_t i = 0; i < s->child_cnt; i++) {
        const struct beat *b = &s->child[i].beat;
        calls += b->calls;
        registrations += b->registrations;
        outbox += b->outbox;
    }
    buf_printf(out, ",\"calls\":%" PRIu64 ",\"registrations\":%" PRIu64 ",\"outbox\":%" PRIu64, calls, registrations,
               outbox);
    buf_printf(out, ",\"quarantine\":%u", quarantine_count(conf_str(&s->conf, SET_STATE_DIR)));
}

static void put_self(struct buf *out, const struct sup *s, struct now now)
{
    const char *label = conf_str(&s->conf, SET_SERVICE_VERSION);
    buf_printf(out, ",\"draining\":%s,\"uptime_s\":%" PRId64 ",", s->draining ? "true" : "false",
               (now.mono_ms - s->started.mono_ms) / 1000);
    put_key(out, "version", SIG_VERSION);
    buf_putc(out, ',');
    put_key(out, "service_version", label);
    buf_putc(out, ',');
    put_key(out, "listen", conf_str(&s->conf, SET_LISTEN_ADDRESS));
    buf_printf(out, ",\"sip_port\":%u,", conf_u32(&s->conf, SET_SIP_PORT));
    put_key(out, "log_level", conf_str(&s->conf, SET_LOG_LEVEL));
}

void status_print(struct sup *s, struct buf *out)
{
    struct merged m[MERGED_MAX];
    char why[SUP_TEXT_MAX];
    struct now now = loop_now(s->loop);
    buf_printf(out, "\"ready\":%s,", status_ready(s, why) ? "true" : "false");
    put_key(out, "why", why);
    buf_puts(out, ",\"workers\":[");
    for (size_t i = 0; i < s->child_cnt; i++) {
        buf_puts(out, i > 0 ? "," : "");
        put_worker(out, &s->child[i], now);
    }
    buf_puts(out, "],\"dependencies\":[");
    size_t cnt = merge_dependencies(s, m);
    for (size_t i = 0; i < cnt; i++) {
        buf_puts(out, i > 0 ? "," : "");
        put_dependency(out, &m[i]);
    }
    buf_putc(out, ']');
    put_counts(out, s);
    put_self(out, s, now);
}
