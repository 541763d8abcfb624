/* SPDX-License-Identifier: MIT */
#include "store/savefile_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "util/clock.h"

/* What a reader may be behind: a millisecond at 10 Gbit/s, a second of an uplink. */
#define BUFFER_BYTES (1u << 20)

/* pcap-savefile(5): in the writer's byte order, with stamps in µs. */
#define MAGIC 0xa1b2c3d4u

struct file_header {
        uint32_t magic;
        uint16_t version_major, version_minor;
        uint32_t reserved1, reserved2;
        uint32_t snaplen;
        uint32_t link_type;
};

struct record_header {
        uint32_t seconds, microseconds;
        uint32_t captured, length;
};

struct savefile_writer {
        int fd;
        mode_t kind; /* S_IFMT of it */
        uint64_t written;
        size_t begin, end; /* of what waits in the buffer */
        uint8_t *buffer;
};

static bool is_stream(int fd) {
        int type = 0;
        socklen_t size = sizeof(type);

        return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

static bool can_write_to(int fd, mode_t *ret_kind) {
        int flags = fcntl(fd, F_GETFL);
        struct stat stat;

        if (flags < 0 || fstat(fd, &stat) < 0 || (flags & O_PATH))
                return false;
        *ret_kind = stat.st_mode & S_IFMT;
        switch (*ret_kind) {
        case S_IFREG:
        case S_IFIFO:
        case S_IFCHR:
                return (flags & O_ACCMODE) != O_RDONLY;
        case S_IFSOCK:
                return is_stream(fd);
        default:
                return false;
        }
}

static void append(struct savefile_writer *writer, const void *data, size_t n) {
        memcpy(writer->buffer + writer->end, data, n);
        writer->end += n;
}

int savefile_writer_new(int fd, const struct savefile_header *header, struct savefile_writer **ret_writer) {
        const struct file_header first = {
                .magic = MAGIC,
                .version_major = 2,
                .version_minor = 4,
                .snaplen = header->snaplen,
                .link_type = (uint32_t) header->link_type,
        };
        _cleanup_close_ int own = fd;
        struct savefile_writer *writer;
        mode_t kind;

        if (!can_write_to(fd, &kind))
                return -EINVAL;
        writer = calloc(1, sizeof(*writer));
        if (!writer)
                return -ENOMEM;
        writer->buffer = malloc(BUFFER_BYTES);
        if (!writer->buffer) {
                free(writer);
                return -ENOMEM;
        }
        writer->fd = TAKE_FD(own);
        writer->kind = kind;
        append(writer, &first, sizeof(first));
        *ret_writer = writer;
        return 0;
}

void savefile_writer_free(struct savefile_writer *writer) {
        if (!writer)
                return;
        safe_close(writer->fd);
        free(writer->buffer);
        free(writer);
}

static void make_room(struct savefile_writer *writer) {
        memmove(writer->buffer, writer->buffer + writer->begin, writer->end - writer->begin);
        writer->end -= writer->begin;
        writer->begin = 0;
}

int savefile_writer_append(struct savefile_writer *writer, uint64_t time_usec, const void *data,
                           uint32_t captured, uint32_t length) {
        const struct record_header header = {
                .seconds = (uint32_t) (time_usec / USEC_PER_SEC),
                .microseconds = (uint32_t) (time_usec % USEC_PER_SEC),
                .captured = captured,
                .length = length,
        };

        if (BUFFER_BYTES - writer->end < sizeof(header) + captured)
                make_room(writer);
        if (BUFFER_BYTES - writer->end < sizeof(header) + captured)
                return -ENOBUFS;
        append(writer, &header, sizeof(header));
        append(writer, data, captured);
        return 0;
}

uint64_t savefile_writer_size(const struct savefile_writer *writer) {
        return writer->written + writer->end - writer->begin;
}

uint64_t savefile_writer_size_with(const struct savefile_writer *writer, uint32_t captured) {
        return savefile_writer_size(writer) + sizeof(struct record_header) + captured;
}

/* O_NONBLOCK would be seen by whoever shares the open file, so each kind has another way not to wait: a file
 * never does; a pipe that poll(2) calls writable takes PIPE_BUF bytes (pipe(7)); a socket can be told. */
static ssize_t write_some(struct savefile_writer *writer) {
        struct pollfd writable = {.fd = writer->fd, .events = POLLOUT};
        const uint8_t *data = writer->buffer + writer->begin;
        size_t n = writer->end - writer->begin;

        if (writer->kind == S_IFREG)
                return write(writer->fd, data, n);
        if (writer->kind == S_IFSOCK)
                return send(writer->fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (poll(&writable, 1, 0) < 0)
                return -1;
        if (!(writable.revents & POLLOUT)) {
                errno = EAGAIN;
                return -1;
        }
        return write(writer->fd, data, MIN(n, (size_t) PIPE_BUF));
}

/* Seen also while nothing waits to be written. */
static bool is_closed(const struct savefile_writer *writer) {
        struct pollfd closed = {.fd = writer->fd};

        return writer->kind != S_IFREG && poll(&closed, 1, 0) > 0 && closed.revents & (POLLERR | POLLHUP);
}

int savefile_writer_flush(struct savefile_writer *writer) {
        if (is_closed(writer))
                return -EPIPE;
        while (writer->begin < writer->end) {
                ssize_t n = write_some(writer);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN ? 0 : -errno;
                writer->begin += (size_t) n;
                writer->written += (uint64_t) n;
        }
        writer->begin = writer->end = 0;
        return 0;
}

bool savefile_writer_pending(const struct savefile_writer *writer) {
        return writer->begin < writer->end;
}
