/*
 * config: the one JSON file that the local platform is made from. Layer: tests/platform.
 * tests/platform/README.md describes the file; default.json is the one that a fresh checkout runs with.
 */
#ifndef TESTS_PLATFORM_CONFIG_H
#define TESTS_PLATFORM_CONFIG_H

#include "tests/platform/directory.h"
#include "tests/platform/faults.h"

enum play_layout {
    PLAY_ANY = 0,  /* whichever field reads as ip:port is the target */
    PLAY_1_8 = 1,  /* field 1 is the target */
    PLAY_1_13 = 2, /* field 3 is the target */
};

struct config {
    cJSON *root; /* owns every string */
    const char *realm;
    enum action_shape action_shape;
    enum play_layout play_layout;
    bool data_uris; /* PlayAudio takes data: URIs */
    bool echo;      /* RTP is echoed from the start, not only after control://enable_echo */
    bool ledger_rpcs;
    unsigned punch_packets; /* RTP silence that PlayAudio sends at once */
    int keepalive_min_ms;
    const char *rtp_address; /* fixed at start, like the next four */
    uint16_t rtp_port_min;
    uint16_t rtp_port_max;
    int64_t quarantine_ms;
    bool rtp_next_if_taken;
    struct directory dir;
    struct faults faults;
};

/**
 * methods: names of the RPCs that faults may be set for, n of them
 * returns the configuration (config_free), or NULL with one line of reason in fault
 */
struct config *config_load(const char *path, const char *const *methods, size_t n, char *fault, size_t fault_size);
void config_free(struct config *c);

#define FILE_BYTES_MAX (16u << 20)
/** Whole content of a small file, NUL-terminated, from malloc; NULL with a reason in fault. */
char *file_read(const char *path, char *fault, size_t fault_size);

#endif
