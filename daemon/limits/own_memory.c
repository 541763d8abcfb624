/* SPDX-License-Identifier: MIT */
#include "limits/own_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "util/file.h"
#include "util/parse.h"

/* Which of the numbers of statm counts pages of data and stacks, from 0 on. */
#define STATM_DATA 5

int parse_statm_data(const char *text, size_t length, uint64_t *ret_pages) {
        uint64_t pages;

        for (int i = 0;; i++) {
                ssize_t n = parse_u64_prefix(text, length, &pages);

                if (n < 0 || (size_t) n == length)
                        return -EBADMSG;
                if (i == STATM_DATA)
                        break;
                if (text[n] != ' ')
                        return -EBADMSG;
                text += n + 1;
                length -= (size_t) n + 1;
        }
        *ret_pages = pages;
        return 0;
}

static int read_data_bytes(uint64_t *ret_bytes) {
        char text[128];
        ssize_t n = read_record_at(AT_FDCWD, "/proc/self/statm", text, sizeof(text));
        uint64_t pages;
        int r;

        if (n < 0)
                return (int) n;
        r = parse_statm_data(text, (size_t) n, &pages);
        if (r < 0)
                return r;
        *ret_bytes = pages * (uint64_t) sysconf(_SC_PAGESIZE);
        return 0;
}

int own_memory_bound(const struct limits_reader *reader) {
        uint64_t left, data = 0;
        struct rlimit limit;
        int r;

        if (getrlimit(RLIMIT_DATA, &limit) < 0)
                return -errno;
        r = limits_read_memory_left(reader, &left);
        if (r == -ENODATA)
                limit.rlim_cur = limit.rlim_max;
        else if (r < 0)
                return r;
        else {
                r = read_data_bytes(&data);
                if (r < 0)
                        return r;
                limit.rlim_cur = MIN((rlim_t) (data + left), limit.rlim_max);
        }
        return setrlimit(RLIMIT_DATA, &limit) < 0 ? -errno : 0;
}
