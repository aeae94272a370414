#include "tests/unit/testkit.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);

static bool armed;
static bool hit;
static unsigned left;

static bool fails_now(void)
{
    if (!armed || left-- > 0)
        return false;
    armed = false;
    hit = true;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return fails_now() ? NULL : __real_realloc(p, size);
}

void testkit_fail_alloc(unsigned n)
{
    armed = true;
    hit = false;
    left = n;
}

bool testkit_alloc_failed(void)
{
    bool failed = hit;
    armed = false;
    hit = false;
    return failed;
}

int testkit_child(void (*fn)(void), char *err, size_t err_size)
{
    int fd[2];
    int status = 0;
    assert_int_equal(pipe(fd), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)signal(SIGABRT, SIG_DFL); /* cmocka and the sanitizers would catch it */
        (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0});
        (void)dup2(fd[1], STDERR_FILENO);
        fn();
        _exit(0);
    }
    (void)close(fd[1]);
    size_t len = 0;
    ssize_t got;
    while (len + 1 < err_size && (got = read(fd[0], err + len, err_size - 1 - len)) > 0)
        len += (size_t)got;
    err[len] = '\0';
    (void)close(fd[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void assert_words(const char *err, const char *words)
{
    if (strstr(err, words) == NULL)
        fail_msg("\"%s\" not in \"%s\"", words, err);
}

void testkit_assert_bug(void (*fn)(void), const char *words)
{
    char err[4096];
    int status = testkit_child(fn, err, sizeof err);
    assert_words(err, words);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

void testkit_assert_dies(void (*fn)(void), int code, const char *words)
{
    char err[4096];
    int status = testkit_child(fn, err, sizeof err);
    assert_words(err, words);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), code);
}
