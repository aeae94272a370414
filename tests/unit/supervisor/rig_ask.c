#include "tests/unit/supervisor/rig.h"

int rig_connect(const struct rig *r)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = RIG_WAIT_MS / 1000};
    (void)snprintf(a.sun_path, sizeof a.sun_path, "%.80s/run/control.sock", r->dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

char *rig_read_line(int fd)
{
    static char line[RIG_TEXT_MAX];
    size_t n = 0;
    while (n + 1 < sizeof line) {
        ssize_t seen = recv(fd, line + n, sizeof line - 1 - n, MSG_PEEK);
        if (seen <= 0)
            return NULL;
        char *newline = memchr(line + n, '\n', (size_t)seen);
        size_t take = newline != NULL ? (size_t)(newline - (line + n)) + 1 : (size_t)seen;
        assert_int_equal(recv(fd, line + n, take, MSG_WAITALL), take);
        n += take;
        if (newline != NULL) {
            line[n] = '\0';
            return line;
        }
    }
    return NULL;
}

cJSON *rig_ask(const struct rig *r, const char *request)
{
    int fd = rig_connect(r);
    if (fd < 0)
        return NULL;
    (void)send(fd, request, strlen(request), MSG_NOSIGNAL);
    (void)send(fd, "\n", 1, MSG_NOSIGNAL);
    const char *line = rig_read_line(fd);
    (void)close(fd);
    return line != NULL ? cJSON_Parse(line) : NULL;
}

const char *json_text(const cJSON *o, const char *key)
{
    const char *z = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
    return z != NULL ? z : "";
}

double json_num(const cJSON *o, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, key);
    return cJSON_IsNumber(item) ? item->valuedouble : -1;
}

bool json_true(const cJSON *o, const char *key)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, key)) != 0;
}

const cJSON *json_worker(const cJSON *status, const char *name)
{
    const cJSON *w;
    cJSON_ArrayForEach(w, cJSON_GetObjectItemCaseSensitive(status, "workers"))
    {
        if (strcmp(json_text(w, "name"), name) == 0)
            return w;
    }
    return NULL;
}

cJSON *rig_wait_status(const struct rig *r, rig_ok_fn *ok, const void *arg, const char *what)
{
    int64_t end = clock_mono_ms() + RIG_WAIT_MS;
    for (;;) {
        cJSON *status = rig_ask(r, "{\"cmd\":\"status\"}");
        if (status != NULL && ok(status, arg))
            return status;
        cJSON_Delete(status);
        if (clock_mono_ms() > end)
            fail_msg("never came: %s; log: %s/log", what, r->dir);
        (void)poll(NULL, 0, 10);
    }
}

bool ok_ready(const cJSON *status, const void *arg)
{
    (void)arg;
    return json_true(status, "ready");
}

void rig_wait_ready(const struct rig *r)
{
    cJSON_Delete(rig_wait_status(r, ok_ready, NULL, "ready"));
}

bool ok_worker(const cJSON *status, const void *arg)
{
    const struct worker_is *want = arg;
    const cJSON *w = json_worker(status, want->name);
    return w != NULL && strcmp(json_text(w, "state"), want->state) == 0 &&
           json_num(w, "restarts") >= want->restarts_min;
}

int rig_worker_pid(const struct rig *r, const char *name)
{
    cJSON *status = rig_ask(r, "{\"cmd\":\"status\"}");
    int pid = (int)json_num(json_worker(status, name), "pid");
    cJSON_Delete(status);
    return pid;
}
