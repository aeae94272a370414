#include "supervisor/ctl_doctor.h"

#include "common/rt/crypt.h"
#include "common/rt/procstat.h"
#include "common/rt/quarantine.h"
#include "proto/control.h"
#include "proto/finding.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/timex.h>

#define CERT_DAYS_WARN 30
#define CERT_DAYS_ERROR 3
#define SPACE_WARN_MB 512
#define SPACE_ERROR_MB 64
#define DEATH_RECENT_MS 600000
#define CLOCK_OLDEST_WALL_MS INT64_C(1735689600000) /* 2025: before it no clock can be right */
#define OWN_MAX 65536
#define SMALL_TEXT 64

/* --- workers -------------------------------------------------------------------------------------------------------
 */

static void look_at_version(const struct child *c, struct findings *f)
{
    const Plane__Hello *peer = c->link != NULL ? bus_link_peer(c->link) : NULL;
    if (peer != NULL && strcmp(peer->version, SIG_VERSION) != 0)
        finding_add(f, FINDING_NOTE, "version",
                    "sigctl restart WORKER, or restart the service, when the upgrade is to be whole",
                    "%s runs version %s, the supervisor %s", c->name, peer->version, SIG_VERSION);
}

/* NULL: none that is still known. */
static const struct death *last_unasked(const struct child *c)
{
    for (uint64_t i = c->death_cnt; i > 0 && i + SUP_DEATHS_MAX > c->death_cnt; i--) {
        const struct death *d = &c->death[(i - 1) % SUP_DEATHS_MAX];
        if (!d->asked)
            return d;
    }
    return NULL;
}

static void look_at_deaths(const struct child *c, struct findings *f, struct now now)
{
    const struct death *last = last_unasked(c);
    if (last == NULL || now.wall_ms - last->wall_ms > DEATH_RECENT_MS)
        return;
    finding_add(f, FINDING_WARNING, "worker_died",
                "the log around that moment says more (worker died); one death costs no call",
                "%s died %llu times since the start, the last %lld s ago: %s", c->name,
                (unsigned long long)c->unasked_cnt, (long long)((now.wall_ms - last->wall_ms) / 1000), last->why);
}

static void look_at_worker(const struct child *c, struct findings *f, struct now now)
{
    if (c->life.state == CHILD_ST_FAILED)
        finding_add(f, FINDING_ERROR, "worker_failed",
                    "sigctl status shows its deaths: exit 5 is the state directory, 4 a port, 2 a setting or "
                    "certificate; mend it, "
                    "then sigctl restart it",
                    "%s does not stay up; it is tried every 30 s", c->name);
    else if (!watch_is_up(c))
        finding_add(f, FINDING_ERROR, "worker_down", "wait a moment and look again; sigctl status shows its deaths",
                    "%s is %s", c->name, watch_state(c));
    else if (c->beat.known && !c->beat.ready)
        finding_add(f, FINDING_ERROR, "worker_not_ready", "see the other findings", "%s is not ready: %s", c->name,
                    c->beat.why[0] != '\0' ? c->beat.why : "it does not say why");
    look_at_version(c, f);
    look_at_deaths(c, f, now);
}

static void look_at_dependency(const struct child *c, const struct dependency *d, struct findings *f)
{
    if (strcmp(d->state, "ready") == 0 || !c->beat.known)
        return;
    const char *remedy =
        strcmp(d->state, "connecting") == 0
            ? "start it, or mend its address in the settings; it is tried all the time"
            : "what is said must be mended: certificates, names, port or rights; it is tried all the time";
    finding_add(f, d->required ? FINDING_ERROR : FINDING_WARNING, "dependency", remedy, "%s is %s: %s%s", d->name,
                d->state, d->detail, d->required ? " (no call can be set up without it)" : "");
}

/* --- the place
 * --------------------------------------------------------------------------------------------------------- */

static void look_at_cert(const struct conf *c, enum setting s, struct findings *f)
{
    int days = 0;
    if (crypt_days_left(conf_str(c, s), &days) != 0)
        finding_add(f, FINDING_ERROR, "certificate", "mend the file, then sigctl reload", "%s: %s cannot be read",
                    conf_name(s), conf_str(c, s));
    else if (days < CERT_DAYS_WARN)
        finding_add(f, days < CERT_DAYS_ERROR ? FINDING_ERROR : FINDING_WARNING, "certificate",
                    "put a new one in its place, then sigctl reload", "%s: %s ends in %d days", conf_name(s),
                    conf_str(c, s), days);
}

static void look_at_space(const struct conf *c, enum setting s, struct findings *f)
{
    struct statvfs v;
    if (statvfs(conf_str(c, s), &v) != 0) {
        finding_add(f, FINDING_ERROR, "space", "make it again, with the rights it had", "%s: %s is gone", conf_name(s),
                    conf_str(c, s));
        return;
    }
    uint64_t free_mb = (uint64_t)v.f_bavail * v.f_frsize >> 20;
    if (free_mb < SPACE_WARN_MB)
        finding_add(f, free_mb < SPACE_ERROR_MB ? FINDING_ERROR : FINDING_WARNING, "space",
                    "make room on that file system; new calls are refused when it is used up",
                    "%s: %llu MiB are free in %s", conf_name(s), (unsigned long long)free_mb, conf_str(c, s));
    if (v.f_files > 0 && v.f_favail == 0)
        finding_add(f, FINDING_WARNING, "space", "remove files there", "%s: no file can be made in %s", conf_name(s),
                    conf_str(c, s));
}

static void look_at_quarantine(const struct conf *c, struct findings *f)
{
    uint32_t cnt = quarantine_count(conf_str(c, SET_STATE_DIR));
    if (cnt > 0)
        finding_add(f, FINDING_WARNING, "quarantine",
                    "a bug of ours: send the files with a report, and remove them when they have been read",
                    "%u inputs have killed a worker twice and were set aside, in %s/quarantine", cnt,
                    conf_str(c, SET_STATE_DIR));
}

static void look_at_clock(struct findings *f, struct now now)
{
    struct timex t = {.modes = 0};
    if (now.wall_ms < CLOCK_OLDEST_WALL_MS)
        finding_add(f, FINDING_ERROR, "clock",
                    "set the clock (chrony, systemd-timesyncd): certificates and events need it",
                    "the clock cannot be right");
    else if (adjtimex(&t) == TIME_ERROR && (t.status & STA_UNSYNC) != 0)
        finding_add(f, FINDING_NOTE, "clock",
                    "run chrony or systemd-timesyncd: times in events and logs are this machine's alone",
                    "the clock is not kept by a time server");
}

static void look_at_self(const struct sup *s, struct findings *f)
{
    const struct conf *c = &s->conf;
    if (s->draining)
        finding_add(f, FINDING_WARNING, "draining", "sigctl drain off, when calls are to be taken again",
                    "new calls are refused");
    if (conf_is(c, SET_LOG_LEVEL, "debug"))
        finding_add(f, FINDING_NOTE, "log_level", "sigctl log info",
                    "the log level is debug: that costs time and disk");
    look_at_cert(c, SET_CERT_PATH, f);
    look_at_cert(c, SET_CA_PATH, f);
    look_at_space(c, SET_STATE_DIR, f);
    look_at_space(c, SET_RUNTIME_DIR, f);
    look_at_quarantine(c, f);
    procstat_examine(f);
    look_at_clock(f, loop_now(s->loop));
}

/* --- all of them
 * --------------------------------------------------------------------------------------------------------- */

static void put_worker(cJSON *list, const cJSON *entries, const char *name)
{
    const cJSON *entry;
    cJSON_ArrayForEach(entry, entries)
    {
        cJSON *copy = cJSON_IsObject(entry) ? cJSON_Duplicate(entry, true) : NULL;
        if (copy == NULL)
            continue;
        cJSON_AddStringToObject(copy, "process", name);
        cJSON_AddItemToArray(list, copy);
    }
}

static void put_own(const struct sup *s, cJSON *list)
{
    struct buf own;
    struct findings f = {.out = &own};
    buf_init(&own, OWN_MAX);
    buf_putc(&own, '[');
    look_at_self(s, &f);
    for (size_t i = 0; i < s->child_cnt; i++) {
        const struct child *c = &s->child[i];
        look_at_worker(c, &f, loop_now(s->loop));
        for (size_t k = 0; k < c->beat.dep_cnt; k++)
            look_at_dependency(c, &c->beat.dep[k], &f);
    }
    buf_putc(&own, ']');
    cJSON *entries = cJSON_ParseWithLength(own.p, own.len);
    put_worker(list, entries, "supervisor");
    cJSON_Delete(entries);
    buf_fini(&own);
}

/* returns how many have this level */
static int put_level(const cJSON *list, const char *level, struct buf *out, int before)
{
    const cJSON *entry;
    int cnt = 0;
    cJSON_ArrayForEach(entry, list)
    {
        const char *is = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(entry, "level"));
        char *text = is != NULL && strcmp(is, level) == 0 ? cJSON_PrintUnformatted(entry) : NULL;
        if (text == NULL)
            continue;
        buf_puts(out, before + cnt++ > 0 ? "," : "");
        buf_puts(out, text);
        free(text);
    }
    return cnt;
}

void ctl_doctor_put(const struct sup *s, const struct ask_result *r, struct buf *out)
{
    cJSON *list = cJSON_CreateArray();
    put_own(s, list);
    buf_puts(out, "\"looked\":[\"supervisor\"");
    for (size_t i = 0; i < r->cnt; i++) {
        const struct ask_answer *a = &r->at[i];
        cJSON *one = a->came && a->exit == 0 ? cJSON_Parse(a->text) : NULL;
        put_worker(list, cJSON_GetObjectItemCaseSensitive(one, "findings"), a->child->name);
        if (one != NULL)
            buf_printf(out, ",\"%s\"", a->child->name);
        cJSON_Delete(one);
    }
    buf_puts(out, "],\"findings\":[");
    int bad = put_level(list, "error", out, 0);
    bad += put_level(list, "warning", out, bad);
    (void)put_level(list, "note", out, bad);
    buf_printf(out, "],\"sound\":%s", bad == 0 ? "true" : "false");
    cJSON_Delete(list);
}
