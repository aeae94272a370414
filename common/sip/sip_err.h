/*
 * sip_err: what can be wrong with a SIP message. Layer: common/sip. Pure.
 *
 * Grammar functions return 0 (or a count) or one of these negated: -SIP_EVIA. A fault of a request maps to the status
 * that refuses it; a faulty response is dropped.
 */
#ifndef COMMON_SIP_SIP_ERR_H
#define COMMON_SIP_SIP_ERR_H

/*          name          status  reason phrase */
#define SIP_ERR_LIST(X)                                                                                                \
    X(SIP_EMALFORMED, 400, "Malformed Value")                                                                          \
    X(SIP_EEMPTY, 400, "Empty Message") /* nothing but CR and LF: a keep-alive */                                      \
    X(SIP_ETRUNC, 400, "Message Ends Inside Headers")                                                                  \
    X(SIP_ESTARTLINE, 400, "Malformed Start Line")                                                                     \
    X(SIP_EMETHOD, 400, "Malformed Method")                                                                            \
    X(SIP_EURI, 400, "Malformed Request-URI")                                                                          \
    X(SIP_EURILONG, 414, "Request-URI Too Long")                                                                       \
    X(SIP_EVERSION, 505, "Version Not Supported")                                                                      \
    X(SIP_ESTATUS, 400, "Malformed Status Code")                                                                       \
    X(SIP_EHEADER, 400, "Malformed Header")                                                                            \
    X(SIP_EDUP, 400, "Repeated Header")                                                                                \
    X(SIP_EMISSING, 400, "Missing Header")                                                                             \
    X(SIP_EVIA, 400, "Malformed Via")                                                                                  \
    X(SIP_EADDR, 400, "Malformed Address")                                                                             \
    X(SIP_ECALLID, 400, "Malformed Call-ID")                                                                           \
    X(SIP_ECSEQ, 400, "Malformed CSeq")                                                                                \
    X(SIP_EMISMATCH, 400, "CSeq Method Does Not Match")                                                                \
    X(SIP_ENUMBER, 400, "Malformed Number")                                                                            \
    X(SIP_ELENGTH, 400, "Malformed Content-Length")                                                                    \
    X(SIP_EBODY, 400, "Body Shorter Than Content-Length")                                                              \
    X(SIP_ELIMIT, 513, "Message Too Large")                                                                            \
    X(SIP_ETOOBIG, 513, "Message Too Large")                                                                           \
    X(SIP_EESCAPE, 400, "Malformed Escape")                                                                            \
    X(SIP_ECONTROL, 400, "Control Character")                                                                          \
    X(SIP_ESDP, 400, "Malformed Session Description")                                                                  \
    X(SIP_EMULTIPART, 400, "Malformed Multipart Body")                                                                 \
    X(SIP_ENOTFOUND, 400, "Not Found In Message") /* an optional thing is not there */                                 \
    X(SIP_EINDEX, 400, "Index Does Not Fit Message")                                                                   \
    X(SIP_ESPACE, 500, "Output Does Not Fit")                                                                          \
    X(SIP_EBODYBIG, 413, "Request Entity Too Large")                                                                   \
    X(SIP_EMEDIATYPE, 415, "Unsupported Media Type")

enum sip_err {
    SIP_OK = 0,
#define SIP_ERR_ENUM(name, status, text) name,
    SIP_ERR_LIST(SIP_ERR_ENUM)
#undef SIP_ERR_ENUM
        SIP_ERR_CNT
};

/** "SIP_EVIA" for -SIP_EVIA (either sign); "SIP_E?" for what is no such error. Static text. */
const char *sip_err_name(int err);
/** Human text, fit for a reason phrase. Static text. */
const char *sip_err_text(int err);
/** The status code that refuses a request with this fault (400, 413, 414, 415, 505, 513; 500 for SIP_ESPACE). */
unsigned sip_err_status(int err);

#endif
