/*
 * sigctl: the operator's face of the control socket. A thin client: one command, one request, one reply.
 */
#include "common/base/err.h"
#include "supervisor/sigctl_show.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define RUNTIME_ENV "SIP_SIGNALING_SERVICE_RUNTIME_DIR"
#define RUNTIME_DEFAULT "/run/sentiric-sip-signaling"
#define REPLY_TIMEOUT_S 10
#define HELP_MAX 16384

struct options {
    bool json;
    const char *runtime_dir;
    const char *socket;
    struct control_request request;
};

static void print_help(void)
{
    struct buf text;
    buf_init(&text, HELP_MAX);
    buf_puts(&text, "sigctl: asks and commands a running SIP signaling service.\n\n"
                    "  sigctl [--json] [--runtime-dir DIR | --socket PATH] COMMAND [ARGUMENTS]\n\n");
    control_put_help(&text);
    buf_puts(&text, "\n  --json             the reply as it came, one JSON object\n"
                    "  --runtime-dir DIR  the service's runtime directory; else " RUNTIME_ENV ",\n"
                    "                     else " RUNTIME_DEFAULT "\n"
                    "  --socket PATH      the control socket itself\n"
                    "  --help, --version\n\n"
                    "Exit: 0 done, 1 refused or not found, 2 usage, 3 cannot reach the supervisor.\n");
    (void)fwrite(text.p, 1, text.len, stdout);
    buf_fini(&text);
}

static int usage(const char *what, const char *name)
{
    (void)fprintf(stderr, "sigctl: %s%s%s; see sigctl --help\n", what, name != NULL ? " " : "",
                  name != NULL ? name : "");
    return EX_BADUSE;
}

/* The words after the options: a command and its arguments. */
static int take_words(struct options *o, int cnt, char **word, bool kill)
{
    int id = cnt > 0 ? control_find(span_cstr(word[0])) : -1;
    if (id < 0)
        return cnt > 0 ? usage("no command", word[0]) : usage("a command is missing", NULL);
    const struct control_cmd *row = &control_cmds[id];
    struct control_request *r = &o->request;
    r->cmd = (enum control_id)id;
    r->flag = kill;
    int args = 0;
    for (int i = 1; i < cnt; i++) {
        if (row->flag != NULL && row->key[0] == NULL && strcmp(word[i], row->flag) == 0)
            r->flag = true; /* `drain off` */
        else if (args == CONTROL_ARGS || row->key[args] == NULL)
            return usage("too many arguments for", row->name);
        else if (!span_copy(r->arg[args++], CONTROL_ARG_MAX, span_cstr(word[i])))
            return usage("argument too long for", row->name);
    }
    if (kill && (row->flag == NULL || strcmp(row->flag, "kill") != 0))
        return usage("--kill goes with restart, not", row->name);
    if ((unsigned)args < row->need)
        return usage("an argument is missing for", row->name);
    return -1;
}

/* returns -1 to go on, else the exit code */
static int parse_options(struct options *o, int argc, char **argv)
{
    static const struct option longs[] = {
        {"json", no_argument, NULL, 'j'},
        {"runtime-dir", required_argument, NULL, 'r'},
        {"socket", required_argument, NULL, 's'},
        {"kill", no_argument, NULL, 'k'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {0},
    };
    bool kill = false;
    int opt;
    while ((opt = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (opt) {
        case 'j':
            o->json = true;
            break;
        case 'r':
            o->runtime_dir = optarg;
            break;
        case 's':
            o->socket = optarg;
            break;
        case 'k':
            kill = true;
            break;
        case 'h':
            print_help();
            return EX_OK;
        case 'V':
            (void)printf("sigctl %s\n", SIG_VERSION);
            return EX_OK;
        default:
            return usage("that option is not known", NULL);
        }
    }
    return take_words(o, argc - optind, argv + optind, kill);
}

/* returns a connected socket, or -1 with the reason told */
static int reach(const struct options *o)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const struct timeval patience = {.tv_sec = REPLY_TIMEOUT_S};
    const char *dir = o->runtime_dir != NULL ? o->runtime_dir : getenv(RUNTIME_ENV);
    int n = o->socket != NULL ? snprintf(a.sun_path, sizeof a.sun_path, "%s", o->socket)
                              : snprintf(a.sun_path, sizeof a.sun_path, "%s/" CONTROL_SOCKET,
                                         dir != NULL && dir[0] != '\0' ? dir : RUNTIME_DEFAULT);
    if (n >= (int)sizeof a.sun_path) {
        (void)fprintf(stderr, "sigctl: the path of the control socket is too long\n");
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&a, sizeof a) != 0) {
        (void)fprintf(stderr, "sigctl: cannot reach the supervisor at %s: %s\n", a.sun_path, strerror(errno));
        if (fd >= 0)
            (void)close(fd);
        return -1;
    }
    return fd;
}

static int send_all(int fd, struct span s)
{
    while (s.len > 0) {
        ssize_t n = send(fd, s.p, s.len, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return -1;
        s = span_from(s, n > 0 ? (size_t)n : 0);
    }
    return 0;
}

/* One line, its newline cut off. returns 0, or -1 */
static int read_line(int fd, struct buf *line)
{
    for (;;) {
        char *p = buf_reserve(line, 65536);
        ssize_t n = p != NULL ? recv(fd, p, 65536, 0) : -1;
        if (n < 0 && p != NULL && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        buf_commit(line, (size_t)n);
        if (line->p[line->len - 1] == '\n') {
            line->len--;
            return 0;
        }
    }
}

static int talk(const struct options *o, struct buf *reply)
{
    struct buf request;
    int fd = reach(o);
    if (fd < 0)
        return -1;
    buf_init(&request, CONTROL_LINE_MAX);
    control_put_request(&request, &o->request);
    int rc = request.failed || send_all(fd, buf_span(&request)) != 0 || read_line(fd, reply) != 0 ? -1 : 0;
    if (rc != 0)
        (void)fprintf(stderr, "sigctl: the supervisor gave no answer\n");
    buf_fini(&request);
    (void)close(fd);
    return rc;
}

static int show(const struct options *o, const struct buf *reply)
{
    struct buf text;
    struct buf error;
    buf_init(&text, 4 * CONTROL_REPLY_MAX);
    buf_init(&error, HELP_MAX);
    bool ok = sigctl_reply_ok(buf_span(reply), &error);
    if (o->json) {
        buf_put_span(&text, buf_span(reply));
        buf_putc(&text, '\n');
    } else if (ok) {
        sigctl_show(o->request.cmd, buf_span(reply), &text);
    } else {
        (void)fprintf(stderr, "sigctl: %.*s\n", SPAN_ARG(buf_span(&error)));
    }
    (void)fwrite(text.p, 1, text.len, stdout);
    int rc = fflush(stdout);
    buf_fini(&text);
    buf_fini(&error);
    return ok && rc == 0 ? EX_OK : EX_REFUSED;
}

int main(int argc, char **argv)
{
    struct options o = {.json = false};
    struct buf reply;
    int code = parse_options(&o, argc, argv);
    if (code >= 0)
        return code;
    buf_init(&reply, CONTROL_REPLY_MAX);
    code = talk(&o, &reply) == 0 ? show(&o, &reply) : EX_NOPEER;
    buf_fini(&reply);
    return code;
}
