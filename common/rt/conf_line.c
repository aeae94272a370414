#include "common/rt/conf_rows.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* As much as fits: what is behind the line is none of ours. returns the bytes, or -1 */
static ssize_t read_begin(const char *path, char *out, size_t size)
{
    size_t have = 0;
    ssize_t n = 1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return -1;
    while (have < size && n != 0) {
        n = read(fd, out + have, size - have);
        if (n < 0 && errno != EINTR)
            break;
        have += n > 0 ? (size_t)n : 0;
    }
    (void)close(fd);
    return n < 0 ? -1 : (ssize_t)have;
}

int conf_read_line(const struct conf *c, enum setting s, struct buf *out)
{
    char begin[CONF_VALUE_MAX];
    ssize_t n = read_begin(conf_str(c, s), begin, sizeof(begin));
    struct span text = span_of(begin, n > 0 ? (size_t)n : 0);
    struct span line = span_trim(span_of(begin, span_find(text, '\n')));
    bool fits = n > 0 && line.len > 0 && (line.len < sizeof(begin)) && memchr(line.p, '\0', line.len) == NULL;
    if (fits)
        buf_put_span(out, line);
    explicit_bzero(begin, sizeof(begin));
    return fits && !out->failed ? 0 : -1;
}
