/* SPDX-License-Identifier: MIT */
#include "source/live_handle.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <pcap/pcap.h>
#include <string.h>
#include <sys/socket.h>

#include "source/filter_compile.h"
#include "source/pcap_handle.h"

struct live_handle {
        pcap_t *handle;
        struct device *device;
        struct orient orient;
        uint32_t ifindex;
        size_t ring_bytes;
        uint64_t from_usec, to_usec;
        struct drop_counter drops;

        sample_handler handler; /* for the drain under way */
        void *userdata;
};

static bool is_bound(pcap_t *handle, uint32_t ifindex) {
        struct sockaddr_ll address = {};
        socklen_t size = sizeof(address);

        return getsockname(pcap_fileno(handle), (struct sockaddr *) &address, &size) >= 0 &&
               address.sll_family == AF_PACKET && address.sll_ifindex == (int) ifindex;
}

bool live_handle_is_bound(const struct live_handle *capture) {
        return is_bound(capture->handle, capture->ifindex);
}

static int open_handle(const struct device *device, size_t ring_bytes, const struct filter *filter,
                       pcap_t **ret_handle, struct source_error *ret_error) {
        const struct pcap_handle_config config = {
                .device = device->ifindex == 0 ? PCAP_ANY : device->name,
                .snaplen = SNAPLEN,
                .ring_bytes = ring_bytes,
        };
        _cleanup_(pcap_handle_close) pcap_t *handle = NULL;
        int r;

        r = pcap_handle_activate(&config, &handle, ret_error);
        if (r < 0)
                return r;
        /* it was opened by name, which another may have by now; and libpcap takes some for what is no
         * interface at all */
        if (!is_bound(handle, device->ifindex)) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text),
                                "cannot capture on %s: that name leads libpcap to something else",
                                config.device);
                return -ENODEV;
        }
        r = pcap_handle_set_filter(handle, config.device, filter, SNAPLEN, ret_error);
        if (r < 0)
                return r;
        *ret_handle = TAKE_PTR(handle);
        return 0;
}

int live_handle_open(struct device *device, size_t ring_bytes, const struct filter *filter,
                     const struct orient *orient, struct live_handle **ret_capture,
                     struct source_error *ret_error) {
        _cleanup_(pcap_handle_close) pcap_t *handle = NULL;
        struct live_handle *capture;
        int r;

        r = open_handle(device, ring_bytes, filter, &handle, ret_error);
        if (r < 0)
                return r;
        capture = calloc(1, sizeof(*capture));
        if (!capture)
                return -ENOMEM;
        capture->device = device;
        capture->ifindex = device->ifindex;
        capture->ring_bytes = ring_bytes;
        capture->to_usec = UINT64_MAX;
        capture->orient = *orient;
        capture->orient.link_type = pcap_datalink(handle);
        capture->orient.ifindex = device->ifindex;
        capture->handle = TAKE_PTR(handle);
        (void) snprintf(device->link_type, sizeof(device->link_type), "%s",
                        pcap_datalink_val_to_name(capture->orient.link_type) ?: "unknown");
        device->handles++;
        *ret_capture = capture;
        return 0;
}

void live_handle_free(struct live_handle *capture) {
        if (!capture)
                return;
        capture->device->handles--;
        pcap_handle_close(&capture->handle);
        free(capture);
}

int live_handle_set_filter(struct live_handle *capture, const struct filter *filter,
                           struct source_error *ret_error) {
        return pcap_handle_set_filter(capture->handle,
                                      capture->ifindex == 0 ? PCAP_ANY : capture->device->name, filter,
                                      SNAPLEN, ret_error);
}

void live_handle_set_span(struct live_handle *capture, uint64_t from_usec, uint64_t to_usec) {
        capture->from_usec = from_usec;
        capture->to_usec = to_usec;
}

static void on_packet(u_char *userdata, const struct pcap_pkthdr *header, const u_char *data) {
        struct live_handle *capture = (void *) userdata;
        uint64_t time_usec = pcap_usec(header);
        struct sample sample;

        if (time_usec < capture->from_usec || time_usec >= capture->to_usec)
                return;
        capture->device->received++;
        capture->orient.counts.received++;
        if (orient_packet(&capture->orient, data, header->caplen, header->len, time_usec, &sample))
                capture->handler(&sample, capture->userdata);
}

int live_handle_drain(struct live_handle *capture, int max_packets, sample_handler handler, void *userdata,
                      struct source_error *ret_error) {
        capture->handler = handler;
        capture->userdata = userdata;
        return pcap_handle_dispatch(capture->handle, capture->device->name, max_packets, on_packet,
                                    (u_char *) capture, ret_error);
}

void live_handle_count_drops(struct live_handle *capture) {
        uint64_t before = capture->drops.dropped, more;

        more = drop_counter_read(&capture->drops, capture->handle) - before;
        capture->device->dropped += more;
        capture->orient.counts.dropped += more;
}

struct device *live_handle_device(const struct live_handle *capture) {
        return capture->device;
}

size_t live_handle_ring_bytes(const struct live_handle *capture) {
        return capture->ring_bytes;
}

int live_handle_fd(const struct live_handle *capture) {
        return pcap_get_selectable_fd(capture->handle);
}

const struct orient_counts *live_handle_counts(const struct live_handle *capture) {
        return &capture->orient.counts;
}
