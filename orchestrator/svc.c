#include "orchestrator/svc.h"

const struct svc_method_info *svc_method_info(enum svc_method m)
{
    static const struct svc_method_info rows[SVC_METHODS] = {
        [SVC_FIND_USER] = {SVC_USER, "/sentiric.user.v1.UserService/FindUserByContact", "FindUserByContact"},
        [SVC_CREDENTIALS] = {SVC_USER, "/sentiric.user.v1.UserService/GetSipCredentials", "GetSipCredentials"},
        [SVC_RESOLVE] = {SVC_DIALPLAN, "/sentiric.dialplan.v1.DialplanService/ResolveDialplan", "ResolveDialplan"},
        [SVC_ALLOCATE] = {SVC_MEDIA, "/sentiric.media.v1.MediaService/AllocatePort", "AllocatePort"},
        [SVC_RELEASE] = {SVC_MEDIA, "/sentiric.media.v1.MediaService/ReleasePort", "ReleasePort"},
        [SVC_PLAY] = {SVC_MEDIA, "/sentiric.media.v1.MediaService/PlayAudio", "PlayAudio"},
    };
    return &rows[m];
}

const char *svc_name(enum svc s)
{
    static const char *const names[SVC_COUNT] = {
        [SVC_USER] = "user-service", [SVC_DIALPLAN] = "dialplan-service", [SVC_MEDIA] = "media-service"};
    return names[s];
}

uint32_t svc_method_index(enum svc_method m)
{
    uint32_t index = 0;
    for (enum svc_method other = 0; other < m; other++)
        index += svc_method_info(other)->svc == svc_method_info(m)->svc;
    return index;
}
