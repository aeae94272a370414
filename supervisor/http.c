#include "supervisor/http.h"

#include "common/base/err.h"
#include "common/rt/metrics.h"
#include "proto/control.h"
#include "supervisor/conn.h"
#include "supervisor/ctl_ask.h"
#include "supervisor/ctl_merge.h"
#include <stdlib.h>

#define HTTP_CLIENTS_MAX 32
#define HTTP_HEAD_MAX 4096
#define HTTP_REPLY_MAX (8L << 20)
#define HTTP_IDLE_MS 5000
#define OWN_MAX 65536

/* RFC 9110 §15.5.6 wants Allow; nothing else here has a header of its own. */
#define NOT_ALLOWED "405 Method Not Allowed\r\nAllow: GET, HEAD"

struct http {
    struct sup *sup;
    struct conn_server *server;
    enum http_face face;
};

struct request {
    bool head; /* HEAD: no body in the answer */
    struct span path;
};

static const char json_type[] = "application/json";
static const char text_type[] = "text/plain; version=0.0.4; charset=utf-8";

static void answer(struct conn *c, bool head_only, const char *status, const char *type, struct span body)
{
    struct buf *out = conn_out(c);
    buf_printf(out,
               "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
               "Connection: close\r\n\r\n",
               status, type, body.len);
    if (!head_only)
        buf_put_span(out, body);
    if (out->failed)
        buf_reset(out); /* closed without an answer: the client sees that something is wrong */
    conn_finish(c);
}

static void answer_error(struct conn *c, bool head_only, const char *status)
{
    answer(c, head_only, status, "text/plain", SPAN("error\n"));
}

/* --- paths --- */

typedef void get_fn(struct sup *s, struct conn *c, const struct request *r);

static void get_health(struct sup *s, struct conn *c, const struct request *r)
{
    (void)s;
    answer(c, r->head, "200 OK", json_type, SPAN("{\"status\":\"ok\"}\n"));
}

static void get_ready(struct sup *s, struct conn *c, const struct request *r)
{
    char why[SUP_TEXT_MAX];
    struct buf body;
    bool ready = status_ready(s, why);
    buf_init(&body, OWN_MAX);
    buf_printf(&body, "{\"status\":\"%s\",\"reason\":", ready ? "ready" : "not_ready");
    control_put_string(&body, span_cstr(why));
    buf_puts(&body, "}\n");
    answer(c, r->head, ready ? "200 OK" : "503 Service Unavailable", json_type, buf_span(&body));
    buf_fini(&body);
}

/* Workers that do not answer in time are missing from the text; their sip_signaling_worker_up says 0 or the next scrape
 * has them. */
static void reply_metrics(struct conn *c, bool head, const struct ask_result *r)
{
    struct buf own;
    struct buf text;
    conn_set_tag(c, 0);
    conn_hold(c, false);
    buf_init(&own, OWN_MAX);
    buf_init(&text, HTTP_REPLY_MAX - HTTP_HEAD_MAX);
    metrics_print(&own, "supervisor");
    ctl_merge_metrics(r, buf_span(&own), &text);
    answer(c, head, "200 OK", text_type, buf_span(&text));
    buf_fini(&own);
    buf_fini(&text);
}

static void done_get(void *user, const struct ask_result *r)
{
    reply_metrics(user, false, r);
}

static void done_head(void *user, const struct ask_result *r)
{
    reply_metrics(user, true, r); /* its Content-Length is that of a GET */
}

static void get_metrics(struct sup *s, struct conn *c, const struct request *r)
{
    struct ask_args a = {
        .cmd = control_cmds[CONTROL_METRICS].name, .json = "{}", .done = r->head ? done_head : done_get, .user = c};
    uint64_t id = ask_start(s->asks, &a);
    if (id == 0) {
        answer_error(c, r->head, "503 Service Unavailable");
    } else {
        conn_set_tag(c, id);
        conn_hold(c, true);
    }
}

static const struct route {
    const char *path;
    enum http_face face;
    get_fn *get;
} routes[] = {
    {"/healthz", HTTP_HEALTH, get_health},
    {"/readyz", HTTP_HEALTH, get_ready},
    {"/metrics", HTTP_METRICS, get_metrics},
};

/* --- requests --- */

/* "GET /path?query HTTP/1.1". returns NULL, or the status that refuses it */
static const char *parse_line(struct span line, struct request *out)
{
    size_t sp1 = span_find(line, ' ');
    struct span method = span_of(line.p, sp1);
    struct span rest = span_from(line, sp1 + 1);
    size_t sp2 = span_find(rest, ' ');
    if (sp1 == line.len || sp2 == rest.len || !span_starts(span_from(rest, sp2 + 1), SPAN("HTTP/1.")))
        return "400 Bad Request";
    out->head = span_eq(method, SPAN("HEAD"));
    out->path = span_of(rest.p, sp2);
    out->path.len = span_find(out->path, '?');
    return out->head || span_eq(method, SPAN("GET")) ? NULL : NOT_ALLOWED;
}

static void serve(const struct http *h, struct conn *c, const struct request *r)
{
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (routes[i].face == h->face && span_eq(r->path, span_cstr(routes[i].path))) {
            routes[i].get(h->sup, c, r);
            return;
        }
    }
    answer_error(c, r->head, "404 Not Found");
}

static size_t on_data(struct conn *c, struct span in)
{
    struct request r = {.head = false};
    size_t end = span_find_span(in, SPAN("\r\n\r\n"));
    if (end == in.len && in.len < HTTP_HEAD_MAX)
        return 0;
    const char *refused = end == in.len ? "431 Request Header Fields Too Large" : NULL;
    if (refused == NULL)
        refused = parse_line(span_trim(span_of(in.p, span_find(in, '\r'))), &r);
    if (refused != NULL)
        answer_error(c, false, refused);
    else
        serve(conn_server_user(c), c, &r);
    return in.len; /* one request a connection */
}

static void on_close(struct conn *c)
{
    const struct http *h = conn_server_user(c);
    ask_cancel(h->sup->asks, conn_tag(c));
}

static const struct conn_kind kind = {
    .name = "HTTP",
    .clients_max = HTTP_CLIENTS_MAX,
    .in_max = HTTP_HEAD_MAX,
    .out_max = HTTP_REPLY_MAX,
    .idle_ms = HTTP_IDLE_MS,
    .on_data = on_data,
    .on_close = on_close,
};

struct http *http_open(struct sup *s, int fd, enum http_face face)
{
    struct http *h = calloc(1, sizeof *h);
    if (h == NULL)
        die(EX_INTERNAL, "no memory for HTTP");
    h->sup = s;
    h->face = face;
    h->server = conn_server_new(s->loop, fd, &kind, h);
    return h;
}

void http_close(struct http *h)
{
    if (h == NULL)
        return;
    conn_server_free(h->server);
    free(h);
}
