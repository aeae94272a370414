/* Reading a decoded message. */
#include "common/sip/sip_lex.h"
#include "common/sip/sip_msg.h"

bool sip_msg_answerable(const struct sip_msg *m)
{
    bool known = sip_msg_has(m, SIP_H_CSEQ) ||
                 (sip_msg_has(m, SIP_H_FROM) && sip_msg_has(m, SIP_H_TO) && sip_msg_has(m, SIP_H_CALL_ID));
    return m->is_request && m->method != SIP_M_ACK && m->have_via && known;
}

void sip_msg_fault_text(struct buf *out, const struct sip_msg *m, int err)
{
    buf_puts(out, sip_err_text(err));
    if (m->fault_hdr != SIP_H_OTHER && (err == -SIP_EDUP || err == -SIP_EMISSING || err == -SIP_EHEADER ||
                                        err == -SIP_EADDR || err == -SIP_ENUMBER || err == -SIP_ELIMIT)) {
        buf_puts(out, ": ");
        buf_put_span(out, sip_hdr_name(m->fault_hdr));
    }
}

const struct sip_field *sip_msg_first(const struct sip_msg *m, enum sip_hdr_id id)
{
    return sip_msg_has(m, id) ? &m->field[m->first[id]] : NULL;
}

const struct sip_field *sip_msg_next(const struct sip_msg *m, const struct sip_field *f)
{
    const struct sip_field *end = m->field + m->field_cnt;
    uint8_t id = f->id;
    do {
        f++;
    } while (f < end && f->id != id);
    return f < end ? f : NULL;
}

struct span sip_msg_value(const struct sip_msg *m, enum sip_hdr_id id)
{
    const struct sip_field *f = sip_msg_first(m, id);
    return f != NULL ? sip_field_value(m, f) : (struct span){NULL, 0};
}

const struct sip_field *sip_msg_named(const struct sip_msg *m, struct span name)
{
    enum sip_hdr_id id = sip_hdr_lookup(name);
    if (id != SIP_H_OTHER)
        return sip_msg_first(m, id);
    for (const struct sip_field *f = sip_msg_first(m, SIP_H_OTHER); f != NULL; f = sip_msg_next(m, f)) {
        if (span_caseeq(sip_field_name(m, f), name))
            return f;
    }
    return NULL;
}

void sip_values_init(struct sip_values *it, const struct sip_msg *m, enum sip_hdr_id id)
{
    *it = (struct sip_values){.msg = m, .field = sip_msg_first(m, id)};
    if (it->field != NULL)
        it->rest = sip_field_value(m, it->field);
}

bool sip_values_next(struct sip_values *it, struct span *out)
{
    while (it->field != NULL && it->cnt < SIP_VALUES_MAX) {
        if (sip_lex_split(&it->rest, ',', out)) {
            if (out->len == 0)
                continue;
            it->cnt++;
            return true;
        }
        it->field = sip_msg_next(it->msg, it->field);
        if (it->field != NULL)
            it->rest = sip_field_value(it->msg, it->field);
    }
    return false;
}

bool sip_msg_lists(const struct sip_msg *m, enum sip_hdr_id id, struct span token)
{
    struct sip_values it;
    struct span value;
    sip_values_init(&it, m, id);
    while (sip_values_next(&it, &value)) {
        if (span_caseeq(value, token))
            return true;
    }
    return false;
}
