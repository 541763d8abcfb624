/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "owner/socket_holders_internal.h"

/* Within this long a number of a process does not come round again: between two looks at the last one that was given. */
#define FORKS_USEC (20 * USEC_PER_MSEC)

static void let_go(struct recent_holder *recent) {
        if (recent->is_held)
                safe_close(recent->directory);
}

struct recent_holder *holders_find_recent(struct socket_holders *holders, uint32_t pid) {
        for (size_t i = 0; i < RECENT_MAX && holders->recent[i].pid != 0; i++)
                if (holders->recent[i].pid == pid)
                        return &holders->recent[i];
        return NULL;
}

struct recent_holder *holders_remember_recent(struct socket_holders *holders, uint32_t pid, uint32_t fd) {
        struct recent_holder *recent = holders->recent, first;
        size_t i = 0;

        while (i < RECENT_MAX - 1 && recent[i].pid != pid && recent[i].pid != 0)
                i++;
        first = recent[i];
        if (first.pid != pid) {
                let_go(&first);
                first = (struct recent_holder){.pid = pid};
        }
        memmove(recent + 1, recent, i * sizeof(*recent));
        first.fd = fd;
        recent[0] = first;
        return recent;
}

void holders_forget_recent(struct socket_holders *holders, uint32_t pid) {
        struct recent_holder *recent = holders_find_recent(holders, pid);

        if (!recent)
                return;
        let_go(recent);
        memmove(recent, recent + 1, (size_t) (holders->recent + RECENT_MAX - recent - 1) * sizeof(*recent));
        holders->recent[RECENT_MAX - 1] = (struct recent_holder){};
}

void holders_forget_whole(struct socket_holders *holders) {
        for (size_t i = 0; i < RECENT_MAX; i++)
                holders->recent[i].whole = false;
}

void holders_free_recent(struct socket_holders *holders) {
        for (size_t i = 0; i < RECENT_MAX; i++)
                let_go(&holders->recent[i]);
}

void holders_hold_on(struct recent_holder *recent, int directory, const struct process_info *stat) {
        let_go(recent);
        recent->stat = *stat;
        recent->directory = directory;
        recent->is_held = true;
}

int holders_read_last_pid(struct socket_holders *holders, uint32_t *ret_pid) {
        if (holders->last_pid_fd < 0)
                holders->last_pid_fd = proc_open_last_pid(holders->config.proc_root);
        return holders->last_pid_fd < 0 ? holders->last_pid_fd : proc_read_last_pid(holders->last_pid_fd, ret_pid);
}

void holders_note_forks(struct socket_holders *holders, uint64_t now_usec) {
        uint32_t last = 0;

        if (holders_read_last_pid(holders, &last) < 0 || last != holders->forked || now_usec - holders->forks_usec > FORKS_USEC)
                holders->forks++;
        holders->forked = last;
        holders->forks_usec = now_usec;
}

uint64_t holders_settled(const struct socket_holders *holders, const struct recent_holder *recent) {
        return recent && recent->is_held && recent->whole && recent->settled == holders->forks ? recent->settled : 0;
}

/* Returns whether it is there, and not too large. */
static bool read_epoll(struct socket_holders *holders, uint32_t pid, uint32_t epoll) {
        const struct recent_holder *recent = holders_find_recent(holders, pid); /* unless reading the one before forgot it */

        if (!recent || !recent->is_held)
                return false;
        holders_begin_reading(holders, pid, recent);
        return proc_for_each_target(recent->directory, epoll, holders_on_socket, holders) >= 0;
}

void holders_read_targets(struct socket_holders *holders, uint32_t pid, uint64_t now_usec) {
        struct recent_holder *recent = holders_find_recent(holders, pid);
        uint32_t epolls[EPOLLS_MAX];
        size_t n = 0, n_read;

        if (!recent || recent->targets_usec == now_usec)
                return;
        recent->targets_usec = now_usec;
        n_read = recent->n_epolls;
        memcpy(epolls, recent->epolls, sizeof(epolls));
        for (size_t i = 0; i < n_read; i++)
                if (read_epoll(holders, pid, epolls[i]))
                        epolls[n++] = epolls[i];
        recent = holders_find_recent(holders, pid);
        if (!recent || n == n_read)
                return;
        recent->n_epolls = n;
        memcpy(recent->epolls, epolls, sizeof(epolls));
}
