/* Two ends in one process: whom a certificate proves to be whom, and who is refused. */
#include "sip-edge/edge_tls.h"
#include "tests/unit/testkit.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATH_SIZE 64

static char dir[] = "/tmp/edge-tls.XXXXXX";

static void path_of(const char *name, const char *end, char *out)
{
    (void)snprintf(out, PATH_SIZE, "%s/%s.%s", dir, name, end);
}

/* A certificate that is its own CA. san: value of subjectAltName, or "": none */
static void make_pair(const char *name, const char *common_name, const char *san)
{
    char cmd[1024];
    (void)snprintf(cmd, sizeof(cmd),
                   "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=%s "
                   "-keyout %s/%s.key -out %s/%s.crt %s%s >/dev/null 2>&1",
                   common_name, dir, name, dir, name, san[0] != '\0' ? "-addext subjectAltName=" : "", san);
    assert_int_equal(system(cmd), 0);
}

static struct edge_tls_ctx *ctx_of(const char *own, const char *ca, enum edge_tls_auth auth)
{
    char crt[PATH_SIZE], key[PATH_SIZE], ca_crt[PATH_SIZE];
    struct buf err;
    path_of(own, "crt", crt);
    path_of(own, "key", key);
    path_of(ca, "crt", ca_crt);
    buf_init(&err, 1024);
    struct edge_tls_ctx *ctx = edge_tls_ctx_new(
        &(struct edge_tls_conf){.cert_path = crt, .key_path = key, .ca_path = ca_crt, .auth = auth}, &err);
    assert_non_null(ctx);
    buf_fini(&err);
    return ctx;
}

static struct {
    struct edge_tls *server, *client;
    int fd[2];
} t;

static void open_ends(const struct edge_tls_ctx *server, const struct edge_tls_ctx *client, const char *name)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, t.fd), 0);
    t.server = edge_tls_accept(server, t.fd[0]);
    t.client = edge_tls_connect(client, t.fd[1], name);
    assert_true(t.server != NULL && t.client != NULL);
}

static void close_ends(void)
{
    edge_tls_free(t.server);
    edge_tls_free(t.client);
    (void)close(t.fd[0]);
    (void)close(t.fd[1]);
}

/* How it ends for the client; the server may hear of it later. */
static int shake(int *server)
{
    int client = EDGE_TLS_WANT_READ;
    *server = EDGE_TLS_WANT_READ;
    for (int i = 0; i < 20; i++) {
        if (client != 1 && client != EDGE_TLS_FAILED)
            client = edge_tls_handshake(t.client);
        if (*server != 1 && *server != EDGE_TLS_FAILED)
            *server = edge_tls_handshake(t.server);
    }
    return client;
}

static void names_of_certificates(void **state)
{
    static const struct {
        const char *common_name, *san, *asked;
        bool good;
    } rows[] = {
        {"x", "DNS:sip.example.com", "sip.example.com", true},
        {"x", "DNS:sip.example.com", "SIP.Example.COM", true},
        {"x", "DNS:sip.example.com", "example.com", false},
        {"x", "DNS:*.example.com", "sip.example.com", false},
        {"x", "URI:sip:example.com", "example.com", true},
        {"x", "URI:sip:example.com,DNS:other.com", "other.com", false},
        {"x", "URI:sip:a@example.com,DNS:other.com", "other.com", true},
        {"x", "URI:sip:a.com,URI:sip:b.com", "b.com", true},
        {"x", "URI:https://example.com,DNS:example.com", "example.com", true},
        {"example.com", "", "example.com", true},
        {"example.com", "DNS:other.com", "example.com", false},
        {"x", "IP:192.0.2.7", "192.0.2.7", true},
        {"x", "IP:2001:db8::7", "2001:db8::7", true},
        {"x", "IP:192.0.2.7", "192.0.2.8", false},
        {"x", "DNS:192.0.2.7", "192.0.2.7", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int server;
        make_pair("server", rows[i].common_name, rows[i].san);
        struct edge_tls_ctx *ctx = ctx_of("server", "server", EDGE_TLS_AUTH_NONE);
        open_ends(ctx, ctx, rows[i].asked);
        int client = shake(&server);
        if ((client == 1) != rows[i].good)
            print_error("row %zu: %s asked of %s: %s\n", i, rows[i].asked, rows[i].san, edge_tls_why(t.client));
        assert_int_equal(client == 1, rows[i].good);
        assert_true(rows[i].good || edge_tls_why(t.client)[0] != '\0');
        close_ends();
        edge_tls_ctx_free(ctx);
    }
}

static void signed_by_another(void **state)
{
    int server;
    (void)state;
    make_pair("one", "x", "DNS:a.com");
    make_pair("two", "x", "DNS:a.com");
    struct edge_tls_ctx *one = ctx_of("one", "one", EDGE_TLS_AUTH_NONE);
    struct edge_tls_ctx *two = ctx_of("two", "two", EDGE_TLS_AUTH_NONE);
    open_ends(one, two, "a.com");
    assert_int_equal(shake(&server), EDGE_TLS_FAILED);
    assert_non_null(strstr(edge_tls_why(t.client), "self-signed"));
    close_ends();
    edge_tls_ctx_free(one);
    edge_tls_ctx_free(two);
}

static void a_client_without_a_good_certificate(void **state)
{
    static const struct {
        const char *client;
        enum edge_tls_auth auth;
        bool good;
    } rows[] = {
        {"two", EDGE_TLS_AUTH_NONE, true},      {"one", EDGE_TLS_AUTH_OPTIONAL, true},
        {"two", EDGE_TLS_AUTH_OPTIONAL, false}, {"one", EDGE_TLS_AUTH_REQUIRED, true},
        {"two", EDGE_TLS_AUTH_REQUIRED, false},
    };
    (void)state;
    make_pair("one", "x", "DNS:a.com");
    make_pair("two", "x", "DNS:a.com");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int server;
        struct edge_tls_ctx *ours = ctx_of("one", "one", rows[i].auth);
        struct edge_tls_ctx *theirs = ctx_of(rows[i].client, "one", EDGE_TLS_AUTH_NONE);
        open_ends(ours, theirs, "a.com");
        (void)shake(&server);
        assert_int_equal(server == 1, rows[i].good);
        close_ends();
        edge_tls_ctx_free(ours);
        edge_tls_ctx_free(theirs);
    }
}

/* Both ways, through the end; a connection outlives the certificates it was made with. */
static void bytes_go_through(void **state)
{
    char text[64];
    int server;
    (void)state;
    make_pair("one", "x", "DNS:a.com");
    struct edge_tls_ctx *ctx = ctx_of("one", "one", EDGE_TLS_AUTH_NONE);
    open_ends(ctx, ctx, "a.com");
    edge_tls_ctx_free(ctx);
    assert_int_equal(shake(&server), 1);
    assert_int_equal(edge_tls_read(t.server, text, sizeof(text)), EDGE_TLS_WANT_READ);
    assert_int_equal(edge_tls_write(t.client, "hello", 5), 5);
    assert_int_equal(edge_tls_read(t.server, text, 2), 2);
    assert_true(edge_tls_has_pending(t.server));
    assert_int_equal(edge_tls_read(t.server, text, sizeof(text)), 3);
    assert_false(edge_tls_has_pending(t.server));
    edge_tls_bye(t.client);
    assert_int_equal(edge_tls_read(t.server, text, sizeof(text)), EDGE_TLS_END);
    close_ends();
}

static void files_that_cannot_be_used(void **state)
{
    char crt[PATH_SIZE], key[PATH_SIZE];
    struct buf err;
    (void)state;
    make_pair("one", "x", "DNS:a.com");
    make_pair("two", "x", "DNS:a.com");
    path_of("one", "crt", crt);
    path_of("two", "key", key);
    buf_init(&err, 1024);
    struct edge_tls_conf conf = {.cert_path = crt, .key_path = key, .ca_path = crt};
    assert_null(edge_tls_ctx_new(&conf, &err));
    assert_non_null(strstr(buf_cstr(&err), "two.key: is no key of that certificate"));
    conf.cert_path = key;
    assert_null(edge_tls_ctx_new(&conf, &err));
    assert_non_null(strstr(buf_cstr(&err), "is no certificate chain"));
    buf_fini(&err);
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static int remove_dir(void **state)
{
    char cmd[PATH_SIZE + 16];
    (void)state;
    (void)snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
    return system(cmd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_certificates),     cmocka_unit_test(signed_by_another),
        cmocka_unit_test(bytes_go_through),          cmocka_unit_test(a_client_without_a_good_certificate),
        cmocka_unit_test(files_that_cannot_be_used),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
