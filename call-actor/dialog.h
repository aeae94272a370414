/*
 * dialog: RFC 3261 §12, of both sides. Layer: call-actor, pure. The state itself is store.Dialog.
 */
#ifndef CALL_ACTOR_DIALOG_H
#define CALL_ACTOR_DIALOG_H

#include "common/sip/sip_msg.h"
#include "proto/store.pb-c.h"

#define DIALOG_ROUTES_MAX 32        /* Record-Route values of an INVITE; more: 513 */
#define DIALOG_RECV_INFO_MAX 1024   /* INFO packages of a peer, as a header line; longer: none */
#define DIALOG_VALUE_BYTES_MAX 2048 /* one From, To, Contact or Record-Route value; longer: 513 */

/**
 * Can this INVITE open a dialog (§12.1.1)? One Contact with a sip or sips URI, readable Record-Route values, all within
 * bounds.
 * One of RFC 2543 (no cookie in its branch) may come without Contact: its From is then the target.
 * why      for a 400: its reason phrase, static; else NULL
 * returns  0, or the status that refuses it: 400 or 513
 */
unsigned dialog_check_invite(const struct sip_msg *invite, const char **why);
/** May its Contact become the remote target (§12.2.2)? 0, 400 or 513; without a Contact the target stays as it is. */
unsigned dialog_check_target(const struct sip_msg *request, const char **why);
/** The dialog of an INVITE that passed dialog_check_invite. local_tag: made by id_make. */
Store__Dialog *dialog_new_uas(const struct sip_msg *invite, const Plane__Endpoint *source, const char *local_tag);

/* An INVITE of ours that may open a dialog. */
struct dialog_uac {
    const char *call_id;   /* made by call_id_make, */
    const char *local_tag; /* both */
    struct span from;      /* From value without a tag */
    struct span to;        /* To value */
    const Store__Target *target;
};
/** The dialog an INVITE of ours may open (§12.1.2), before any answer: its remote tag is empty. */
Store__Dialog *dialog_new_uac(const struct dialog_uac *from);
/** Another one like it. */
Store__Dialog *dialog_copy(const Store__Dialog *d);
/** Can this 2xx to our INVITE confirm a dialog: readable Record-Route values within bounds, a To within bounds? */
bool dialog_can_answer(const struct sip_msg *answer);
/**
 * The 2xx to our INVITE: remote tag, target and route set (§12.1.2, §13.2.2.4). Without a usable Contact the target
 * stays what the INVITE went to; with a Record-Route that cannot be used there are no routes. Its session timer holds.
 * source: where it came from.
 */
void dialog_note_answer(Store__Dialog *d, const struct sip_msg *answer, const Plane__Endpoint *source);
/** A request with this CSeq number is out of order (§12.2.2). Equal is let pass: some peers never count. */
static inline bool dialog_is_out_of_order(const Store__Dialog *d, uint32_t cseq)
{
    return cseq < d->remote_cseq;
}
/** A request of the peer was taken: its CSeq number, where our next request is sent, what it asks of session timers. */
void dialog_note_request(Store__Dialog *d, const struct sip_msg *request, const Plane__Endpoint *source);
/** The target its Contact names. false: it has none that can be used. */
bool dialog_target_of(const struct sip_msg *m, struct span *target);
/** Target refresh (§12.2.2). */
void dialog_note_target(Store__Dialog *d, const struct sip_msg *request);
/**
 * Append a request of ours up to and with CSeq; loose and strict routes as in §12.2.1.1, one Route a line, byte for
 * byte as recorded. No Via: the edge puts it in.
 */
void dialog_write_request(struct buf *out, const Store__Dialog *d, struct span method, uint32_t cseq);
/** The same for a first INVITE that goes on for somebody else (§16.6 step 3). */
void dialog_write_invite(struct buf *out, const Store__Dialog *d, uint32_t cseq, uint32_t max_forwards);
/**
 * The URI that leads a request of ours to where it goes (§8.1.2, §12.2.1.1, RFC 3263): of the first route, or else the
 * remote target. Borrows from d. Empty: back to d->peer, where the peer's last request came from. So it is without
 * routes, or when the first route is the peer itself, if that request came over a connection or from behind a NAT; and
 * from TLS rather than in clear. Never empty for sips while the peer is not reached over TLS (§26.2.2).
 */
struct span dialog_next_hop(const Store__Dialog *d);
/** What the peer says it takes, in a request or response of it: methods (§20.5), INFO packages (RFC 6086 §5.2.3). Of
 * what it does not name it says nothing new. */
void dialog_note_caps(Store__Dialog *d, const struct sip_msg *m);
/** Drop what only requests of ours need. */
void dialog_shrink(Store__Dialog *d);

#endif
