#include "supervisor/notify.h"

#include "common/base/log.h"
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct {
    int fd; /* 0: nobody wants to hear */
    struct sockaddr_un to;
    socklen_t to_len;
} self;

/* An address that begins with '@' is no file (unix(7), abstract). */
void notify_open(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t len = path != NULL && getenv("WATCHDOG_USEC") != NULL ? strlen(path) : 0;
    if (len == 0)
        return;
    int fd = len < sizeof self.to.sun_path ? socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;
    if (fd < 0) {
        log_ev(LOG_WARN, "no sign of life can be given", log_z("socket", path));
        return;
    }
    self.fd = fd;
    self.to.sun_family = AF_UNIX;
    memcpy(self.to.sun_path, path, len);
    if (path[0] == '@')
        self.to.sun_path[0] = '\0';
    self.to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

void notify_alive(void)
{
    static const char word[] = "WATCHDOG=1";
    if (self.fd > 0)
        (void)sendto(self.fd, word, sizeof word - 1, MSG_NOSIGNAL, (const struct sockaddr *)&self.to, self.to_len);
}
