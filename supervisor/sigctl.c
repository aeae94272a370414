/*
 * sigctl: the operator's face of the control socket. A thin client: one command, one request, one reply.
 */
#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/id.h"
#include "supervisor/sigctl_link.h"
#include "supervisor/sigctl_show.h"
#include "supervisor/sigctl_top.h"
#include "supervisor/sigctl_upgrade.h"
#include "supervisor/sigctl_wait.h"
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TOP_FIRST_MS 1000 /* between the first two looks */
#define TOP_EVERY_MS 2000
#define UPGRADE_LOOK_MS 200
#define HELP_MAX 16384
#define WAIT_MAX_S 3600

struct options {
    bool json;
    struct sigctl_place place;
    uint32_t times;  /* -n; 0: until stopped */
    uint32_t wait_s; /* --wait; 0: not */
    struct control_request request;
};

static void print_help(void)
{
    struct buf text;
    buf_init(&text, HELP_MAX);
    buf_puts(&text, "sigctl: asks and commands a running SIP signaling service.\n\n"
                    "  sigctl [--json] [--runtime-dir DIR | --socket PATH] COMMAND [ARGUMENTS]\n\n");
    control_put_help(&text);
    buf_puts(&text,
             "\n  --json             the reply as it came, one JSON object\n"
             "  --runtime-dir DIR  the service's runtime directory; else " SIGCTL_RUNTIME_ENV ",\n"
             "                     else " SIGCTL_RUNTIME_DEFAULT "\n"
             "  --socket PATH      the control socket itself\n"
             "  --key KEY          dial, transfer: asked again with it, nothing is done twice\n"
             "  --stays WHO        transfer: caller or callee is joined to the target; else the one whose\n"
             "                     Call-ID is given\n"
             "  --wait S           dial, transfer: until the outcome is known, S seconds at most\n"
             "  -n N               top: N times, else until stopped\n"
             "  --help, --version\n\n"
             "Exit: 0 done, 1 refused, not found, or doctor has findings, 2 usage, 3 cannot reach the supervisor.\n");
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
    if (r->key[0] != '\0' && !control_has_key(r->cmd))
        return usage("--key goes with dial and transfer, not", row->name);
    if (o->wait_s != 0 && !control_has_key(r->cmd))
        return usage("--wait goes with dial and transfer, not", row->name);
    if (r->stays[0] != '\0' && r->cmd != CONTROL_TRANSFER)
        return usage("--stays goes with transfer, not", row->name);
    if (o->times != 0 && r->cmd != CONTROL_TOP)
        return usage("-n goes with top, not", row->name);
    if ((unsigned)args < row->need)
        return usage("an argument is missing for", row->name);
    return -1;
}

/* returns -1 to go on, else the exit code */
static int parse_options(struct options *o, int argc, char **argv)
{
    static const struct option longs[] = {
        {"json", no_argument, NULL, 'j'},         {"runtime-dir", required_argument, NULL, 'r'},
        {"socket", required_argument, NULL, 's'}, {"kill", no_argument, NULL, 'k'},
        {"key", required_argument, NULL, 'K'},    {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},      {"stays", required_argument, NULL, 'S'},
        {"wait", required_argument, NULL, 'w'},   {0},
    };
    bool kill = false;
    int opt;
    opterr = 0; /* one line, and it is ours */
    while ((opt = getopt_long(argc, argv, ":n:", longs, NULL)) != -1) {
        switch (opt) {
        case 'j':
            o->json = true;
            break;
        case 'r':
            o->place.runtime_dir = optarg;
            break;
        case 's':
            o->place.socket = optarg;
            break;
        case 'n':
            if (span_to_u32(span_cstr(optarg), UINT32_MAX, &o->times) != 0 || o->times == 0)
                return usage("-n wants a number from 1 on, not", optarg);
            break;
        case 'k':
            kill = true;
            break;
        case 'K':
            if (!span_copy(o->request.key, CONTROL_ARG_MAX, span_cstr(optarg)))
                return usage("--key wants a shorter text than", optarg);
            break;
        case 'S':
            if (!span_copy(o->request.stays, CONTROL_ARG_MAX, span_cstr(optarg)))
                return usage("--stays wants a shorter text than", optarg);
            break;
        case 'w':
            if (span_to_u32(span_cstr(optarg), WAIT_MAX_S, &o->wait_s) != 0 || o->wait_s == 0)
                return usage("--wait wants a number of seconds from 1 to 3600, not", optarg);
            break;
        case 'h':
            print_help();
            return EX_OK;
        case 'V':
            (void)printf("sigctl %s\n", SIG_VERSION);
            return EX_OK;
        default:
            return usage(opt == ':' ? "a value is missing for" : "that option is not known:", argv[optind - 1]);
        }
    }
    return take_words(o, argc - optind, argv + optind, kill);
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
    bool well = ok && (o->request.cmd != CONTROL_DOCTOR || sigctl_reply_sound(buf_span(reply)));
    return well && rc == 0 ? EX_OK : EX_REFUSED;
}

/* --- top --- */

struct looks {
    struct buf before, after, calls;
    int64_t at_ms; /* of `after` */
};

/* Once more. returns 0, or the exit code */
static int look(const struct options *o, struct looks *l, int64_t *ms)
{
    struct control_request calls = {.cmd = CONTROL_CALLS, .arg = {TOP_CALLS}};
    struct buf old = l->before;
    struct buf why;
    l->before = l->after;
    l->after = old;
    buf_reset(&l->after);
    buf_reset(&l->calls);
    int64_t now = clock_mono_ms();
    if (sigctl_ask(&o->place, &o->request, &l->after) != 0 || sigctl_ask(&o->place, &calls, &l->calls) != 0)
        return EX_NOPEER;
    *ms = now - l->at_ms;
    l->at_ms = now;
    buf_init(&why, HELP_MAX);
    bool ok = sigctl_reply_ok(buf_span(&l->after), &why);
    if (!ok)
        (void)fprintf(stderr, "sigctl: %.*s\n", SPAN_ARG(buf_span(&why)));
    buf_fini(&why);
    return ok ? EX_OK : EX_REFUSED;
}

static int show_look(const struct options *o, const struct looks *l, int64_t ms)
{
    struct buf text;
    struct top_look both = {
        .before = buf_span(&l->before), .after = buf_span(&l->after), .calls = buf_span(&l->calls), .ms = ms};
    buf_init(&text, 4 * CONTROL_REPLY_MAX);
    buf_puts(&text, !o->json && isatty(STDOUT_FILENO) ? "\033[H\033[2J" : "");
    int rc = top_show(&both, o->json, &text);
    (void)fwrite(text.p, 1, text.len, stdout);
    buf_fini(&text);
    return rc == 0 && fflush(stdout) == 0 ? EX_OK : EX_REFUSED;
}

static int top(const struct options *o)
{
    struct looks l = {.at_ms = 0};
    uint32_t times = o->json ? 1 : o->times;
    int64_t ms;
    buf_init(&l.before, CONTROL_REPLY_MAX);
    buf_init(&l.after, CONTROL_REPLY_MAX);
    buf_init(&l.calls, CONTROL_REPLY_MAX);
    int code = look(o, &l, &ms);
    for (uint32_t shown = 0; code == EX_OK && (times == 0 || shown < times); shown++) {
        (void)poll(NULL, 0, shown == 0 ? TOP_FIRST_MS : TOP_EVERY_MS);
        code = look(o, &l, &ms);
        if (code == EX_OK)
            code = show_look(o, &l, ms);
    }
    buf_fini(&l.before);
    buf_fini(&l.after);
    buf_fini(&l.calls);
    return code;
}

/* --- upgrade --- */

/* Our own directory is not the supervisor's. returns 0, or the exit code */
static int make_absolute(char dir[CONTROL_ARG_MAX])
{
    char real[PATH_MAX];
    const char *why = realpath(dir, real) == NULL                         ? strerror(errno)
                      : !span_copy(dir, CONTROL_ARG_MAX, span_cstr(real)) ? "its path is too long"
                                                                          : NULL;
    if (why == NULL)
        return EX_OK;
    (void)fprintf(stderr, "sigctl: %s: %s\n", dir, why);
    return EX_REFUSED;
}

/* Begins it and follows it to its end. */
static int upgrade(struct options *o)
{
    struct upgrade_told told = {.part = {{0}}};
    struct buf reply;
    struct buf text;
    enum upgrade_end end = UPGRADE_GOES_ON;
    int code = make_absolute(o->request.arg[0]);
    buf_init(&reply, CONTROL_REPLY_MAX);
    buf_init(&text, HELP_MAX);
    while (code == EX_OK && end == UPGRADE_GOES_ON) {
        buf_reset(&reply);
        buf_reset(&text);
        code = sigctl_ask(&o->place, &o->request, &reply) == 0 ? EX_OK : EX_NOPEER;
        if (code == EX_OK && !sigctl_reply_ok(buf_span(&reply), &text)) {
            (void)fprintf(stderr, "sigctl: %.*s\n", SPAN_ARG(buf_span(&text)));
            code = EX_REFUSED;
        } else if (code == EX_OK) {
            end = upgrade_show(buf_span(&reply), &told, &text);
            if (!o->json)
                (void)fwrite(text.p, 1, text.len, end == UPGRADE_WENT_WRONG ? stderr : stdout);
            (void)fflush(stdout);
            o->request.arg[0][0] = '\0'; /* from now on: how does it stand? */
            (void)poll(NULL, 0, end == UPGRADE_GOES_ON ? UPGRADE_LOOK_MS : 0);
        }
    }
    if (o->json && code != EX_NOPEER)
        (void)printf("%.*s\n", SPAN_ARG(buf_span(&reply)));
    buf_fini(&reply);
    buf_fini(&text);
    return code != EX_OK ? code : end == UPGRADE_WENT_WELL ? EX_OK : EX_REFUSED;
}

static int one_command(const struct options *o)
{
    struct buf reply;
    buf_init(&reply, CONTROL_REPLY_MAX);
    int code = sigctl_ask(&o->place, &o->request, &reply) == 0 ? show(o, &reply) : EX_NOPEER;
    buf_fini(&reply);
    return code;
}

/* Without a key of his the operator's question gets one, by which its outcome is found. */
static int command_and_wait(struct options *o)
{
    if (o->request.key[0] == '\0')
        id_uuid(o->request.key);
    struct sigctl_outcome what = {.place = &o->place, .request = &o->request, .wait_s = o->wait_s};
    struct buf reply;
    buf_init(&reply, CONTROL_REPLY_MAX);
    int code = sigctl_wait(&what, &reply);
    if (code != EX_NOPEER)
        code = show(o, &reply) == EX_OK ? code : EX_REFUSED;
    buf_fini(&reply);
    return code;
}

int main(int argc, char **argv)
{
    struct options o = {.json = false};
    int code = parse_options(&o, argc, argv);
    if (code >= 0)
        return code;
    if (o.request.cmd == CONTROL_TOP)
        return top(&o);
    if (o.request.cmd == CONTROL_UPGRADE && o.request.arg[0][0] != '\0')
        return upgrade(&o);
    return o.wait_s != 0 ? command_and_wait(&o) : one_command(&o);
}
