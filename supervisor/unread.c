#include "supervisor/unread.h"

bool unread_note(struct unread *u, bool reads, uint64_t looks, bool waits, int64_t now_ms)
{
    bool steady = now_ms - u->at_ms <= UNREAD_GAP_MS;
    bool ignored = reads && waits && looks == u->looks && steady;
    u->looks = looks;
    u->at_ms = now_ms;
    if (!ignored || u->since_ms == 0) {
        u->since_ms = reads && waits ? now_ms : 0;
        return false;
    }
    return now_ms - u->since_ms >= UNREAD_MS;
}
