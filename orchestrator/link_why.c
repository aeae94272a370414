#include "orchestrator/link_why.h"
#include <stdio.h>

#define SSL_WORDS "SSL routines::" /* in front of OpenSSL's reason */

/* The first row whose words occur wins. With TLS 1.3 a server refuses our certificate after our side of the handshake
 * has succeeded, so that all we see is a connection that closes; an alert, when the server sends one, is only in the
 * log. */
static const struct row {
    const char *words;
    bool in_fault; /* looked for in the TLS fault, not in the status */
    bool lasting;
    const char *means;
} rows[] = {
    {"Hostname Verification Check failed", false, true, "the server's certificate is not for the expected name"},
    {"alert certificate required", true, true, "the server wants a client certificate and got none"},
    {"alert bad certificate", true, true, "the server refuses our client certificate"},
    {"alert unknown ca", true, true, "the server refuses our client certificate: it does not know our CA"},
    {"alert certificate expired", true, true, "the server refuses our client certificate: it has expired"},
    {"alert unsupported certificate", true, true, "the server refuses our client certificate: not for this use"},
    {"alert", true, true, "the server refused the TLS handshake"},
    {"certificate verify failed", false, true, "the server's certificate is not signed by our CA, or has expired"},
    {"wrong version number", false, true, "the server does not speak TLS on this port"},
    {"missing selected ALPN", false, true, "the server speaks TLS but not HTTP/2 (no ALPN h2)"},
    {"Invalid private key", true, true, "our key cannot be used"},
    {"empty address list", false, true, "our certificate and key cannot be used, or the name has no address"},
    {"Connection refused", false, false, "connection refused"},
    {"DNS resolution failed", false, false, "the host name cannot be resolved"},
    {"No route to host", false, false, "no route to the host"},
    {"Network is unreachable", false, false, "the network is unreachable"},
    {"timed out", false, false, "the server does not answer"},
    {"Timeout", false, false, "the server does not answer"},
    {"Socket closed", false, true, "closed right after the handshake: the server may refuse our client certificate"},
    {"Endpoint read failed", false, true,
     "closed right after the handshake: the server may refuse our client certificate"},
    {"Connection reset", false, true, "reset during the handshake: the server may refuse our client certificate"},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* The library's sentence without its own preamble. */
static const char *skip_preamble(const char *z)
{
    static const char *const preambles[] = {
        "failed to connect to all addresses; last error: ", "UNKNOWN: ", "UNAVAILABLE: ", "INTERNAL: "};
    for (size_t i = 0; i < sizeof(preambles) / sizeof(preambles[0]); i++) {
        size_t n = strlen(preambles[i]);
        if (strncmp(z, preambles[i], n) == 0)
            z += n;
    }
    return z;
}

static const struct row *find_row(const struct link_why_args *a)
{
    static const struct row unknown = {.means = "cannot connect"};
    for (size_t i = 0; i < ROWS; i++)
        if (strstr(rows[i].in_fault ? a->tls_fault : a->status, rows[i].words) != NULL)
            return &rows[i];
    return &unknown;
}

bool link_why(const struct link_why_args *a, char *out)
{
    const struct row *row = find_row(a);
    const char *fault = strstr(a->status, SSL_WORDS) == NULL ? strstr(a->tls_fault, SSL_WORDS) : NULL; /* said once */
    (void)snprintf(out, LINK_WHY_SIZE, "%s (%.160s%s%.80s; name expected: %.40s)", row->means, skip_preamble(a->status),
                   fault != NULL ? "; " : "", fault != NULL ? fault + strlen(SSL_WORDS) : "", a->tls_name);
    return row->lasting;
}
