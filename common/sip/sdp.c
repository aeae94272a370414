#include "common/sip/sdp.h"

#include "common/sip/sip_lex.h"
#include "common/sip/sip_scan.h"

/* --- words ----------------------------------------------------------------------------------------------------- */

/* The word at the front of *s, which then begins behind the spaces after it. Empty at the end. */
static struct span take_word(struct span *s)
{
    if (s->len == 0)
        return *s;
    size_t n = span_find(*s, ' ');
    struct span word = span_of(s->p, n);
    while (n < s->len && s->p[n] == ' ')
        n++;
    *s = span_from(*s, n);
    return word;
}

/* The text before `c`; *s then begins behind it. */
static struct span take_until(struct span *s, char c)
{
    if (s->len == 0)
        return *s;
    size_t n = span_find(*s, c);
    struct span text = span_of(s->p, n);
    *s = span_from(*s, n + 1);
    return text;
}

static bool is_word(struct span s)
{
    return s.len > 0 && s.len <= SDP_TOKEN_BYTES_MAX;
}

/* --- lines ----------------------------------------------------------------------------------------------------- */

/* Some write an IPv6 address as in a URI. */
static struct span without_brackets(struct span addr)
{
    bool has = addr.len > 1 && addr.p[0] == '[' && addr.p[addr.len - 1] == ']';
    return has ? span_of(addr.p + 1, addr.len - 2) : addr;
}

/* "IN IP4 address[/ttl]": RFC 8866 §5.7 */
static int read_conn(struct span s, struct sdp_conn *out)
{
    struct span net = take_word(&s);
    struct span type = take_word(&s);
    struct span addr = take_word(&s);
    bool ip6 = span_caseeq(type, SPAN("IP6"));
    if (ip6)
        addr = without_brackets(addr);
    if (!span_caseeq(net, SPAN("IN")) || (!ip6 && !span_caseeq(type, SPAN("IP4"))) || addr.len == 0 ||
        addr.len > SIP_HOST_BYTES_MAX || s.len > 0)
        return -SIP_ESDP;
    for (size_t i = 0; i < addr.len; i++) {
        if (!sip_is(addr.p[i], SIP_C_HOST) && addr.p[i] != ':' && addr.p[i] != '/')
            return -SIP_ESDP;
    }
    *out = (struct sdp_conn){.addr = addr, .ip6 = ip6};
    return 0;
}

static int read_origin(struct span s, struct sdp_origin *out)
{
    out->user = take_word(&s);
    out->sess_id = take_word(&s);
    out->sess_version = take_word(&s);
    if (out->user.len == 0 || out->sess_id.len == 0 || out->sess_version.len == 0)
        return -SIP_ESDP;
    return read_conn(s, &out->conn);
}

static bool is_rtp(struct span proto)
{
    static const struct span profiles[] = {SPAN_INIT("AVP"), SPAN_INIT("AVPF"), SPAN_INIT("SAVP"), SPAN_INIT("SAVPF")};
    struct span last = proto;
    bool rtp = false;
    while (last.len > 0 && span_find(last, '/') < last.len) {
        rtp = span_caseeq(take_until(&last, '/'), SPAN("RTP"));
    }
    for (size_t i = 0; rtp && i < sizeof profiles / sizeof profiles[0]; i++) {
        if (span_caseeq(last, profiles[i]))
            return true;
    }
    return false;
}

static int read_formats(struct span s, struct sdp_media *m)
{
    while (s.len > 0) {
        struct span text = take_word(&s);
        uint32_t pt = 0;
        if (!is_word(text))
            return -SIP_ESDP;
        if (m->fmt_cnt == SDP_FMT_MAX)
            return -SIP_ELIMIT;
        bool number = span_to_u32(text, 127, &pt) == 0;
        if (m->rtp && !number)
            return -SIP_ESDP;
        m->fmt[m->fmt_cnt++] = (struct sdp_fmt){.text = text, .pt = number ? (int16_t)pt : (int16_t)-1, .channels = 1};
    }
    return m->fmt_cnt > 0 ? 0 : -SIP_ESDP;
}

/* "audio 49170[/2] RTP/AVP 0 8": RFC 8866 §5.14 */
static int read_media(struct sdp *sdp, struct span s)
{
    if (sdp->media_cnt == SDP_MEDIA_MAX)
        return -SIP_ELIMIT;
    struct sdp_media *m = &sdp->media[sdp->media_cnt++];
    uint32_t port;
    m->type = take_word(&s);
    struct span ports = take_word(&s);
    m->proto = take_word(&s);
    m->conn = (struct sdp_conn){0};
    m->dir = SDP_DIR_UNSET;
    m->ptime_ms = 0;
    m->maxptime_ms = 0;
    m->rtcp_port = 0;
    m->rtcp_mux = false;
    m->fmt_cnt = 0;
    m->port_cnt = 1;
    m->rtp = is_rtp(m->proto);
    m->lines = (struct span){NULL, 0};
    if (!is_word(m->type) || !is_word(m->proto) || span_to_u32(take_until(&ports, '/'), UINT16_MAX, &port) != 0)
        return -SIP_ESDP;
    if (ports.p != NULL && (span_to_u32(ports, UINT16_MAX, &m->port_cnt) != 0 || m->port_cnt == 0))
        return -SIP_ESDP;
    m->port = (uint16_t)port;
    return read_formats(s, m);
}

/* --- attributes ------------------------------------------------------------------------------------------------ */

static struct sdp_fmt *find_fmt(struct sdp_media *m, struct span text)
{
    for (unsigned i = 0; i < m->fmt_cnt; i++) {
        if (span_eq(m->fmt[i].text, text))
            return &m->fmt[i];
    }
    return NULL;
}

/* "0 PCMU/8000[/1]"; for a format the m= line does not list it means nothing (RFC 8866 §6.6). */
static int read_rtpmap(struct sdp_media *m, struct span s)
{
    struct sdp_fmt *f = find_fmt(m, take_word(&s));
    if (f == NULL || f->encoding.len > 0)
        return 0;
    struct span encoding = take_until(&s, '/');
    struct span rate = take_until(&s, '/');
    uint32_t channels = 1;
    if (!is_word(encoding) || span_to_u32(rate, UINT32_MAX, &f->rate) != 0 || f->rate == 0)
        return -SIP_ESDP;
    if (s.len > 0 && (span_to_u32(s, UINT16_MAX, &channels) != 0 || channels == 0))
        return -SIP_ESDP;
    f->encoding = encoding;
    f->channels = channels;
    return 0;
}

static void read_fmtp(struct sdp_media *m, struct span s)
{
    struct sdp_fmt *f = find_fmt(m, take_word(&s));
    if (f != NULL && f->fmtp.len == 0)
        f->fmtp = s;
}

static const char *const dir_names[] = {
    [SDP_SENDRECV] = "sendrecv",
    [SDP_SENDONLY] = "sendonly",
    [SDP_RECVONLY] = "recvonly",
    [SDP_INACTIVE] = "inactive",
};

const char *sdp_dir_name(enum sdp_dir d)
{
    return (unsigned)d < sizeof dir_names / sizeof dir_names[0] ? dir_names[d] : NULL;
}

static enum sdp_dir dir_of(struct span name)
{
    for (unsigned d = SDP_SENDRECV; d <= SDP_INACTIVE; d++) {
        if (span_eq(name, span_cstr(dir_names[d])))
            return (enum sdp_dir)d;
    }
    return SDP_DIR_UNSET;
}

static int read_media_attr(struct sdp_media *m, struct span name, struct span value)
{
    uint32_t port;
    if (span_eq(name, SPAN("rtpmap")))
        return read_rtpmap(m, value);
    if (span_eq(name, SPAN("fmtp")))
        read_fmtp(m, value);
    else if (span_eq(name, SPAN("ptime")))
        (void)span_to_u32(span_trim(value), UINT16_MAX, &m->ptime_ms); /* "20.0" and the like: as if not said */
    else if (span_eq(name, SPAN("maxptime")))
        (void)span_to_u32(span_trim(value), UINT16_MAX, &m->maxptime_ms);
    else if (span_eq(name, SPAN("rtcp-mux")))
        m->rtcp_mux = true;
    else if (span_eq(name, SPAN("rtcp")) && span_to_u32(take_word(&value), UINT16_MAX, &port) == 0)
        m->rtcp_port = (uint16_t)port;
    return 0;
}

static int read_attr(struct sdp *sdp, struct span s)
{
    struct sdp_media *m = sdp->media_cnt > 0 ? &sdp->media[sdp->media_cnt - 1] : NULL;
    struct span name = take_until(&s, ':');
    enum sdp_dir dir = dir_of(name);
    if (name.len == 0)
        return -SIP_ESDP;
    if (dir != SDP_DIR_UNSET) {
        *(m != NULL ? &m->dir : &sdp->dir) = dir;
        return 0;
    }
    return m != NULL ? read_media_attr(m, name, s) : 0;
}

/* --- the whole ------------------------------------------------------------------------------------------------- */

static int read_conn_line(struct sdp *sdp, struct span value)
{
    struct sdp_conn *conn = sdp->media_cnt > 0 ? &sdp->media[sdp->media_cnt - 1].conn : &sdp->conn;
    /* A medium may list several addresses (RFC 8866 §5.7): the first one counts. */
    return conn->addr.len > 0 ? 0 : read_conn(value, conn);
}

static int read_line(struct sdp *sdp, char type, struct span value)
{
    switch (type) {
    case 'o':
        return read_origin(value, &sdp->origin);
    case 's':
        sdp->name = value;
        return 0;
    case 't':
        if (sdp->time.len == 0)
            sdp->time = value;
        return 0;
    case 'c':
        return read_conn_line(sdp, value);
    case 'm':
        return read_media(sdp, value);
    case 'a':
        return read_attr(sdp, value);
    default:
        return 0;
    }
}

/* Raw lines [from, to) go to the section that was open. */
static void close_section(struct sdp *sdp, const char *from, const char *to)
{
    struct span *lines = sdp->media_cnt > 0 ? &sdp->media[sdp->media_cnt - 1].lines : &sdp->lines;
    *lines = span_of(from, (size_t)(to - from));
}

/* "x=value" with nothing in it that cannot stand in a line. */
static bool is_line(struct span line)
{
    if (line.len < 2 || line.p[1] != '=' || !sip_is(line.p[0], SIP_C_ALPHA))
        return false;
    for (size_t i = 0; i < line.len; i++) {
        i += sip_scan_ctl(line.p + i, line.len - i);
        if (i < line.len && line.p[i] != '\t')
            return false;
    }
    return true;
}

/* One line, without its end; cnt: how many there were before it. */
static int check_line(struct span line, unsigned cnt)
{
    if (cnt == SDP_LINES_MAX || line.len > SDP_LINE_BYTES_MAX)
        return -SIP_ELIMIT;
    bool first = cnt == 0;
    if (!is_line(line) || first != (line.p[0] == 'v'))
        return -SIP_ESDP;
    return !first || span_eq(span_trim(line), SPAN("v=0")) ? 0 : -SIP_ESDP;
}

static int read_lines(struct sdp *sdp, struct span in)
{
    const char *end = in.p + in.len;
    const char *section = in.p;
    unsigned cnt = 0;
    while (in.len > 0) {
        const char *at = in.p;
        struct span line = take_until(&in, '\n');
        const char *next = in.len > 0 ? in.p : end;
        if (line.len > 0 && line.p[line.len - 1] == '\r')
            line.len--;
        if (line.len == 0)
            continue;
        int fault = check_line(line, cnt++);
        if (fault != 0)
            return fault;
        if (line.p[0] == 'm') {
            close_section(sdp, section, at);
            section = next;
        }
        fault = read_line(sdp, line.p[0], span_from(line, 2));
        if (fault != 0)
            return fault;
    }
    close_section(sdp, section, end);
    return cnt > 0 ? 0 : -SIP_ESDP;
}

static int check_whole(const struct sdp *sdp)
{
    if (sdp->origin.sess_id.len == 0)
        return -SIP_ESDP;
    for (unsigned i = 0; i < sdp->media_cnt; i++) {
        if (sdp->media[i].port != 0 && sdp_media_conn(sdp, &sdp->media[i])->addr.len == 0)
            return -SIP_ESDP;
    }
    return 0;
}

int sdp_decode(struct sdp *out, struct span in)
{
    out->origin = (struct sdp_origin){0};
    out->name = (struct span){NULL, 0};
    out->conn = (struct sdp_conn){0};
    out->dir = SDP_DIR_UNSET;
    out->time = (struct span){NULL, 0};
    out->lines = (struct span){NULL, 0};
    out->media_cnt = 0;
    if (in.len == 0)
        return -SIP_ESDP;
    if (in.len > SDP_BYTES_MAX)
        return -SIP_ELIMIT;
    int fault = read_lines(out, in);
    return fault != 0 ? fault : check_whole(out);
}

const struct sdp_conn *sdp_media_conn(const struct sdp *s, const struct sdp_media *m)
{
    return m->conn.addr.len > 0 ? &m->conn : &s->conn;
}

enum sdp_dir sdp_media_dir(const struct sdp *s, const struct sdp_media *m)
{
    if (m->dir != SDP_DIR_UNSET)
        return m->dir;
    return s->dir != SDP_DIR_UNSET ? s->dir : SDP_SENDRECV;
}

bool sdp_attr(struct span lines, struct span name, struct span *value)
{
    while (lines.len > 0) {
        struct span line = take_until(&lines, '\n');
        if (line.len > 0 && line.p[line.len - 1] == '\r')
            line.len--;
        if (!span_starts(line, SPAN("a=")))
            continue;
        line = span_from(line, 2);
        if (span_eq(take_until(&line, ':'), name)) {
            if (value != NULL)
                *value = line;
            return true;
        }
    }
    return false;
}
