/* SPDX-License-Identifier: MIT */
#include "owner/netns_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/socket.h>

#include "util/macros.h"
#include "util/thread.h"

#define SOCKETS_MAX 4

struct opening {
        int netns;
        const int *protocols;
        size_t n;
        int fds[SOCKETS_MAX];
        int result;
};

static void close_all(struct opening *opening) {
        for (size_t i = 0; i < opening->n; i++)
                opening->fds[i] = safe_close(opening->fds[i]);
}

static void *run_thread(void *userdata) {
        struct opening *opening = userdata;

        /* of this thread alone: setns(2) */
        if (setns(opening->netns, CLONE_NEWNET) < 0) {
                opening->result = -errno;
                return NULL;
        }
        for (size_t i = 0; i < opening->n; i++) {
                opening->fds[i] =
                        socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, opening->protocols[i]);
                if (opening->fds[i] < 0) {
                        opening->result = -errno;
                        return NULL;
                }
        }
        return NULL;
}

static int run(struct opening *opening) {
        pthread_t thread;
        int r;

        r = thread_start(&thread, run_thread, opening);
        if (r < 0)
                return r;
        (void) pthread_join(thread, NULL);
        return opening->result;
}

int netns_sockets(int netns, const int *protocols, size_t n, int *ret_fds) {
        struct opening opening = {.netns = netns, .protocols = protocols, .n = n, .fds = {-1, -1, -1, -1}};
        int r;

        if (n > SOCKETS_MAX)
                return -EINVAL;
        r = run(&opening);
        if (r < 0) {
                close_all(&opening);
                return r;
        }
        for (size_t i = 0; i < n; i++)
                ret_fds[i] = opening.fds[i];
        return 0;
}

int netns_check(void) {
        _cleanup_close_ int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

        return own < 0 ? -errno : netns_sockets(own, NULL, 0, NULL);
}
