/*
 * A worker does what the file <runtime>/do-NAME says when it starts: nothing there: works; "die": exits at once;
 * "mute": never says Hello; "hang": works until its first command, then its loop stands still; "unready": says so in
 * its heartbeat; "busy": never drained; "stubborn": does not stop when asked; "long": has RIG_LONG calls, a page of
 * RIG_PAGE at a time; "endless": says for ever that there is more.
 */
#include "tests/unit/supervisor/rig.h"

struct fake {
    char name[SUP_NAME_MAX];
    char order[16];
    bool draining;
    struct loop_io *udp;
    Plane__Dependency dep;
    Plane__Dependency *deps[1];
};

static struct fake fake;

static void fake_read_order(struct worker *w)
{
    char path[RIG_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/do-%s", conf_str(worker_conf(w), SET_RUNTIME_DIR), fake.name);
    FILE *f = fopen(path, "r");
    if (f != NULL && fgets(fake.order, sizeof fake.order, f) == NULL)
        fake.order[0] = '\0';
    if (f != NULL)
        (void)fclose(f);
}

static bool fake_must(const char *order)
{
    return strcmp(fake.order, order) == 0;
}

/* sip-edge sends each datagram back with its pid in front. */
static void fake_on_datagram(void *user, int fd, int dirs)
{
    char in[512];
    char out[600];
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    (void)user;
    (void)dirs;
    ssize_t n = recvfrom(fd, in, sizeof in, 0, (struct sockaddr *)&from, &len);
    if (n < 0)
        return;
    int size = snprintf(out, sizeof out, "%d %.*s", (int)getpid(), (int)n, in);
    (void)sendto(fd, out, (size_t)size, 0, (struct sockaddr *)&from, len);
}

static int fake_start(struct worker *w)
{
    fake_read_order(w);
    if (fake_must("die"))
        return EX_STORAGE;
    while (fake_must("mute"))
        (void)pause();
    int fd = worker_socket(w, "udp0");
    if (fd >= 0)
        fake.udp = loop_io_new(worker_loop(w), fd, LOOP_READ, fake_on_datagram, NULL);
    return EX_OK;
}

static void fake_beat(struct worker *w, Plane__Heartbeat *hb)
{
    (void)w;
    hb->ready = !fake_must("unready");
    hb->not_ready_why = (char *)(hb->ready ? "" : "told so");
    hb->calls = 2;
    hb->outbox = 1;
    hb->drained = fake.draining && !fake_must("busy");
    fake.dep = (Plane__Dependency)PLANE__DEPENDENCY__INIT;
    fake.dep.name = (char *)"user-service";
    fake.dep.state = (char *)"ready";
    fake.dep.required = true;
    fake.deps[0] = &fake.dep;
    hb->n_dependencies = 1;
    hb->dependencies = fake.deps;
}

/* What follows "KEY": in the arguments, as a number. */
static unsigned long number_after(const char *args, const char *key, int base)
{
    const char *at = strstr(args, key);
    return at != NULL ? strtoul(at + strlen(key), NULL, base) : 0;
}

static int put_long_list(struct worker *w, const char *args, struct buf *out)
{
    unsigned long from = number_after(args, "\"after\":\"", 16);
    unsigned long to = from + RIG_PAGE < RIG_LONG ? from + RIG_PAGE : RIG_LONG;
    buf_puts(out, "{\"calls\":[");
    for (unsigned long i = from; i < to; i++)
        buf_printf(out, "%s{\"call_id\":\"c%u-%lu\",\"from\":\"%0300lu\"}", i > from ? "," : "", worker_instance(w), i,
                   i);
    buf_puts(out, "]");
    if (to < RIG_LONG || fake_must("endless"))
        buf_printf(out, ",\"next\":\"%lx\"", to);
    buf_puts(out, from == 0 ? ",\"total\":20000}" : "}");
    return 0;
}

static int fake_ctl(struct worker *w, const char *cmd, const char *args, struct buf *out)
{
    char mine[32];
    while (fake_must("hang"))
        (void)pause();
    (void)snprintf(mine, sizeof mine, "\"c%u\"", worker_instance(w));
    if (strcmp(cmd, "calls") == 0 && (fake_must("long") || fake_must("endless")))
        return put_long_list(w, args, out);
    if (strcmp(cmd, "calls") == 0)
        buf_printf(out, "{\"calls\":[{\"call_id\":%s,\"from\":\"\\u001b[31m\\\"x\\\"\"}],\"total\":1}", mine);
    else if (strcmp(cmd, "call") == 0 && strstr(args, mine) != NULL)
        buf_printf(out, "{\"call_id\":%s}", mine);
    else if (strcmp(cmd, "hangup") == 0 && strstr(args, mine) != NULL)
        buf_puts(out, "{\"ok\":true,\"done\":1}");
    else if (strcmp(cmd, "events") == 0)
        buf_puts(out, worker_instance(w) == 0 ? "no JSON" : "{\"error\":\"reply_too_large\"}");
    else if (strcmp(cmd, "transfer") == 0 && strstr(args, mine) != NULL) {
        buf_puts(out, "{\"error\":\"refused\",\"detail\":\"not today\"}");
        return 1;
    } else {
        buf_puts(out, "{\"error\":\"not_found\"}");
        return 1;
    }
    return 0;
}

static void fake_drain(struct worker *w, bool on)
{
    (void)w;
    fake.draining = on;
}

static void fake_stop(struct worker *w, uint32_t grace_ms)
{
    (void)grace_ms;
    if (!fake_must("stubborn"))
        worker_exit(w, EX_OK);
}

static int fake_main(int argc, char **argv, const char *name)
{
    static struct worker_kind kind;
    (void)snprintf(fake.name, sizeof fake.name, "%s", name);
    kind = (struct worker_kind){.name = fake.name,
                                .proc = plane_proc_parse(span_cstr(name)),
                                .start = fake_start,
                                .beat = fake_beat,
                                .ctl = fake_ctl,
                                .drain = fake_drain,
                                .stop = fake_stop};
    return worker_main(argc, argv, &kind);
}

int rig_other_role(int argc, char **argv, char **envp)
{
    const char *slash = strrchr(argv[0], '/');
    const char *name = slash != NULL ? slash + 1 : argv[0];
    if (strcmp(name, "supervisor") == 0)
        return sup_main(argc, argv, envp);
    for (size_t i = 0; i < CHILD_KINDS; i++) {
        if (strcmp(name, child_kinds[i].name) == 0)
            return fake_main(argc, argv, name);
    }
    return -1;
}
