#include "tests/platform/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define QUARANTINE_SEC_MAX 3600
#define PUNCH_PACKETS_MAX 50
#define KEEPALIVE_MS_MAX 3600000

char *file_read(const char *path, char *fault, size_t fault_size)
{
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        (void)snprintf(fault, fault_size, "%s: %s", path, strerror(errno));
        return NULL;
    }
    struct buf b;
    buf_init(&b, FILE_BYTES_MAX);
    char chunk[4096];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_put(&b, chunk, n);
    bool bad = ferror(f) != 0;
    (void)fclose(f);
    if (bad || buf_cstr(&b) == NULL) {
        (void)snprintf(fault, fault_size, "%s: cannot be read, or is longer than %u bytes", path, FILE_BYTES_MAX);
        buf_fini(&b);
        return NULL;
    }
    return b.p;
}

static void load_rtp(struct config *c, struct jsonx *j)
{
    static const char *const names[] = {"address", "port_min",      "port_max", "quarantine_sec",
                                        "echo",    "punch_packets", "if_taken", NULL};
    const cJSON *rtp = jsonx_object(j, c->root, "rtp");
    jsonx_at(j, "rtp", -1);
    if (rtp != NULL)
        jsonx_names(j, rtp, names);
    c->rtp_address = jsonx_str(j, rtp, "address", "127.0.0.1");
    struct in_addr any;
    if (inet_pton(AF_INET, c->rtp_address, &any) != 1)
        jsonx_fail(j, "\"address\" is not an IPv4 address");
    c->rtp_port_min = (uint16_t)jsonx_int(j, rtp, "port_min", 50000, 1024, 65535);
    c->rtp_port_max = (uint16_t)jsonx_int(j, rtp, "port_max", 50100, 1024, 65535);
    c->quarantine_ms = 1000 * jsonx_int(j, rtp, "quarantine_sec", 5, 0, QUARANTINE_SEC_MAX);
    c->punch_packets = (unsigned)jsonx_int(j, rtp, "punch_packets", 3, 0, PUNCH_PACKETS_MAX);
    static const char *const taken[] = {"refuse", "next", NULL};
    c->rtp_next_if_taken = jsonx_word(j, rtp, "if_taken", taken, 0) == 1;
    c->echo = jsonx_bool(j, rtp, "echo", true);
    if (c->rtp_port_min + (c->rtp_port_min & 1) > c->rtp_port_max)
        jsonx_fail(j, "no even port from port_min to port_max");
}

static void load_all(struct config *c, struct jsonx *j, const char *const *methods, size_t n)
{
    static const char *const names[] = {"realm", "dialplan_action", "play_audio_layout", "data_uris",
                                        "rtp",   "ledger_rpcs",     "keepalive_min_ms",  "faults",
                                        "users", "plans",           "numbers",           NULL};
    static const char *const shapes[] = {"old", "new", NULL};
    static const char *const layouts[] = {"any", "1.8", "1.13", NULL};
    jsonx_at(j, "file", -1);
    jsonx_names(j, c->root, names);
    c->realm = jsonx_str(j, c->root, "realm", "sentiric_demo");
    c->action_shape = (enum action_shape)jsonx_word(j, c->root, "dialplan_action", shapes, ACTION_NEW);
    c->play_layout = (enum play_layout)jsonx_word(j, c->root, "play_audio_layout", layouts, PLAY_1_13);
    c->data_uris = jsonx_bool(j, c->root, "data_uris", false);
    c->ledger_rpcs = jsonx_bool(j, c->root, "ledger_rpcs", false);
    c->keepalive_min_ms = (int)jsonx_int(j, c->root, "keepalive_min_ms", 5000, 0, KEEPALIVE_MS_MAX);
    load_rtp(c, j);
    faults_load(&c->faults, j, c->root, methods, n);
    directory_load(&c->dir, j, c->root, c->action_shape, c->realm);
}

struct config *config_load(const char *path, const char *const *methods, size_t n, char *fault, size_t fault_size)
{
    char *text = file_read(path, fault, fault_size);
    if (text == NULL)
        return NULL;
    struct config *c = calloc(1, sizeof *c);
    const char *end = text;
    if (c != NULL)
        c->root = cJSON_ParseWithOpts(text, &end, true);
    if (c == NULL || c->root == NULL) {
        int line = 1;
        for (const char *p = text; p < end; p++)
            line += *p == '\n';
        (void)snprintf(fault, fault_size, "%s: no JSON at line %d", path, line);
        free(text);
        free(c);
        return NULL;
    }
    free(text);
    struct jsonx j = {.fault = ""};
    load_all(c, &j, methods, n);
    if (jsonx_failed(&j)) {
        (void)snprintf(fault, fault_size, "%s: %s", path, j.fault);
        config_free(c);
        return NULL;
    }
    return c;
}

void config_free(struct config *c)
{
    if (c == NULL)
        return;
    directory_fini(&c->dir);
    cJSON_Delete(c->root);
    free(c);
}
