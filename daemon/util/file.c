/* SPDX-License-Identifier: MIT */
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>

#include "util/macros.h"

ssize_t read_fd(int fd, char *buffer, size_t size) {
        size_t n = 0;

        while (n < size) { /* long ones come in pieces: seq_file hands out a page at a time */
                ssize_t got = read(fd, buffer + n, size - n);

                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return -errno;
                if (got == 0)
                        break;
                n += (size_t) got;
        }
        return (ssize_t) n;
}

ssize_t read_file_at(int directory, const char *path, char *buffer, size_t size) {
        _cleanup_close_ int fd = openat(directory, path, O_RDONLY | O_CLOEXEC);

        return fd < 0 ? -errno : read_fd(fd, buffer, size);
}

ssize_t read_record_at(int directory, const char *path, char *buffer, size_t size) {
        _cleanup_close_ int fd = openat(directory, path, O_RDONLY | O_CLOEXEC);
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = read(fd, buffer, size);
        return n < 0 ? -errno : n;
}
