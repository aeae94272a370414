/*
 * chaos_wire: reads a capture of the service's UDP (pcap on standard input, as `dumpcap -P -w -` writes it) while it
 * comes, and says what nobody may see on the wire, whoever was killed (RFC 3261 §8.2.6, §12.2.1.1, §17.2):
 *   differs   a second final response to one request with another status or To tag
 *   late      a provisional response behind the final one
 *   unasked   a response to a request that was not seen
 *   cseq      a new request of the service in a dialog whose CSeq does not grow
 * Besides it counts what was said again, with the time of the first time, and writes the gaps between what only a
 * living process lets out:
 *   any       anything                 actor   a final response but to OPTIONS and REGISTER
 *   platform  a first 2xx to a call that the platform answers (caller.h: kinds a, h, p, t)
 *   registrar a 2xx to REGISTER
 * Prints one line of JSON at the end of the capture, or as soon as it sees a request whose Call-ID is END: what was
 * said before that has been seen.
 */
#include "common/base/map.h"
#include "tests/bench/load.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCAP_MAGIC_US 0xa1b2c3d4u
#define PCAP_MAGIC_NS 0xa1b23c4du
#define PACKET_MAX 262144
#define ETHERNET_LEN 14
#define UDP_LEN 8
#define GAP_MIN_US 20000 /* shorter ones are not written */
#define EXAMPLES_MAX 20
#define KEY_MAX 512
#define END "end-of-capture@chaos"

/* A transaction, by who asks, branch, Call-ID and CSeq; or a dialog of which the service is the asking side. */
struct seen {
    struct map_node by_key;
    unsigned times; /* the request was seen */
    unsigned final; /* status; of a dialog: the last CSeq */
    uint64_t hash;  /* of the To tag of the final response; of a dialog: of the branch of its last request */
    int64_t at_us;  /* the request was seen first */
};

enum fault { DIFFERS = 0, LATE, UNASKED, CSEQ, FAULTS };
enum gap { ANY = 0, ACTOR, PLATFORM, REGISTRAR, GAPS };
static const char *const fault_names[FAULTS] = {"differs", "late", "unasked", "cseq"};
static const char *const gap_names[GAPS] = {"any", "actor", "platform", "registrar"};

struct gap_list {
    int64_t last_us; /* 0: nothing yet */
    int64_t *us;     /* pairs: from, to */
    size_t cnt, room;
};

/* When a request was heard first that was heard again, once for each time again. */
static struct {
    int64_t *at_us;
    size_t cnt, room;
} again;

static struct map transactions, dialogs;
static struct gap_list gaps[GAPS];
static unsigned long faults[FAULTS], packets, heard, said, heard_again, said_again, finals_again, status_cnt[700];
static uint16_t sip_port;
static bool ended;

/* --- the books --- */

static void complain(enum fault f, struct span m, int64_t at_us)
{
    if (faults[f]++ >= EXAMPLES_MAX)
        return;
    struct span id = load_header(m, "Call-ID: "), cseq = load_header(m, "CSeq: ");
    (void)fprintf(stderr, "%lld %.*s %s %.*s \"%.*s\"\n", (long long)(at_us / 1000), SPAN_ARG(id), fault_names[f],
                  SPAN_ARG(cseq), (int)span_find(m, '\r'), m.p);
}

static void note_gap(enum gap g, int64_t at_us)
{
    struct gap_list *l = &gaps[g];
    if (l->last_us != 0 && at_us - l->last_us >= GAP_MIN_US) {
        if (l->cnt == l->room) {
            l->room = l->room * 2 + 64;
            l->us = realloc(l->us, 2 * l->room * sizeof(*l->us));
            if (l->us == NULL)
                load_stop("memory");
        }
        l->us[2 * l->cnt] = l->last_us;
        l->us[2 * l->cnt + 1] = at_us;
        l->cnt++;
    }
    l->last_us = at_us;
}

static void note_again(const struct seen *t)
{
    if (again.cnt == again.room) {
        again.room = again.room * 2 + 64;
        again.at_us = realloc(again.at_us, again.room * sizeof(*again.at_us));
        if (again.at_us == NULL)
            load_stop("memory");
    }
    again.at_us[again.cnt++] = t->at_us;
}

/* Made when it is not there. */
static struct seen *seen_of(struct map *m, struct span key)
{
    struct map_node *n = map_get(m, key);
    if (n != NULL)
        return MAP_ENTRY(n, struct seen, by_key);
    struct seen *s = calloc(1, sizeof(*s) + key.len);
    if (s == NULL)
        load_stop("memory");
    char *kept = (char *)(s + 1);
    (void)memcpy(kept, key.p, key.len);
    if (map_put(m, &s->by_key, span_of(kept, key.len)) != 0)
        load_stop("memory");
    return s;
}

/* --- one message --- */

static struct span param(struct span value, const char *mark)
{
    struct span p = load_after(value, mark);
    p.len = strcspn(p.len > 0 ? p.p : "", ";,> \r") < p.len ? strcspn(p.p, ";,> \r") : p.len;
    return p;
}

static struct seen *transaction_of(struct span m, uint16_t asker)
{
    char key[KEY_MAX];
    struct span branch = param(load_header(m, "Via: "), "branch="), id = load_header(m, "Call-ID: "),
                cseq = load_header(m, "CSeq: ");
    int len = snprintf(key, sizeof(key), "%u %.*s %.*s %.*s", asker, SPAN_ARG(branch), SPAN_ARG(id), SPAN_ARG(cseq));
    return seen_of(&transactions, span_of(key, (size_t)len < sizeof(key) ? (size_t)len : sizeof(key) - 1));
}

static void check_cseq(struct span m, int64_t at_us)
{
    char key[KEY_MAX];
    struct span method = load_after(load_header(m, "CSeq: "), " "), id = load_header(m, "Call-ID: ");
    if (span_eq(method, SPAN("ACK")) || span_eq(method, SPAN("CANCEL")) || load_after(m, "\r\nTo: ").len == 0)
        return;
    int len = snprintf(key, sizeof(key), "%.*s %.*s", SPAN_ARG(id), SPAN_ARG(param(load_header(m, "From: "), ";tag=")));
    struct seen *d = seen_of(&dialogs, span_of(key, (size_t)len < sizeof(key) ? (size_t)len : sizeof(key) - 1));
    unsigned cseq = (unsigned)strtoul(load_header(m, "CSeq: ").p, NULL, 10);
    uint64_t branch = map_hash(param(load_header(m, "Via: "), "branch="));
    if (d->times++ > 0 && branch != d->hash && cseq <= d->final)
        complain(CSEQ, m, at_us);
    if (d->times == 1 || cseq > d->final) {
        d->final = cseq;
        d->hash = branch;
    }
}

static void on_request(struct span m, uint16_t asker, int64_t at_us)
{
    struct seen *t = transaction_of(m, asker);
    if (asker == sip_port) {
        said++;
        said_again += t->times > 0;
        if (t->times == 0)
            check_cseq(m, at_us);
    } else {
        heard++;
        heard_again += t->times > 0;
        if (t->times > 0)
            note_again(t);
        else
            t->at_us = at_us;
    }
    t->times++;
}

static void note_alive(struct span m, unsigned status, bool is_first, int64_t at_us)
{
    struct span cseq = load_header(m, "CSeq: "), method = load_after(cseq, " "), id = load_header(m, "Call-ID: ");
    if (status < 200 || span_eq(method, SPAN("OPTIONS")))
        return;
    if (span_eq(method, SPAN("REGISTER"))) {
        if (status < 300)
            note_gap(REGISTRAR, at_us);
        return;
    }
    note_gap(ACTOR, at_us);
    bool by_platform = id.len > 2 && id.p[1] == '-' && memchr("ahpt", id.p[0], 4) != NULL;
    if (is_first && by_platform && status < 300 && span_starts(cseq, SPAN("1 INVITE")))
        note_gap(PLATFORM, at_us);
}

static void on_response(struct span m, uint16_t asker, int64_t at_us)
{
    struct seen *t = transaction_of(m, asker);
    unsigned status = m.len > 11 ? (unsigned)strtoul(m.p + 8, NULL, 10) : 0;
    uint64_t tag = map_hash(param(load_header(m, "To: "), ";tag="));
    if (status < 100 || status > 699 || asker == sip_port)
        return; /* what others answer is theirs */
    status_cnt[status]++;
    if (t->times == 0)
        complain(UNASKED, m, at_us);
    note_alive(m, status, t->final == 0, at_us);
    if (status < 200) {
        if (t->final != 0)
            complain(LATE, m, at_us);
    } else if (t->final == 0) {
        t->final = status;
        t->hash = tag;
    } else {
        finals_again++;
        if (t->final != status || t->hash != tag)
            complain(DIFFERS, m, at_us);
    }
}

static void on_packet(const unsigned char *p, size_t len, int64_t at_us)
{
    if (len < ETHERNET_LEN + 20 || p[12] != 8 || p[13] != 0 || p[ETHERNET_LEN + 9] != IPPROTO_UDP)
        return;
    size_t ip = (size_t)(p[ETHERNET_LEN] & 15) * 4, at = ETHERNET_LEN + ip;
    if (len < at + UDP_LEN)
        return;
    uint16_t from = (uint16_t)(p[at] << 8 | p[at + 1]), to = (uint16_t)(p[at + 2] << 8 | p[at + 3]);
    struct span m = span_of((const char *)p + at + UDP_LEN, len - at - UDP_LEN);
    if ((from != sip_port && to != sip_port) || m.len < 16)
        return;
    ended = to == sip_port && span_eq(load_header(m, "Call-ID: "), SPAN(END));
    if (ended)
        return;
    packets++;
    if (from == sip_port)
        note_gap(ANY, at_us);
    if (span_starts(m, SPAN("SIP/2.0 ")))
        on_response(m, to, at_us);
    else if (!span_starts(m, SPAN("ACK ")))
        on_request(m, from, at_us);
}

/* --- the capture --- */

static bool read_whole(void *out, size_t len)
{
    return fread(out, 1, len, stdin) == len;
}

static void read_capture(void)
{
    uint32_t head[6], record[4];
    static unsigned char packet[PACKET_MAX + 1];
    if (!read_whole(head, sizeof(head)) || (head[0] != PCAP_MAGIC_US && head[0] != PCAP_MAGIC_NS) || head[5] != 1) {
        (void)fputs("chaos_wire: no pcap of Ethernet\n", stderr);
        exit(2);
    }
    unsigned per_us = head[0] == PCAP_MAGIC_NS ? 1000 : 1;
    while (!ended && read_whole(record, sizeof(record)) && record[2] <= PACKET_MAX && read_whole(packet, record[2])) {
        packet[record[2]] = '\0';
        on_packet(packet, record[2], (int64_t)record[0] * 1000000 + record[1] / per_us);
    }
}

/* Who captures would end if nobody read him. */
static void drain(void)
{
    char unread[65536];
    while (fread(unread, 1, sizeof(unread), stdin) > 0)
        ;
}

static void print(void)
{
    printf("{\"packets\":%lu,\"heard\":%lu,\"heard_again\":%lu,\"said\":%lu,\"said_again\":%lu,\"finals_again\":%lu",
           packets, heard, heard_again, said, said_again, finals_again);
    for (int f = 0; f < FAULTS; f++)
        printf(",\"%s\":%lu", fault_names[f], faults[f]);
    printf(",\"statuses\":{");
    const char *comma = "";
    for (unsigned s = 0; s < 700; s++) {
        if (status_cnt[s] > 0) {
            printf("%s\"%u\":%lu", comma, s, status_cnt[s]);
            comma = ",";
        }
    }
    printf("},\"gaps_us\":{");
    for (int g = 0; g < GAPS; g++) {
        printf("%s\"%s\":[", g > 0 ? "," : "", gap_names[g]);
        for (size_t i = 0; i < gaps[g].cnt; i++)
            printf("%s[%lld,%lld]", i > 0 ? "," : "", (long long)gaps[g].us[2 * i], (long long)gaps[g].us[2 * i + 1]);
        printf("]");
    }
    printf("},\"again_us\":[");
    for (size_t i = 0; i < again.cnt; i++)
        printf("%s%lld", i > 0 ? "," : "", (long long)again.at_us[i]);
    printf("]}\n");
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    unsigned long port = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
    if (port == 0 || port > UINT16_MAX) {
        (void)fputs("usage: dumpcap ... -P -w - | chaos_wire PORT\n", stderr);
        return 2;
    }
    sip_port = (uint16_t)port;
    map_init(&transactions);
    map_init(&dialogs);
    read_capture();
    print();
    drain();
    return 0; /* what it has seen lives as long as it does */
}
