#include "tests/unit/supervisor/rig.h"

void rig_set(struct rig *r, const char *fmt, ...)
{
    va_list ap;
    assert_true(r->env_cnt + 1 < sizeof r->env / sizeof r->env[0]);
    va_start(ap, fmt);
    assert_true(vasprintf(&r->env[r->env_cnt++], fmt, ap) > 0);
    va_end(ap);
    r->env[r->env_cnt] = NULL;
}

static int bound(int type, unsigned port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    (void)close(fd);
    return -1;
}

/* Below what the kernel gives to connections: between here and the supervisor's bind anybody's could take it. */
uint16_t rig_free_port(int type, int *held)
{
    for (;;) {
        uint16_t port;
        id_random_bytes(&port, sizeof port);
        port = (uint16_t)(RIG_PORT_MIN + port % RIG_PORTS);
        int other = bound(type == SOCK_DGRAM ? SOCK_STREAM : SOCK_DGRAM, port);
        *held = other >= 0 ? bound(type, port) : -1;
        if (other >= 0)
            (void)close(other);
        if (*held >= 0)
            return port;
    }
}

void rig_do(const struct rig *r, const char *worker, const char *order)
{
    char path[RIG_PATH_MAX + 64];
    (void)snprintf(path, sizeof path, "%s/run/do-%s", r->dir, worker);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    (void)fputs(order, f);
    (void)fclose(f);
}

void rig_path(const struct rig *r, const char *name, char out[RIG_PATH_MAX + 64])
{
    (void)snprintf(out, RIG_PATH_MAX + 64, "%s/%s", r->dir, name);
}

static void rig_link_workers(const struct rig *r)
{
    char self[RIG_PATH_MAX];
    char path[RIG_PATH_MAX + 64];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(n > 0);
    self[n] = '\0';
    rig_path(r, "bin", path);
    assert_int_equal(mkdir(path, 0700), 0);
    for (size_t i = 0; i < CHILD_KINDS; i++) {
        (void)snprintf(path, sizeof path, "%s/bin/%s", r->dir, child_kinds[i].name);
        assert_int_equal(symlink(self, path), 0);
    }
}

static char rig_pki[RIG_PATH_MAX];

static void rig_remove(const char *dir)
{
    char cmd[RIG_PATH_MAX + 16];
    (void)snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    (void)!system(cmd);
}

static void rig_remove_pki(void)
{
    rig_remove(rig_pki);
}

/* Key pairs are made once a program. */
static void rig_make_pki(void)
{
    char cmd[RIG_PATH_MAX + 64];
    if (rig_pki[0] != '\0')
        return;
    (void)snprintf(rig_pki, sizeof rig_pki, "%s", "/tmp/suppki.XXXXXX");
    assert_non_null(mkdtemp(rig_pki));
    (void)atexit(rig_remove_pki);
    (void)snprintf(cmd, sizeof cmd, "scripts/pki.sh %s >/dev/null 2>&1", rig_pki);
    assert_int_equal(system(cmd), 0);
}

void rig_init(struct rig *r)
{
    char path[RIG_PATH_MAX + 64];
    int held[3];
    *r = (struct rig){.pid = 0};
    (void)snprintf(r->dir, sizeof r->dir, "%s", "/tmp/sup.XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    rig_make_pki();
    rig_path(r, "run", path);
    assert_int_equal(mkdir(path, 0700), 0);
    rig_link_workers(r);
    r->sip = rig_free_port(SOCK_DGRAM, &held[0]);
    r->http = rig_free_port(SOCK_STREAM, &held[1]);
    r->metrics = rig_free_port(SOCK_STREAM, &held[2]);
    for (int i = 0; i < 3; i++)
        (void)close(held[i]);
    rig_set(r, "SIP_SIGNALING_SERVICE_LISTEN_ADDRESS=127.0.0.1");
    rig_set(r, "SIP_SIGNALING_SERVICE_SIP_PORT=%u", r->sip);
    rig_set(r, "SIP_SIGNALING_SERVICE_SIPS_PORT=0");
    rig_set(r, "SIP_SIGNALING_SERVICE_GRPC_PORT=0"); /* nobody here serves it */
    rig_set(r, "SIP_SIGNALING_SERVICE_HTTP_PORT=%u", r->http);
    rig_set(r, "SIP_SIGNALING_SERVICE_METRICS_PORT=%u", r->metrics);
    rig_set(r, "SIP_SIGNALING_SERVICE_PUBLIC_IP=127.0.0.1");
    rig_set(r, "SIP_SIGNALING_SERVICE_CERT_PATH=%s/sip-signaling.crt", rig_pki);
    rig_set(r, "SIP_SIGNALING_SERVICE_KEY_PATH=%s/sip-signaling.key", rig_pki);
    rig_set(r, "GRPC_TLS_CA_PATH=%s/ca.crt", rig_pki);
    rig_set(r, "USER_SERVICE_TARGET_GRPC_URL=127.0.0.1:1");
    rig_set(r, "DIALPLAN_SERVICE_TARGET_GRPC_URL=127.0.0.1:1");
    rig_set(r, "MEDIA_SERVICE_TARGET_GRPC_URL=127.0.0.1:1");
    rig_set(r, "RABBITMQ_URL=amqp://guest:s3cret@127.0.0.1:1/");
    rig_set(r, "SIP_SIGNALING_SERVICE_RUNTIME_DIR=%s/run", r->dir);
    rig_set(r, "SIP_SIGNALING_SERVICE_STATE_DIR=%s/state", r->dir);
    rig_set(r, "SIP_SIGNALING_SERVICE_CALL_ACTORS=2");
    rig_set(r, "SIP_SIGNALING_SERVICE_DRAIN_S=10");
    if (getenv("ASAN_OPTIONS") != NULL)
        rig_set(r, "ASAN_OPTIONS=%s", getenv("ASAN_OPTIONS"));
}

void rig_override(struct rig *r, const char *name, const char *value)
{
    for (size_t i = 0; i < r->env_cnt; i++) {
        if (strncmp(r->env[i], name, strlen(name)) == 0 && r->env[i][strlen(name)] == '=') {
            free(r->env[i]);
            assert_true(asprintf(&r->env[i], "%s=%s", name, value) > 0);
            return;
        }
    }
    rig_set(r, "%s=%s", name, value);
}

void rig_start(struct rig *r)
{
    char log[RIG_PATH_MAX + 64];
    char bin[RIG_PATH_MAX + 64];
    rig_path(r, "log", log);
    rig_path(r, "bin", bin);
    r->pid = fork();
    assert_true(r->pid >= 0);
    if (r->pid != 0)
        return;
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    (void)dup2(fd, STDERR_FILENO);
    (void)dup2(fd, STDOUT_FILENO);
    char conf[RIG_PATH_MAX + 64];
    rig_path(r, r->conf_file != NULL ? r->conf_file : "", conf);
    char *argv[] = {
        (char *)"supervisor", (char *)"--workers", bin, (char *)(r->conf_file != NULL ? "--config" : NULL), conf, NULL};
    (void)execve("/proc/self/exe", argv, r->env);
    _exit(99);
}

int rig_wait_exit(struct rig *r)
{
    int status = 0;
    int64_t end = clock_mono_ms() + RIG_WAIT_MS;
    while (waitpid(r->pid, &status, WNOHANG) == 0) {
        if (clock_mono_ms() > end)
            fail_msg("the supervisor did not leave; log: %s/log", r->dir);
        (void)poll(NULL, 0, 5);
    }
    r->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

size_t rig_wait_log_at(const struct rig *r, size_t from, const char *text)
{
    char path[RIG_PATH_MAX + 64];
    static char all[RIG_TEXT_MAX];
    int64_t end = clock_mono_ms() + RIG_WAIT_MS;
    rig_path(r, "log", path);
    for (;;) {
        FILE *f = fopen(path, "r");
        size_t n = f != NULL ? fread(all, 1, sizeof all - 1, f) : 0;
        if (f != NULL)
            (void)fclose(f);
        all[n] = '\0';
        const char *found = strstr(all + (from < n ? from : n), text);
        if (found != NULL)
            return (size_t)(found - all);
        if (clock_mono_ms() > end)
            fail_msg("never logged: %s\n%s", text, all);
        (void)poll(NULL, 0, 5);
    }
}

void rig_wait_log(const struct rig *r, const char *text)
{
    (void)rig_wait_log_at(r, 0, text);
}

void rig_fini(struct rig *r)
{
    if (r->pid > 0) {
        (void)kill(r->pid, SIGKILL);
        (void)waitpid(r->pid, NULL, 0);
    }
    for (size_t i = 0; i < r->env_cnt; i++)
        free(r->env[i]);
    rig_remove(r->dir);
}
