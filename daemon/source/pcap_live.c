/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "source/chosen.h"
#include "source/handle_set.h"
#include "source/pattern.h"
#include "source/pcap_handle.h"
#include "source/selection.h"
#include "source/source.h"
#include "util/clock.h"

/* Together the rings take as much memory as this many of the size asked for, and for each device beyond what
 * fits there RING_MIN: two of libpcap's blocks, so that one is filled while the other is read. No cgroup is
 * charged for them. */
#define RINGS_AT_FULL_SIZE 4
#define RING_MIN           ((size_t) 512 << 10)

/* What may pass by itself (no memory, say) is tried again this often. */
#define RETRY_USEC (1 * USEC_PER_SEC)

struct pcap_live {
        struct selection selection;
        struct handle_set set;
        struct interfaces *interfaces;
        bool namespaces;
        struct device_list *devices;
        struct worker_pool *workers;
        size_t ring_bytes;
        uint64_t generation;    /* of the interfaces, when devices were last seen to */
        uint64_t retry_usec;    /* CLOCK_MONOTONIC; UINT64_MAX: nothing to be tried again */
        uint64_t takeover_usec; /* likewise: until then two may see the same packet; 0: no */
};

static size_t ring_bytes_for(const struct pcap_live *live) {
        size_t left = RINGS_AT_FULL_SIZE * live->ring_bytes;

        for (size_t i = 0; i < live->set.n; i++)
                left -= MIN(left, live_handle_ring_bytes(live->set.open[i]));
        return MIN(live->ring_bytes, MAX(left / 2, RING_MIN));
}

static int open_device(struct pcap_live *live, struct device *device, const struct filter *filter,
                       struct source_error *ret_error) {
        const struct orient orient = {
                .interfaces = live->interfaces,
                .devices = device->ifindex != 0 ? live->devices : NULL,
                .addresses = &live->selection.addresses,
                .namespaces = live->namespaces,
        };
        const struct live_handle_config config = {.ring_bytes = ring_bytes_for(live),
                                                  .filter = filter,
                                                  .orient = &orient,
                                                  .workers = live->workers};
        _cleanup_(live_handle_freep) struct live_handle *capture = NULL;
        int r;

        if (device->ifindex != 0 && live->set.n >= DEVICES_CAPTURED_MAX) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text),
                                "%d devices are captured on already, and no more can be",
                                DEVICES_CAPTURED_MAX);
                return -ENOSPC;
        }
        r = live_handle_open(device, &config, &capture, ret_error);
        if (r < 0)
                return r;
        r = handle_set_add(&live->set, capture);
        if (r < 0) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text), "cannot capture on %s: %s",
                                device->name, strerror(-r));
                return r;
        }
        device_set_state(device, DEVICE_CAPTURING, NULL);
        TAKE_PTR(capture);
        return 0;
}

static int open_any(struct pcap_live *live, const struct filter *filter, struct source_error *ret_error) {
        struct device *device;
        int r;

        r = device_list_get(live->devices, 0, PCAP_ANY, &device);
        if (r < 0)
                return r;
        r = open_device(live, device, filter, ret_error);
        if (r < 0)
                device_set_state(device, DEVICE_FAILED, "%s", ret_error->text);
        return r;
}

static void let_go(struct pcap_live *live, struct device *device) {
        struct live_handle *capture = handle_set_find(&live->set, device);

        if (capture)
                handle_set_retire(&live->set, capture);
}

static void lose(struct pcap_live *live, struct device *device) {
        const struct interface *interface = interfaces_get(live->interfaces, device->ifindex);
        char why[64] = "it is not there any more";

        if (interface && strcmp(interface->name, device->name) != 0)
                (void) snprintf(why, sizeof(why), "it is called %s now", interface->name);
        else if (interface || device->ifindex == 0)
                (void) snprintf(why, sizeof(why), "it is not chosen any more");
        let_go(live, device);
        device_list_set_gone(live->devices, device, why);
}

/* Of what was captured on before the capture was stopped, what is not now. */
static void lose_stopped(struct pcap_live *live) {
        const struct device *device;

        for (size_t cursor = 0; (device = device_list_next(live->devices, &cursor));)
                if (device->state == DEVICE_STOPPED && device->handles == 0 &&
                    (device->ifindex == 0 || !live->selection.patterns))
                        device_list_set_gone(live->devices, device_list_find(live->devices, device->ifindex),
                                             "it is not chosen any more");
}

static bool is_chosen(const struct chosen *chosen, size_t n, uint32_t ifindex) {
        for (size_t i = 0; i < n; i++)
                if (chosen[i].interface->ifindex == ifindex)
                        return true;
        return false;
}

/* Devices that are gone, or another one by now. */
static void lose_devices(struct pcap_live *live, const struct chosen *chosen, size_t n) {
        const struct device *device;

        for (size_t cursor = 0; (device = device_list_next(live->devices, &cursor));) {
                struct device *found =
                        device->ifindex != 0 ? device_list_find(live->devices, device->ifindex) : NULL;
                struct live_handle *capture;

                if (!found)
                        continue;
                capture = handle_set_find(&live->set, found);
                if (capture && !live_handle_is_bound(capture))
                        handle_set_retire(&live->set, capture);
                if (!is_chosen(chosen, n, found->ifindex))
                        lose(live, found);
        }
}

static bool may_pass(int r) {
        return r != -EINVAL && r != -EPROTONOSUPPORT && r != -EPERM && r != -ENOSPC;
}

/* Opens what can be opened, and says why the rest cannot. Returns -EPERM where that is forbidden, 0 else. */
static int keep_device(struct pcap_live *live, const struct chosen *chosen, struct device *device) {
        const struct interface *interface = chosen->interface;
        struct source_error error = {.text = "out of memory"};
        int r;

        if (strcmp(device->name, interface->name) != 0) {
                device_set_state(device, device->state, "it was called %s before", device->name);
                (void) snprintf(device->name, sizeof(device->name), "%s", interface->name);
        }
        if (chosen->covered_by) {
                let_go(live, device);
                device_set_state(device, DEVICE_COVERED, "%s%s",
                                 chosen->covered_by == interface ? "it shows again what other devices have"
                                                                 : "its packets count on ",
                                 chosen->covered_by == interface ? "" : chosen->covered_by->name);
                return 0;
        }
        if (!(interface->flags & IFF_UP)) {
                device_set_state(device, DEVICE_DOWN, "it was down");
                return 0;
        }
        if (handle_set_find(&live->set, device)) {
                device_set_state(device, DEVICE_CAPTURING, NULL);
                return 0;
        }
        r = open_device(live, device, live->selection.filter, &error);
        if (r < 0)
                device_set_state(device, r == -ENETDOWN ? DEVICE_DOWN : DEVICE_FAILED, "%s", error.text);
        if (r < 0 && may_pass(r))
                live->retry_usec = clock_usec(CLOCK_MONOTONIC) + RETRY_USEC;
        return r == -EPERM ? r : 0;
}

static void await_devices(struct pcap_live *live, const struct chosen *chosen, size_t n) {
        device_list_clear_waiting(live->devices);
        for (char **pattern = live->selection.patterns; *pattern; pattern++) {
                const char *const alone[] = {*pattern, NULL};
                bool found = pattern_excludes(*pattern);

                for (size_t i = 0; i < n && !found; i++)
                        found = patterns_match(alone, chosen[i].interface->name);
                if (!found)
                        device_list_add_waiting(live->devices, *pattern, "no such device is there");
        }
}

/* Brings what is captured into line with what is there and what is chosen. Returns 0, -EPERM when capturing
 * is forbidden, or -ENOMEM; what can be captured is, whatever it returns. */
static int see_to_devices(struct pcap_live *live) {
        _cleanup_free_ struct chosen *chosen = NULL;
        size_t n, excess = 0;
        int r, result = 0;

        live->retry_usec = UINT64_MAX;
        live->generation = interfaces_generation(live->interfaces);
        r = choose_interfaces(live->interfaces, (const char *const *) live->selection.patterns, &chosen, &n);
        if (r < 0) {
                live->retry_usec = clock_usec(CLOCK_MONOTONIC) + RETRY_USEC;
                return r;
        }
        lose_devices(live, chosen, n);
        for (size_t i = 0; i < n; i++) {
                const struct interface *interface = chosen[i].interface;
                struct device *device;

                r = device_list_get(live->devices, interface->ifindex, interface->name, &device);
                if (r >= 0)
                        r = keep_device(live, &chosen[i], device);
                else
                        excess++;
                if (r == -EPERM)
                        result = r;
        }
        device_list_set_excess(live->devices, excess, n - excess);
        await_devices(live, chosen, n);
        device_list_forget(live->devices);
        return result;
}

static void pcap_live_close(void *state) {
        struct pcap_live *live = state;

        if (!live)
                return;
        handle_set_done(&live->set);
        worker_pool_free(live->workers);
        selection_done(&live->selection);
        free(live);
}

static void pcap_live_closep(struct pcap_live **live) {
        pcap_live_close(*live);
}

static int pcap_live_open(const struct source_config *config, void **ret_state,
                          struct source_error *ret_error) {
        _cleanup_(pcap_live_closep) struct pcap_live *live = calloc(1, sizeof(*live));
        int r;

        if (!live)
                return -ENOMEM;
        live->set.epoll_fd = -1;
        live->interfaces = config->interfaces;
        live->namespaces = config->namespaces;
        live->devices = config->devices;
        live->ring_bytes = config->ring_bytes;
        live->retry_usec = UINT64_MAX;
        r = worker_pool_new(MAX(config->workers, 1u), &live->workers);
        if (r < 0) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text), "cannot start %u workers: %s",
                                config->workers, strerror(-r));
                return r;
        }
        r = selection_init(&config->choice, config->interfaces, &config->waiting, &live->selection,
                           ret_error);
        if (r < 0)
                return r;
        r = handle_set_init(&live->set);
        if (r >= 0)
                r = handle_set_watch(&live->set, interfaces_fd(config->interfaces));
        if (r < 0) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text), "cannot wait for packets: %s",
                                strerror(-r));
                return r;
        }
        if (!live->selection.patterns)
                r = open_any(live, live->selection.filter, ret_error);
        else {
                r = see_to_devices(live);
                if (r < 0)
                        (void) snprintf(ret_error->text, sizeof(ret_error->text),
                                        "cannot capture on any of \"%s\": %s", live->selection.title,
                                        strerror(-r));
        }
        if (r < 0)
                return r;
        lose_stopped(live);

        *ret_state = TAKE_PTR(live);
        return 0;
}

static int pcap_live_fd(const void *state) {
        const struct pcap_live *live = state;

        return live->set.epoll_fd;
}

/* Once those that were given up have been read, no packet can be seen twice. */
static void end_takeover(struct pcap_live *live) {
        if (live->takeover_usec == 0 || clock_usec(CLOCK_MONOTONIC) < live->takeover_usec)
                return;
        for (size_t i = 0; i < live->set.n; i++)
                live_handle_set_span(live->set.open[i], 0, UINT64_MAX);
        live->takeover_usec = 0;
}

static int pcap_live_drain(void *state, int max_packets, sample_handler handler, void *userdata,
                           struct source_error *ret_error) {
        struct pcap_live *live = state;
        const size_t n_retiring = live->set.n_retiring;
        int n, r;

        if (live->selection.patterns && (live->generation != interfaces_generation(live->interfaces) ||
                                         clock_usec(CLOCK_MONOTONIC) >= live->retry_usec))
                (void) see_to_devices(live);
        n = handle_set_drain(&live->set, max_packets, handler, userdata);
        end_takeover(live);
        if (live->set.n_retiring < n_retiring) /* those have been read to their end */
                device_list_forget(live->devices);
        r = live->set.failure;
        live->set.failure = 0;
        if (r == 0)
                return n;
        if (!live->selection.patterns) { /* there is nothing left to capture on */
                *ret_error = live->set.failure_text;
                return r;
        }
        live->retry_usec = 0; /* it may be there again, or another of its name */
        return n;
}

static bool pcap_live_busy(const void *state) {
        const struct pcap_live *live = state;

        return live->set.n_retiring > 0 || live->retry_usec != UINT64_MAX || live->takeover_usec != 0;
}

/* From now on, what is open counts, and what was given up does not: packets bear stamps. */
static void take_over(struct pcap_live *live, size_t n_before) {
        const uint64_t now = clock_usec(CLOCK_REALTIME);

        for (size_t i = n_before; i < live->set.n; i++)
                live_handle_set_span(live->set.open[i], now, UINT64_MAX);
        for (size_t i = 0; i < n_before; i++)
                live_handle_set_span(live->set.open[i], 0, now);
        live->takeover_usec = clock_usec(CLOCK_MONOTONIC) + RETIRE_USEC;
}

/* From `any` to devices, or back. Those open before come first in the set. */
static int switch_mode(struct pcap_live *live, struct selection *fresh, struct source_error *ret_error) {
        const size_t n_before = live->set.n;
        struct selection before = live->selection;
        struct live_handle *old[DEVICES_CAPTURED_MAX];
        int r = 0;

        memcpy(old, live->set.open, n_before * sizeof(old[0]));
        live->selection = *fresh;
        if (!fresh->patterns)
                r = open_any(live, fresh->filter, ret_error);
        else if (see_to_devices(live) == -EPERM && live->set.n == n_before) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text), "cannot capture on \"%s\": %s",
                                fresh->title, strerror(EPERM));
                r = -EPERM;
        }
        if (r < 0) {
                live->selection = before;
                return r;
        }
        *fresh = before; /* for the caller to free */
        take_over(live, n_before);
        for (size_t i = 0; i < n_before; i++)
                lose(live, live_handle_device(old[i]));
        return 0;
}

/* A device that the new filter does not go with is not captured on; `any` always is. */
static int set_filters(struct pcap_live *live, const struct filter *filter, struct source_error *ret_error) {
        for (size_t i = live->set.n; i-- > 0;) {
                struct live_handle *capture = live->set.open[i];
                int r;

                r = live_handle_set_filter(capture, filter, ret_error);
                if (r < 0 && !live->selection.patterns)
                        return r;
                if (r < 0)
                        handle_set_retire(&live->set, capture);
        }
        return 0;
}

static int pcap_live_choose(void *state, const struct source_choice *choice,
                            const struct source_waiting *waiting, struct source_error *ret_error) {
        _cleanup_(selection_done) struct selection fresh = {};
        struct pcap_live *live = state;
        struct selection before;
        int r;

        r = selection_init(choice, live->interfaces, waiting, &fresh, ret_error);
        if (r < 0)
                return r;
        if (!fresh.patterns != !live->selection.patterns)
                return switch_mode(live, &fresh, ret_error);
        r = set_filters(live, fresh.filter, ret_error);
        if (r < 0)
                return r;
        before = live->selection;
        live->selection = fresh;
        fresh = before;
        if (live->selection.patterns)
                (void) see_to_devices(live);
        return 0;
}

static void pcap_live_stats(void *state, struct source_stats *ret_stats) {
        struct pcap_live *live = state;
        struct orient_counts counts;

        handle_set_counts(&live->set, &counts);
        *ret_stats = (struct source_stats){
                .received = counts.received,
                .dropped = counts.dropped,
                .skipped_enslaved = counts.skipped_enslaved,
                .skipped_stacked = counts.skipped_stacked,
                .skipped_address = counts.skipped_address,
                .tunnel_inner = counts.tunnel_inner,
        };
}

static void pcap_live_device(const void *state, struct source_device *ret_device) {
        const struct pcap_live *live = state;

        *ret_device = (struct source_device){
                .name = live->selection.title,
                .link_type = live->selection.patterns ? "" : "LINUX_SLL2",
        };
}

const struct source_ops source_pcap = {
        .name = "pcap",
        .open = pcap_live_open,
        .close = pcap_live_close,
        .fd = pcap_live_fd,
        .drain = pcap_live_drain,
        .stats = pcap_live_stats,
        .device = pcap_live_device,
        .choose = pcap_live_choose,
        .busy = pcap_live_busy,
};
