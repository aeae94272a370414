/* What operators ask about registrations. One JSON object each way. */
#include "call-actor/registrar_ctl.h"

#include "common/base/utf8.h"
#include "common/sip/sip_uri.h"
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdlib.h>

#define PAGE_BINDINGS 200u

struct page {
    struct registrar *registrar;
    cJSON *list;
    struct now now;
    const char *realm;
};

/* Text of strangers for people: what is no character, or would drive a terminal, is '?'. */
static void add_shown(cJSON *o, const char *key, const char *text)
{
    struct buf b;
    buf_init(&b, AOR_ROW_BYTES_MAX);
    for (struct span rest = span_cstr(text); rest.len > 0;) {
        uint32_t code;
        size_t n = utf8_char(rest, &code);
        if (n == 0 || utf8_is_control(code))
            buf_putc(&b, '?');
        else
            buf_put(&b, rest.p, n);
        rest = span_from(rest, n > 0 ? n : 1);
    }
    const char *z = buf_cstr(&b);
    cJSON_AddStringToObject(o, key, z != NULL ? z : "");
    buf_fini(&b);
}

static void add_aor(cJSON *o, const char *user, const char *realm)
{
    struct buf b;
    buf_init(&b, AOR_USER_MAX * 3 + 512);
    buf_puts(&b, "sip:");
    sip_uri_escape_user(&b, span_cstr(user));
    buf_printf(&b, "@%s", realm);
    add_shown(o, "aor", buf_cstr(&b) != NULL ? b.p : "");
    buf_fini(&b);
}

static void add_source(cJSON *o, const Plane__Endpoint *source)
{
    struct buf b;
    buf_init(&b, 256);
    bool ip6 = strchr(source->addr, ':') != NULL;
    buf_printf(&b, ip6 ? "[%s]:%u" : "%s:%u", source->addr, source->port);
    add_shown(o, "source", buf_cstr(&b) != NULL ? b.p : "");
    add_shown(o, "transport", source->transport);
    if (source->flow == 0 && strcmp(source->transport, "UDP") != 0)
        cJSON_AddBoolToObject(o, "connection_lost", true);
    buf_fini(&b);
}

static void add_binding(const struct page *p, const Store__AorRow *row, const Store__Binding *b)
{
    char since[CLOCK_RFC3339_SIZE];
    cJSON *o = cJSON_CreateObject();
    add_aor(o, row->user, p->realm);
    add_shown(o, "contact", b->contact);
    cJSON_AddNumberToObject(o, "expires_s", aor_left_s(b, p->now));
    if (b->source != NULL)
        add_source(o, b->source);
    add_shown(o, "user_agent", b->user_agent);
    cJSON_AddNumberToObject(o, "q", b->q / 1000.0);
    cJSON_AddBoolToObject(o, "nat", b->nat);
    cJSON_AddStringToObject(o, "since", clock_rfc3339((int64_t)b->since_wall_ms, since));
    if (b->misses > 0)
        cJSON_AddNumberToObject(o, "unanswered", b->misses);
    if (b->answers_options)
        cJSON_AddBoolToObject(o, "answers_options", true);
    if (reach_is_silent(b))
        cJSON_AddBoolToObject(o, "silent", true);
    if (b->n_path > 0)
        add_shown(o, "path", b->path[0]);
    if (b->reg_id != 0) {
        add_shown(o, "instance", b->instance);
        cJSON_AddNumberToObject(o, "reg_id", b->reg_id);
    }
    cJSON_AddItemToArray(p->list, o);
}

static void add_row(void *to, const Store__AorRow *row)
{
    const struct page *p = to;
    for (size_t i = 0; i < row->n_bindings; i++)
        add_binding(p, row, row->bindings[i]);
}

static const char *text_of(const cJSON *args, const char *key)
{
    const char *z = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(args, key));
    return z != NULL ? z : "";
}

static size_t page_size(const cJSON *args)
{
    const cJSON *max = cJSON_GetObjectItemCaseSensitive(args, "max");
    bool fewer = cJSON_IsNumber(max) && max->valuedouble >= 1 && max->valuedouble < PAGE_BINDINGS;
    return fewer ? (size_t)max->valuedouble : PAGE_BINDINGS;
}

/* "sip:user@domain", "user@domain" or "user". */
static int user_of_arg(struct buf *out, const char *arg)
{
    struct span s = span_cstr(arg);
    if (span_casestarts(s, SPAN("sip:")) || span_casestarts(s, SPAN("sips:")))
        return aor_user_of(out, s);
    s.len = span_find(s, '@');
    buf_put_span(out, s);
    return s.len > 0 && !out->failed ? 0 : -1;
}

static void print(cJSON *o, struct buf *out)
{
    char *text = o != NULL ? cJSON_PrintUnformatted(o) : NULL;
    buf_puts(out, text != NULL ? text : "{\"error\":\"out_of_memory\"}");
    free(text);
    cJSON_Delete(o);
}

static void list_one(struct page *p, const char *aor)
{
    struct buf user;
    buf_init(&user, AOR_USER_MAX);
    if (user_of_arg(&user, aor) == 0) {
        Store__AorRow *row = location_get(registrar_location(p->registrar), buf_span(&user));
        add_row(p, row);
        store__aor_row__free_unpacked(row, NULL);
    }
    buf_fini(&user);
}

void registrar_ctl_list(struct registrar *g, const struct registrar_ctl *c, struct buf *out)
{
    cJSON *o = cJSON_CreateObject();
    struct page p = {
        .registrar = g, .list = cJSON_AddArrayToObject(o, "registrations"), .now = registrar_now(g), .realm = c->realm};
    const char *aor = text_of(c->args, "aor");
    const char *after = text_of(c->args, "after");
    if (aor[0] != '\0') {
        list_one(&p, aor);
    } else {
        uint64_t next =
            location_each(registrar_location(g), strtoull(after, NULL, 16), page_size(c->args), add_row, &p);
        if (next != 0) {
            char text[24];
            (void)snprintf(text, sizeof(text), "%" PRIx64, next);
            cJSON_AddStringToObject(o, "next", text);
        }
        if (after[0] == '\0')
            cJSON_AddNumberToObject(o, "total", (double)registrar_bindings(g));
    }
    print(o, out);
}

int registrar_ctl_unregister(struct registrar *g, const struct registrar_ctl *c, struct buf *out)
{
    struct buf user;
    buf_init(&user, AOR_USER_MAX);
    unsigned cnt = 0;
    if (user_of_arg(&user, text_of(c->args, "aor")) == 0)
        cnt = registrar_unregister(g, buf_span(&user), span_cstr(text_of(c->args, "contact")), "sigctl");
    buf_fini(&user);
    if (cnt == 0) {
        buf_puts(out, "{\"error\":\"not_found\",\"detail\":\"no such binding\"}");
        return 1;
    }
    buf_printf(out, "{\"ok\":true,\"removed\":%u}", cnt);
    return 0;
}
