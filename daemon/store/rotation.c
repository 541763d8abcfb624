/* SPDX-License-Identifier: MIT */
#include "store/rotation.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* PATH, PATH.1, PATH.2, … */
static int name_of(const char *path, unsigned number, char name[static PATH_MAX]) {
        int n = number == 0 ? snprintf(name, PATH_MAX, "%s", path) : snprintf(name, PATH_MAX, "%s.%u", path, number);

        return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int move(const char *path, unsigned number) {
        char from[PATH_MAX], to[PATH_MAX];
        int r;

        r = name_of(path, number, from);
        if (r >= 0)
                r = name_of(path, number + 1, to);
        if (r < 0)
                return r;
        return rename(from, to) < 0 && errno != ENOENT ? -errno : 0;
}

int rotation_open(const char *path, unsigned files) {
        int fd, r;

        for (unsigned number = files - 1; number > 0; number--) {
                r = move(path, number - 1);
                if (r < 0)
                        return r;
        }
        if (files == 1 && unlink(path) < 0 && errno != ENOENT)
                return -errno;
        /* a savefile has what people say to each other in it: for its owner alone. O_EXCL: nothing that was put
         * there in the meantime is followed or written over */
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        return fd < 0 ? -errno : fd;
}
