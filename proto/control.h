/*
 * control: what is said on the supervisor's control socket. Layer: proto. Pure.
 *
 * A request is one line with one JSON object: {"cmd":"call","id":"a0-7x…"}; members that the command does not know are
 * ignored. The reply is one line with one JSON object. Every reply has "v" (CONTROL_VERSION) and "ok"; when ok is false
 * also "error", a stable word, and "message", for people. Further members are the command's (docs/operations.md).
 * A connection may send one request after the other; they are answered in order.
 */
#ifndef PROTO_CONTROL_H
#define PROTO_CONTROL_H

#include "common/base/buf.h"

#define CONTROL_VERSION 1
#define CONTROL_SOCKET "control.sock"
#define CONTROL_LINE_MAX 4096         /* bytes of a request, newline included */
#define CONTROL_REPLY_MAX (16L << 20) /* bytes of a reply, newline included */
#define CONTROL_ARG_MAX 512           /* bytes of one argument */
#define CONTROL_ARGS 2

/* Stable error words. */
#define CONTROL_EBADREQUEST "bad_request" /* no JSON object, no command, an argument missing or of the wrong kind */
#define CONTROL_EUNKNOWN "unknown_command"
#define CONTROL_ENOTFOUND "not_found"
#define CONTROL_EREFUSED "refused"
#define CONTROL_EUNAVAILABLE "unavailable" /* the worker that knows is down or did not answer */
#define CONTROL_EBUSY "busy"               /* too many clients or commands at once */
#define CONTROL_ETOOLARGE "too_large"      /* the reply does not fit */

enum control_id {
#define CTL_CMD(id, ...) CONTROL_##id,
#include "proto/control_cmds.def"
#undef CTL_CMD
    CONTROL_CMDS
};

struct control_cmd {
    const char *name;
    const char *usage;
    const char *key[CONTROL_ARGS]; /* NULL: none */
    unsigned need;
    const char *flag; /* NULL: none */
    const char *help;
};

extern const struct control_cmd control_cmds[CONTROL_CMDS];

struct control_request {
    enum control_id cmd;
    char arg[CONTROL_ARGS][CONTROL_ARG_MAX]; /* "" when absent */
    bool flag;
    char key[CONTROL_ARG_MAX];   /* of idempotency, of a command that has one; "" when absent */
    char stays[CONTROL_ARG_MAX]; /* transfer: "caller", "callee"; "" when absent */
};

#define CONTROL_KEY "key"
#define CONTROL_STAYS "stays"
/** Asked again with the same key nothing is done twice. */
bool control_has_key(enum control_id cmd);

/** The row of a command's name, or -1. */
int control_find(struct span name);

/**
 * One request line, without its newline.
 * error    the stable word when it is refused
 * message  a sentence for people, for instance which argument is missing
 * returns 0 with *out written, or -1 with *error and *message (static texts)
 */
int control_parse(struct span line, struct control_request *out, const char **error, const char **message);

/** The request as the line sigctl sends, newline included. */
void control_put_request(struct buf *out, const struct control_request *r);
/** Its arguments alone as one JSON object, as a worker gets them. */
void control_put_args(struct buf *out, const struct control_request *r);

/** One argument out of what control_put_args wrote, "" when it is not there. returns 0, or -1: no object, or no text
 * that fits. */
int control_get_arg(const char *json, const char *key, char out[CONTROL_ARG_MAX]);

/** A JSON string with its quotes; bytes that are no UTF-8 become U+FFFD, control characters are escaped. */
void control_put_string(struct buf *out, struct span s);
/** {"v":1,"ok":false,"error":…,"message":…} and a newline. */
void control_put_error(struct buf *out, const char *error, const char *message);

/** sigctl's and the supervisor's help: one aligned line a command. */
void control_put_help(struct buf *out);

/** Text that may stand on a terminal: line ends stay, other control and direction characters are written as \\xNN. */
void control_put_printable(struct buf *out, struct span s);

#endif
