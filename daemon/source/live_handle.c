/* SPDX-License-Identifier: MIT */
#include "source/live_handle.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <pcap/pcap.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "source/fanout.h"
#include "source/filter_compile.h"
#include "source/pcap_handle.h"
#include "source/sample_batch.h"
#include "source/sample_run.h"
#include "util/clock.h"

/* Samples that a worker may have for the books at a time: 1 MB of them. */
#define BATCH_SAMPLES 8192

/* What one worker reads. While they are at it, each touches nothing but its own. */
struct member {
        pcap_t *handle;
        struct orient orient;
        struct sample_batch *batch; /* NULL: the only one, whose samples are handed over as they come, */
        struct sample_run run;      /* a train of packets at a time */
        struct drop_counter drops;
        int result; /* of the last drain */
        struct source_error error;
        const struct live_handle *capture;
};

struct live_handle {
        struct device *device;
        struct worker_pool *workers;
        uint32_t ifindex;
        size_t ring_bytes;
        uint64_t from_usec, to_usec;

        /* for the drain under way */
        sample_handler handler;
        void *userdata;
        int max_packets; /* of each member */

        unsigned n;
        struct member members[];
};

static bool is_bound(pcap_t *handle, uint32_t ifindex) {
        struct sockaddr_ll address = {};
        socklen_t size = sizeof(address);

        return getsockname(pcap_fileno(handle), (struct sockaddr *) &address, &size) >= 0 &&
               address.sll_family == AF_PACKET && address.sll_ifindex == (int) ifindex;
}

bool live_handle_is_bound(const struct live_handle *capture) {
        return is_bound(capture->members[0].handle, capture->ifindex);
}

static const char *name_of(const struct live_handle *capture) {
        return capture->ifindex == 0 ? PCAP_ANY : capture->device->name;
}

/* --- opening -------------------------------------------------------------------------------------------- */

static int open_member(struct live_handle *capture, struct member *member, const struct orient *orient,
                       struct source_error *ret_error) {
        const struct pcap_handle_config config = {.device = name_of(capture),
                                                  .snaplen = SNAPLEN,
                                                  .ring_bytes = capture->ring_bytes / capture->n};
        int r;

        r = pcap_handle_activate(&config, &member->handle, ret_error);
        if (r < 0)
                return r;
        /* it was opened by name, which another may have by now; and libpcap takes some for what is no
         * interface at all */
        if (!is_bound(member->handle, capture->ifindex)) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text),
                                "cannot capture on %s: that name leads libpcap to something else", config.device);
                return -ENODEV;
        }
        member->capture = capture;
        member->orient = *orient;
        member->orient.link_type = pcap_datalink(member->handle);
        member->orient.ifindex = capture->ifindex;
        if (capture->n == 1)
                return 0;
        r = sample_batch_new(BATCH_SAMPLES, &member->batch);
        if (r < 0)
                (void) snprintf(ret_error->text, sizeof(ret_error->text), "no memory to capture on %s",
                                config.device);
        return r;
}

/* Until the last of them has joined, some see the same packets: none of those count. */
static int join_members(struct live_handle *capture, struct source_error *ret_error) {
        int group = -1;

        for (unsigned i = 0; i < capture->n && capture->n > 1; i++) {
                int r = fanout_join(pcap_fileno(capture->members[i].handle), &group);

                if (r < 0) {
                        (void) snprintf(ret_error->text, sizeof(ret_error->text),
                                        "cannot divide the packets of %s among workers: %s", name_of(capture),
                                        strerror(-r));
                        return r;
                }
        }
        if (capture->n > 1)
                capture->from_usec = clock_usec(CLOCK_REALTIME);
        return 0;
}

static int open_members(struct live_handle *capture, const struct live_handle_config *config,
                        struct source_error *ret_error) {
        int r;

        for (unsigned i = 0; i < capture->n; i++) {
                r = open_member(capture, &capture->members[i], config->orient, ret_error);
                if (r < 0)
                        return r;
        }
        r = join_members(capture, ret_error);
        return r < 0 ? r : live_handle_set_filter(capture, config->filter, ret_error);
}

int live_handle_open(struct device *device, const struct live_handle_config *config,
                     struct live_handle **ret_capture, struct source_error *ret_error) {
        const unsigned n = worker_pool_size(config->workers);
        _cleanup_(live_handle_freep) struct live_handle *capture = NULL;
        int r;

        capture = calloc(1, sizeof(*capture) + n * sizeof(capture->members[0]));
        if (!capture) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text), "no memory to capture on %s",
                                device->name);
                return -ENOMEM;
        }
        capture->device = device;
        capture->workers = config->workers;
        capture->ifindex = device->ifindex;
        capture->ring_bytes = config->ring_bytes;
        capture->to_usec = UINT64_MAX;
        capture->n = n;
        device->handles++;
        r = open_members(capture, config, ret_error);
        if (r < 0)
                return r;
        (void) snprintf(device->link_type, sizeof(device->link_type), "%s",
                        pcap_datalink_val_to_name(capture->members[0].orient.link_type) ?: "unknown");
        *ret_capture = TAKE_PTR(capture);
        return 0;
}

void live_handle_free(struct live_handle *capture) {
        if (!capture)
                return;
        capture->device->handles--;
        for (unsigned i = 0; i < capture->n; i++) {
                pcap_handle_close(&capture->members[i].handle);
                sample_batch_free(capture->members[i].batch);
        }
        free(capture);
}

int live_handle_set_filter(struct live_handle *capture, const struct filter *filter,
                           struct source_error *ret_error) {
        for (unsigned i = 0; i < capture->n; i++) {
                int r = pcap_handle_set_filter(capture->members[i].handle, name_of(capture), filter, SNAPLEN,
                                               ret_error);

                if (r < 0) /* what one of them refuses, the first has refused: they are all alike */
                        return r;
        }
        return 0;
}

void live_handle_set_span(struct live_handle *capture, uint64_t from_usec, uint64_t to_usec) {
        capture->from_usec = MAX(capture->from_usec, from_usec);
        capture->to_usec = to_usec;
}

void live_handle_end(struct live_handle *capture) {
        capture->to_usec = MIN(capture->to_usec, clock_usec(CLOCK_REALTIME));
}

/* --- reading -------------------------------------------------------------------------------------------- */

static void on_packet(u_char *userdata, const struct pcap_pkthdr *header, const u_char *data) {
        struct member *member = (void *) userdata;
        const struct live_handle *capture = member->capture;
        uint64_t time_usec = pcap_usec(header);
        const struct orient_memo *memo;
        struct sample sample;
        uint32_t bytes;

        if (time_usec < capture->from_usec || time_usec >= capture->to_usec)
                return;
        member->orient.counts.received++;
        memo = orient_recall(&member->orient, data, header->caplen, header->len, time_usec, &bytes);
        if (memo && sample_run_extend(&member->run, memo->like, time_usec, bytes))
                return;
        if (memo)
                sample = orient_sample_like(memo, time_usec, bytes);
        else if (!orient_decode(&member->orient, data, header->caplen, header->len, time_usec, &sample))
                return;
        if (!member->batch) {
                sample_run_add(&member->run, &sample, memo ? memo->like : 0, capture->handler, capture->userdata);
                return;
        }
        sample_batch_add(member->batch, &sample);
        if (sample_batch_is_full(member->batch))
                pcap_breakloop(member->handle);
}

/* pcap_dispatch(3PCAP) says that it was broken off by an error of its own, when that came before any packet. */
static int dispatch(struct member *member, int max_packets) {
        const struct live_handle *capture = member->capture;
        uint64_t before = member->orient.counts.received;
        int r;

        orient_begin(&member->orient);
        r = pcap_handle_dispatch(member->handle, capture->device->name, max_packets, on_packet,
                                 (u_char *) member, &member->error);
        if (member->batch && sample_batch_is_full(member->batch))
                return MAX((int) (member->orient.counts.received - before), max_packets);
        return r;
}

static void read_member(unsigned index, void *userdata) {
        struct live_handle *capture = userdata;
        struct member *member = &capture->members[index];

        member->result = dispatch(member, capture->max_packets);
}

static int hand_over(struct live_handle *capture, int max_packets, struct source_error *ret_error) {
        bool more = false;
        int n = 0, r = 0;

        for (unsigned i = 0; i < capture->n; i++) {
                struct member *member = &capture->members[i];

                sample_run_end(&member->run, capture->handler, capture->userdata);
                if (member->batch)
                        sample_batch_take(member->batch, capture->handler, capture->userdata);
                if (member->result < 0) {
                        r = member->result;
                        *ret_error = member->error;
                } else {
                        n += member->result;
                        more |= member->result >= capture->max_packets;
                }
        }
        if (r < 0)
                return r;
        return more ? MAX(n, max_packets) : n;
}

int live_handle_drain(struct live_handle *capture, int max_packets, sample_handler handler, void *userdata,
                      struct source_error *ret_error) {
        uint64_t before = 0, after = 0;
        int n;

        for (unsigned i = 0; i < capture->n; i++)
                before += capture->members[i].orient.counts.received;
        capture->handler = handler;
        capture->userdata = userdata;
        capture->max_packets = max_packets;
        worker_pool_run(capture->workers, read_member, capture);
        n = hand_over(capture, max_packets, ret_error);
        for (unsigned i = 0; i < capture->n; i++)
                after += capture->members[i].orient.counts.received;
        capture->device->received += after - before;
        return n;
}

/* --- what there is to know ------------------------------------------------------------------------------ */

void live_handle_count_drops(struct live_handle *capture) {
        for (unsigned i = 0; i < capture->n; i++) {
                struct member *member = &capture->members[i];
                uint64_t before = member->drops.dropped, more;

                more = drop_counter_read(&member->drops, member->handle) - before;
                capture->device->dropped += more;
                member->orient.counts.dropped += more;
        }
}

struct device *live_handle_device(const struct live_handle *capture) {
        return capture->device;
}

size_t live_handle_ring_bytes(const struct live_handle *capture) {
        return capture->ring_bytes;
}

void live_handle_unwatch(const struct live_handle *capture, int epoll_fd) {
        for (unsigned i = 0; i < capture->n; i++)
                (void) epoll_ctl(epoll_fd, EPOLL_CTL_DEL, pcap_get_selectable_fd(capture->members[i].handle), NULL);
}

int live_handle_watch(const struct live_handle *capture, int epoll_fd) {
        for (unsigned i = 0; i < capture->n; i++) {
                struct epoll_event event = {.events = EPOLLIN};
                int fd = pcap_get_selectable_fd(capture->members[i].handle), r;

                if (fd >= 0 && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
                        r = -errno;
                        live_handle_unwatch(capture, epoll_fd);
                        return r;
                }
        }
        return 0;
}

void live_handle_counts(const struct live_handle *capture, struct orient_counts *ret_counts) {
        struct orient_counts counts = {};

        for (unsigned i = 0; i < capture->n; i++)
                orient_counts_add(&counts, &capture->members[i].orient.counts);
        *ret_counts = counts;
}
