#include "publisher/pub.h"

int main(int argc, char **argv)
{
    static const struct worker_kind kind = {
        .name = "publisher",
        .proc = PLANE__PROC__PROC_PUB,
        .start = pub_start,
        .beat = pub_beat,
        .drain = pub_drain,
        .stop = pub_stop,
    };
    return worker_main(argc, argv, &kind);
}
