/*
 * Loaded in front of the workers (LD_PRELOAD) by tests/process/test_heart.py: makes one deaf, or lets an input kill it.
 * What is to be done stands in files beside this library, named for the program:
 *
 *   deaf.PROGRAM    part of a socket's path: whatever that process reads from such sockets is gone. Its loop turns, its
 *                   timers fire, and it speaks. The file is taken away when it takes effect, which is for good
 *   poison.PROGRAM  a text: taking apart ("unpack TEXT") or putting together ("pack TEXT") a message that holds it is
 *                   a fault of memory. The file stays
 *   hang.PROGRAM    the same, and there it stays for ever instead. hung.PROGRAM with its pid is made then
 *   stop.PROGRAM    the same, and there it stops as if somebody had sent it SIGSTOP
 *   blind.PROGRAM   nothing is taken from network sockets any more: datagrams and connections wait. Taken away, for
 * good
 */
#include <dlfcn.h>
#include <errno.h>
#include <protobuf-c/protobuf-c.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ORDER_MAX 256

static char deaf_on[ORDER_MAX]; /* empty: hears everything */

static void order_path(const char *kind, char path[ORDER_MAX * 2])
{
    Dl_info self;
    const char *slash = dladdr((void *)order_path, &self) != 0 ? strrchr(self.dli_fname, '/') : NULL;
    int len = slash != NULL ? (int)(slash - self.dli_fname) : 0;
    (void)snprintf(path, ORDER_MAX * 2, "%.*s/%s.%s", len, slash != NULL ? self.dli_fname : "", kind,
                   program_invocation_short_name);
}

static bool read_order(const char *kind, char text[ORDER_MAX], bool take)
{
    char path[ORDER_MAX * 2];
    order_path(kind, path);
    FILE *f = fopen(path, "r");
    bool there = f != NULL && fgets(text, ORDER_MAX, f) != NULL;
    if (f != NULL)
        (void)fclose(f);
    if (there && take)
        (void)unlink(path);
    return there;
}

static bool is_deaf_on(int fd)
{
    struct sockaddr_un at = {.sun_family = AF_UNSPEC};
    socklen_t len = sizeof at - 1;
    if (deaf_on[0] == '\0' && !read_order("deaf", deaf_on, true))
        return false;
    if (getsockname(fd, (struct sockaddr *)&at, &len) == 0 && at.sun_family == AF_UNIX && len > sizeof at.sun_family &&
        strstr(at.sun_path, deaf_on) != NULL)
        return true; /* the end that listened */
    at = (struct sockaddr_un){.sun_family = AF_UNSPEC};
    len = sizeof at - 1;
    return getpeername(fd, (struct sockaddr *)&at, &len) == 0 && at.sun_family == AF_UNIX &&
           strstr(at.sun_path, deaf_on) != NULL;
}

__attribute__((visibility("default"))) ssize_t read(int fd, void *to, size_t size)
{
    static ssize_t (*next)(int, void *, size_t);
    if (next == NULL)
        *(void **)&next = dlsym(RTLD_NEXT, "read");
    int why = errno;
    bool deaf = is_deaf_on(fd);
    errno = why;
    ssize_t n = next(fd, to, size);
    if (n <= 0 || !deaf)
        return n;
    errno = EAGAIN;
    return -1;
}

static bool is_meant(const char *kind, const char *what, const void *bytes, size_t len)
{
    char order[ORDER_MAX];
    size_t n = strlen(what);
    return read_order(kind, order, false) && strncmp(order, what, n) == 0 && order[n] == ' ' &&
           memmem(bytes, len, order + n + 1, strlen(order + n + 1)) != NULL;
}

static void tell_hung(void)
{
    char path[ORDER_MAX * 2];
    order_path("hung", path);
    FILE *f = fopen(path, "w");
    if (f == NULL)
        return;
    (void)fprintf(f, "%d\n", (int)getpid());
    (void)fclose(f);
}

static void stay(bool stopped)
{
    tell_hung();
    if (stopped)
        (void)raise(SIGSTOP);
    for (;;)
        (void)pause();
}

static void die_of(const char *what, const void *bytes, size_t len)
{
    if (is_meant("poison", what, bytes, len))
        __builtin_trap();
    if (is_meant("hang", what, bytes, len))
        stay(false);
    if (is_meant("stop", what, bytes, len))
        stay(true);
}

/* --- the network ------------------------------------------------------------------------------------------------- */

static bool is_blind(void)
{
    static bool blind;
    char any[ORDER_MAX];
    int why = errno;
    blind = blind || read_order("blind", any, true);
    errno = why;
    return blind;
}

static bool is_of_network(int fd)
{
    struct sockaddr_storage at = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof at;
    return getsockname(fd, (struct sockaddr *)&at, &size) == 0 && (at.ss_family == AF_INET || at.ss_family == AF_INET6);
}

/* libev has the descriptor in the lower half of what it gets back. */
static int leave_out_network(struct epoll_event *v, int n)
{
    int left = 0;
    for (int i = 0; i < n; i++)
        if (!is_of_network((int)(uint32_t)v[i].data.u64))
            v[left++] = v[i];
    return left;
}

__attribute__((visibility("default"))) int epoll_wait(int ep, struct epoll_event *v, int size, int timeout)
{
    static int (*next)(int, struct epoll_event *, int, int);
    const struct timespec pause = {.tv_nsec = 5000000};
    if (next == NULL)
        *(void **)&next = dlsym(RTLD_NEXT, "epoll_wait");
    int n = next(ep, v, size, timeout);
    if (n <= 0 || !is_blind())
        return n;
    int left = leave_out_network(v, n);
    if (left < n)
        (void)nanosleep(&pause, NULL); /* what is left waiting wakes at once again */
    return left;
}

__attribute__((visibility("default"))) ProtobufCMessage *
protobuf_c_message_unpack(const ProtobufCMessageDescriptor *d, ProtobufCAllocator *a, size_t len, const uint8_t *data)
{
    static ProtobufCMessage *(*next)(const ProtobufCMessageDescriptor *, ProtobufCAllocator *, size_t, const uint8_t *);
    if (next == NULL)
        *(void **)&next = dlsym(RTLD_NEXT, "protobuf_c_message_unpack");
    die_of("unpack", data, len);
    return next(d, a, len, data);
}

__attribute__((visibility("default"))) size_t protobuf_c_message_pack(const ProtobufCMessage *m, uint8_t *out)
{
    static size_t (*next)(const ProtobufCMessage *, uint8_t *);
    if (next == NULL)
        *(void **)&next = dlsym(RTLD_NEXT, "protobuf_c_message_pack");
    size_t n = next(m, out);
    die_of("pack", out, n);
    return n;
}
