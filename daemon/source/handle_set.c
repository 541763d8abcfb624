/* SPDX-License-Identifier: MIT */
#include "source/handle_set.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "util/clock.h"

int handle_set_init(struct handle_set *ret_set) {
        int fd = epoll_create1(EPOLL_CLOEXEC);

        if (fd < 0)
                return -errno;
        *ret_set = (struct handle_set){.epoll_fd = fd};
        return 0;
}

static void close_capture(struct handle_set *set, struct live_handle *capture) {
        struct orient_counts counts;

        live_handle_count_drops(capture);
        live_handle_counts(capture, &counts);
        orient_counts_add(&set->closed, &counts);
        live_handle_free(capture);
}

void handle_set_done(struct handle_set *set) {
        while (set->n > 0)
                live_handle_free(set->open[--set->n]);
        while (set->n_retiring > 0)
                live_handle_free(set->retiring[--set->n_retiring].capture);
        set->epoll_fd = safe_close(set->epoll_fd);
}

int handle_set_watch(struct handle_set *set, int fd) {
        struct epoll_event event = {.events = EPOLLIN};

        return fd >= 0 && epoll_ctl(set->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int handle_set_add(struct handle_set *set, struct live_handle *capture) {
        int r;

        if (set->n == HANDLES_MAX)
                return -ENOSPC;
        r = live_handle_watch(capture, set->epoll_fd);
        if (r < 0)
                return r;
        set->open[set->n++] = capture;
        return 0;
}

struct live_handle *handle_set_find(const struct handle_set *set, const struct device *device) {
        for (size_t i = 0; i < set->n; i++)
                if (live_handle_device(set->open[i]) == device)
                        return set->open[i];
        return NULL;
}

static void close_oldest_retiring(struct handle_set *set) {
        close_capture(set, set->retiring[0].capture);
        set->n_retiring--;
        memmove(set->retiring, set->retiring + 1, set->n_retiring * sizeof(set->retiring[0]));
}

void handle_set_retire(struct handle_set *set, struct live_handle *capture) {
        size_t i = 0;

        while (set->open[i] != capture)
                i++;
        set->n--;
        memmove(set->open + i, set->open + i + 1, (set->n - i) * sizeof(set->open[0]));
        live_handle_end(capture);
        /* that it is in error must wake nobody */
        live_handle_unwatch(capture, set->epoll_fd);
        if (set->n_retiring == HANDLES_MAX)
                close_oldest_retiring(set);
        set->retiring[set->n_retiring].capture = capture;
        set->retiring[set->n_retiring++].until_usec = clock_usec(CLOCK_MONOTONIC) + RETIRE_USEC;
}

static int drain_retiring(struct handle_set *set, int max_packets, sample_handler handler, void *userdata) {
        const uint64_t now = clock_usec(CLOCK_MONOTONIC);
        struct source_error error;
        int n = 0;

        for (size_t i = 0; i < set->n_retiring && n < max_packets; i++) {
                int r = live_handle_drain(set->retiring[i].capture, max_packets - n, handler, userdata,
                                          &error);

                n += MAX(r, 0); /* that its device is gone is known */
        }
        /* in the order in which they were given up; what there was of each by then has been read */
        while (n < max_packets && set->n_retiring > 0 && now >= set->retiring[0].until_usec)
                close_oldest_retiring(set);
        return n;
}

static void give_up(struct handle_set *set, struct live_handle *capture, int r,
                    const struct source_error *error) {
        device_set_state(live_handle_device(capture), DEVICE_FAILED, "%s", error->text);
        handle_set_retire(set, capture);
        set->failure = r;
        set->failure_text = *error;
}

int handle_set_drain(struct handle_set *set, int max_packets, sample_handler handler, void *userdata) {
        int n = drain_retiring(set, max_packets, handler, userdata);
        size_t left = set->n, i = set->turn++;

        for (; left > 0 && set->n > 0 && n < max_packets; left--) {
                struct live_handle *capture = set->open[i % set->n];
                struct source_error error;
                int r = live_handle_drain(capture, max_packets - n, handler, userdata, &error);

                if (r < 0) /* the next one is in its place now */
                        give_up(set, capture, r, &error);
                else
                        i++;
                n += MAX(r, 0);
        }
        return n;
}

void handle_set_counts(struct handle_set *set, struct orient_counts *ret_counts) {
        struct orient_counts counts = set->closed, more;

        for (size_t i = 0; i < set->n; i++) {
                live_handle_count_drops(set->open[i]);
                live_handle_counts(set->open[i], &more);
                orient_counts_add(&counts, &more);
        }
        for (size_t i = 0; i < set->n_retiring; i++) {
                live_handle_counts(set->retiring[i].capture, &more);
                orient_counts_add(&counts, &more);
        }
        *ret_counts = counts;
}
