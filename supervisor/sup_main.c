/*
 * The supervisor's command line.
 */
#include "supervisor/sup.h"

#include "common/base/err.h"
#include "common/base/log.h"
#include "common/rt/crypt.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TEXT_MAX 65536

struct options {
    const char *conf_file;
    const char *worker_dir; /* NULL: beside this program */
    bool check;
};

static void print_help(void)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    buf_puts(&text, "supervisor: runs the SIP signaling service in the foreground.\n\n"
                    "  --config FILE    settings as NAME=VALUE lines; the environment wins over the file\n"
                    "  --check-config   check settings and certificates, print them (secrets masked), and leave\n"
                    "  --workers DIR    where the worker programs are (default: beside this one)\n"
                    "  --help, --version\n\n"
                    "SIGTERM, SIGINT: stop when calls have ended; again: at once.  SIGHUP: read log level and\n"
                    "certificates again.\n"
                    "Exit: 0 stopped as asked, 2 bad option, setting or certificate, 4 port in use or a second\n"
                    "instance, 5 runtime or state directory unusable, 6 nothing useful left running, 7 internal.\n\n"
                    "Settings, from the environment or the file:\n\n");
    conf_help(&text, false);
    (void)fwrite(text.p, 1, text.len, stdout);
    buf_fini(&text);
}

/* returns -1 to go on, else the exit code */
static int parse_options(struct options *o, int argc, char **argv)
{
    static const struct option longs[] = {
        {"config", required_argument, NULL, 'c'},  {"check-config", no_argument, NULL, 'k'},
        {"workers", required_argument, NULL, 'w'}, {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},       {0},
    };
    int opt;
    opterr = 0; /* one line, and it is ours */
    while ((opt = getopt_long(argc, argv, ":", longs, NULL)) != -1) {
        switch (opt) {
        case 'c':
            o->conf_file = optarg;
            break;
        case 'k':
            o->check = true;
            break;
        case 'w':
            o->worker_dir = optarg;
            break;
        case 'h':
            print_help();
            return EX_OK;
        case 'V':
            (void)printf("supervisor %s\n", SIG_VERSION);
            return EX_OK;
        default:
            (void)fprintf(stderr, "supervisor: %s %s; see supervisor --help\n", argv[optind - 1],
                          opt == ':' ? "lacks its value" : "is no option, or one without a value");
            return EX_BADUSE;
        }
    }
    if (optind == argc)
        return -1;
    (void)fprintf(stderr, "supervisor: \"%s\" is no option; see supervisor --help\n", argv[optind]);
    return EX_BADUSE;
}

static void print_faults(const struct buf *err)
{
    struct span rest = buf_span(err);
    while (rest.len > 0) {
        size_t n = span_find(rest, '\n');
        if (n > 0)
            (void)fprintf(stderr, "supervisor: error: %.*s\n", SPAN_ARG(span_of(rest.p, n)));
        rest = span_from(rest, n + 1);
    }
}

/* Names that compose files of the platform set and that mean nothing here: one line, and the start goes on. */
static void tell_ignored(const struct sup *s, bool check)
{
    static const char what[] = "settings of the platform that have no meaning here are ignored";
    struct buf names;
    buf_init(&names, TEXT_MAX);
    conf_put_ignored(&s->conf, &names);
    if (names.len > 0 && check)
        (void)fprintf(stderr, "supervisor: warning: %s: %s\n", what, buf_cstr(&names));
    else if (names.len > 0)
        log_ev(LOG_WARN, what, log_s("settings", buf_span(&names)));
    buf_fini(&names);
}

static int load(struct sup *s, const struct options *o)
{
    struct buf err;
    buf_init(&err, TEXT_MAX);
    int rc = conf_load(&s->conf, o->conf_file, s->envp, &err);
    print_faults(&err);
    buf_fini(&err);
    return rc == 0 ? EX_OK : EX_BADUSE;
}

/* As the account that will read the files, if we may become it. */
static int check_outside(struct sup *s, struct buf *err)
{
    const struct conf *c = &s->conf;
    struct priv_user u;
    if (priv_find(&u, conf_str(c, SET_USER), err) != 0 || priv_drop(&u, err) != 0)
        return -1;
    if (conf_check_files(c, err) != 0)
        return -1;
    return crypt_check_keypair(conf_str(c, SET_CERT_PATH), conf_str(c, SET_KEY_PATH), conf_str(c, SET_CA_PATH), err);
}

static int check_config(struct sup *s)
{
    struct buf text;
    tell_ignored(s, true);
    buf_init(&text, TEXT_MAX);
    conf_print(&s->conf, &text);
    (void)fwrite(text.p, 1, text.len, stdout);
    (void)fflush(stdout);
    buf_reset(&text);
    int rc = check_outside(s, &text);
    print_faults(&text);
    buf_fini(&text);
    return rc == 0 ? EX_OK : EX_BADUSE;
}

static int find_workers(struct sup *s, const char *dir)
{
    if (dir != NULL)
        return span_copy(s->worker_dir, sizeof s->worker_dir, span_cstr(dir)) ? 0 : -1;
    ssize_t n = readlink("/proc/self/exe", s->worker_dir, sizeof s->worker_dir - 1);
    if (n <= 0)
        return -1;
    s->worker_dir[n] = '\0';
    char *slash = strrchr(s->worker_dir, '/');
    if (slash == NULL)
        return -1;
    *slash = '\0';
    return 0;
}

static int run(struct sup *s, const struct options *o)
{
    if (find_workers(s, o->worker_dir) != 0) {
        (void)fprintf(stderr, "supervisor: cannot tell where the worker programs are; name it with --workers DIR\n");
        return EX_BADUSE;
    }
    log_init("supervisor", conf_is(&s->conf, SET_ENV, "production"),
             (enum log_level)log_level_parse(span_cstr(conf_str(&s->conf, SET_LOG_LEVEL))));
    tell_ignored(s, false);
    int code = start_prepare(s);
    if (code != EX_OK) {
        start_undo(s);
        return code;
    }
    log_ev(LOG_INFO, "starting", log_z("version", SIG_VERSION), log_n("pid", getpid()),
           log_z("listen", conf_str(&s->conf, SET_LISTEN_ADDRESS)), log_n("sip_port", conf_u32(&s->conf, SET_SIP_PORT)),
           log_z("runtime_dir", conf_str(&s->conf, SET_RUNTIME_DIR)));
    priv_allow_cores(conf_is(&s->conf, SET_CORE_DUMPS, "true"));
    code = sup_run(s);
    log_ev(code == EX_OK ? LOG_INFO : LOG_ERROR, "stopped", log_n("exit", code));
    return code;
}

int sup_main(int argc, char **argv, char **envp)
{
    static struct sup s; /* large, and one a process */
    struct options o = {.check = false};
    int code = parse_options(&o, argc, argv);
    if (code >= 0)
        return code;
    priv_allow_cores(false); /* until the settings say otherwise: some of them are secret */
    s.envp = envp;
    s.conf_file = o.conf_file;
    for (size_t i = 0; i < SUP_LOCKS; i++)
        s.lock_fd[i] = -1;
    log_init("supervisor", false, LOG_INFO);
    conf_init(&s.conf);
    code = load(&s, &o);
    if (code == EX_OK)
        code = o.check ? check_config(&s) : run(&s, &o);
    conf_fini(&s.conf);
    return code;
}
