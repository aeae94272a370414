/* What the kernel says of a process that somebody has stopped, and of one that only waits. */
#include "tests/unit/testkit.h"

#include "common/rt/procstat.h"
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void who_is_stopped_is_held(void **state)
{
    (void)state;
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        for (;;)
            (void)pause();
    }
    assert_int_equal(kill(pid, SIGSTOP), 0);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    assert_int_equal(procstat_held(pid), 'T');
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(procstat_held(pid), 0); /* gone */
    assert_int_equal(procstat_held(0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_stopped_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
