/* SPDX-License-Identifier: MIT */
#include "kernel/bpf_cgroup_path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int bpf_cgroup_path(const struct account_cgroup *cgroup, char **ret_path) {
        size_t length = cgroup->length, done = 0;
        char *path;

        if (length == 0)
                return -EAGAIN;
        if (length == ACCOUNT_CGROUP_NAMES)
                return -ENAMETOOLONG;
        if (length > sizeof(cgroup->names) || cgroup->names[length - 1] != '\0')
                return -EBADMSG;
        path = malloc(length + 1);
        if (!path)
                return -ENOMEM;
        for (size_t offset = 0, n; offset < length; offset += n + 1) { /* each before the ones that were there */
                n = strlen(cgroup->names + offset);
                done += n + 1;
                path[length - done] = '/';
                memcpy(path + length - done + 1, cgroup->names + offset, n);
        }
        path[length] = '\0';
        *ret_path = path;
        return 0;
}
