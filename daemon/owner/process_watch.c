/* SPDX-License-Identifier: MIT */
#include "owner/process_watch.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

struct process_watch {
        int epoll;
};

int process_watch_new(struct process_watch **ret_watch) {
        _cleanup_free_ struct process_watch *watch = malloc(sizeof(*watch));

        if (!watch)
                return -ENOMEM;
        watch->epoll = epoll_create1(EPOLL_CLOEXEC);
        if (watch->epoll < 0)
                return -errno;

        *ret_watch = TAKE_PTR(watch);
        return 0;
}

void process_watch_free(struct process_watch *watch) {
        if (!watch)
                return;
        safe_close(watch->epoll);
        free(watch);
}

int process_watch_add(struct process_watch *watch, uint32_t pid, void *userdata, int *ret_pidfd) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = userdata};
        _cleanup_close_ int pidfd = -1;

        pidfd = (int) syscall(SYS_pidfd_open, (pid_t) pid, 0); /* close-on-exec by itself: pidfd_open(2) */
        if (pidfd < 0)
                return -errno;
        if (epoll_ctl(watch->epoll, EPOLL_CTL_ADD, pidfd, &event) < 0)
                return -errno;

        *ret_pidfd = TAKE_FD(pidfd);
        return 0;
}

void process_watch_remove(struct process_watch *watch, int pidfd) {
        (void) epoll_ctl(watch->epoll, EPOLL_CTL_DEL, pidfd, NULL);
}

int process_watch_exited(struct process_watch *watch, void **ret_userdata, int max) {
        struct epoll_event events[64];
        int n = epoll_wait(watch->epoll, events, MIN(max, (int) ELEMENTSOF(events)), 0);

        if (n < 0)
                return -errno;
        for (int i = 0; i < n; i++)
                ret_userdata[i] = events[i].data.ptr;
        return n;
}
