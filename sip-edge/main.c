#include "sip-edge/edge_worker.h"

int main(int argc, char **argv)
{
    return worker_main(argc, argv, &edge_worker_kind);
}
