/*
 * supervisor: starts and watches the SIP signaling service. See docs/operations.md.
 */
#include "supervisor/sup.h"

int main(int argc, char **argv, char **envp)
{
    return sup_main(argc, argv, envp);
}
