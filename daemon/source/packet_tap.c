/* SPDX-License-Identifier: MIT */
#include "source/packet_tap.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <string.h>

#include "source/orient.h"
#include "source/pcap_handle.h"
#include "util/clock.h"

/* What tcpdump(8) writes: more than any packet has, GSO super-packets included. */
#define WHOLE_PACKETS 262144

#define RING_BYTES (8u << 20)

struct packet_tap {
        pcap_t *handle;
        struct orient orient;
        struct drop_counter drops;

        packet_handler handler; /* for the drain under way */
        void *userdata;
};

int packet_tap_new(const char *filter, const struct interfaces *interfaces, struct packet_tap **ret_tap,
                   struct source_error *ret_error) {
        const struct pcap_handle_config config = {
                .device = PCAP_ANY, .snaplen = WHOLE_PACKETS, .ring_bytes = RING_BYTES, .filter = filter};
        _cleanup_(packet_tap_freep) struct packet_tap *tap = calloc(1, sizeof(*tap));
        int r;

        if (!tap)
                return -ENOMEM;
        r = pcap_handle_open(&config, &tap->handle, ret_error);
        if (r < 0)
                return r;
        tap->orient = (struct orient){.link_type = pcap_datalink(tap->handle), .interfaces = interfaces};
        *ret_tap = TAKE_PTR(tap);
        return 0;
}

void packet_tap_free(struct packet_tap *tap) {
        if (!tap)
                return;
        pcap_handle_close(&tap->handle);
        free(tap);
}

int packet_tap_link_type(const struct packet_tap *tap) {
        return tap->orient.link_type; /* DLT_LINUX_SLL2 and LINKTYPE_LINUX_SLL2 are one number */
}

uint32_t packet_tap_snaplen(const struct packet_tap *tap) {
        return (uint32_t) pcap_snapshot(tap->handle);
}

static void on_packet(u_char *userdata, const struct pcap_pkthdr *header, const u_char *data) {
        struct packet_tap *tap = (void *) userdata;
        struct tapped_packet packet = {
                .data = data, .captured = header->caplen, .length = header->len, .time_usec = pcap_usec(header)};

        if (orient_packet(&tap->orient, data, header->caplen, header->len, packet.time_usec, &packet.sample))
                tap->handler(&packet, tap->userdata);
}

int packet_tap_drain(struct packet_tap *tap, int max_packets, packet_handler handler, void *userdata,
                     struct source_error *ret_error) {
        tap->handler = handler;
        tap->userdata = userdata;
        return pcap_handle_dispatch(tap->handle, PCAP_ANY, max_packets, on_packet, (u_char *) tap, ret_error);
}

uint64_t packet_tap_dropped(struct packet_tap *tap) {
        return drop_counter_read(&tap->drops, tap->handle);
}
