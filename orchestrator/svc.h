/*
 * svc: what is said to user-, dialplan- and media-service, and what is made of their answers. Pure: bytes in, plane
 * messages out; no channel, no clock.
 *
 * Answers come from another team's server and are read like any network input: malformed protobuf, texts that are not
 * UTF-8 and numbers out of range give -SVC_EMALFORMED, never a crash.
 */
#ifndef ORCHESTRATOR_SVC_H
#define ORCHESTRATOR_SVC_H

#include "common/base/span.h"
#include "proto/plane.pb-c.h"

enum svc_err { SVC_EMALFORMED = 1 };

enum svc { SVC_USER, SVC_DIALPLAN, SVC_MEDIA, SVC_COUNT };

/** "user-service" */
const char *svc_name(enum svc s);

enum svc_method { SVC_FIND_USER, SVC_CREDENTIALS, SVC_RESOLVE, SVC_ALLOCATE, SVC_RELEASE, SVC_PLAY, SVC_METHODS };

struct svc_method_info {
    enum svc svc;
    const char *path; /* "/package.Service/Method" */
    const char *name;
};
const struct svc_method_info *svc_method_info(enum svc_method m);
/** Its place among the methods of its service. */
uint32_t svc_method_index(enum svc_method m);

/* --- user-service ------------------------------------------------------------------------------------------------ */

/** FindUserByContactResponse -> *out (owned by the caller; NULL when the answer names no user). returns 0 or
 * -SVC_EMALFORMED
 */
int svc_user_decode(struct span body, Plane__User **out);

/**
 * GetSipCredentialsResponse -> *out (owned by the caller, freed with svc_credentials_free; never NULL when 0 is
 * returned). An HA1 that is not 32 hex digits is malformed; its letters come out in lower case, as digests need them.
 */
int svc_credentials_decode(struct span body, Plane__Credentials **out);
/** Wipes the secret. NULL is fine. */
void svc_credentials_free(Plane__Credentials *c);

/* --- dialplan-service -------------------------------------------------------------------------------------------- */

#define SVC_ACTION_DATA_MAX 64 /* pairs of one plan; more is malformed */

/**
 * ResolveDialplanResponse -> *out (owned by the caller; never NULL when 0 is returned). The action is read in both
 * shapes of DialplanAction: field 2 a message with the pairs (contract up to 1.13.7), or field 2 an enum and the pairs
 * in field 3 (from 1.14.0). A type that is 0 or absent is derived from the action's text, an empty text from the type;
 * a plan with neither is malformed.
 */
int svc_dialplan_decode(struct span body, Plane__Plan **out);

/* --- media-service ----------------------------------------------------------------------------------------------- */

/** AllocatePortResponse: 1-65535, else malformed. */
int svc_port_decode(struct span body, uint32_t *port);

/* Which of the two texts of PlayAudioRequest stands in field 1. */
enum svc_layout {
    SVC_LAYOUT_UNKNOWN = 0, /* "auto", nothing learned yet */
    SVC_LAYOUT_1_13 = 1,    /* audio URI in 1, RTP target in 3 */
    SVC_LAYOUT_1_8 = 2,     /* RTP target in 1, audio URI in 3 */
};
/** Setting PLAY_AUDIO_LAYOUT ("auto", "1.8", "1.13"). */
enum svc_layout svc_layout_parse(const char *word);

/* The audio of a hole punch for servers that do not know control://set_target: 1 s of silence, 16-bit, 8 kHz. */
#define SVC_SET_TARGET "control://set_target"
const char *svc_silence_uri(void);

#endif
