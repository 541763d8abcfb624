/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "source/orient.h"
#include "source/pcap_handle.h"
#include "source/source.h"

/* One handle on all interfaces: nothing needs to be done for those that come and go. */



struct pcap_live {
        pcap_t *handle;
        struct orient orient;
        struct drop_counter drops;
        uint64_t received;

        sample_handler handler; /* for the drain under way */
        void *userdata;
};

static int pcap_live_open(const struct source_config *config, void **ret_state,
                          struct source_error *ret_error) {
        const struct pcap_handle_config handle_config = {.device = PCAP_ANY,
                                                         .snaplen = SNAPLEN,
                                                         .ring_bytes = config->ring_bytes,
                                                         .filter = config->filter};
        _cleanup_(pcap_handle_close) pcap_t *handle = NULL;
        struct pcap_live *live;
        int r;

        r = pcap_handle_open(&handle_config, &handle, ret_error);
        if (r < 0)
                return r;
        live = calloc(1, sizeof(*live));
        if (!live)
                return -ENOMEM;
        live->orient =
                (struct orient){.link_type = pcap_datalink(handle), .interfaces = config->interfaces};
        live->handle = TAKE_PTR(handle);
        *ret_state = live;
        return 0;
}

static void pcap_live_close(void *state) {
        struct pcap_live *live = state;

        pcap_handle_close(&live->handle);
        free(live);
}

static int pcap_live_fd(const void *state) {
        const struct pcap_live *live = state;

        return pcap_get_selectable_fd(live->handle);
}

static void on_packet(u_char *userdata, const struct pcap_pkthdr *header, const u_char *data) {
        struct pcap_live *live = (void *) userdata;
        struct sample sample;

        live->received++;
        if (orient_packet(&live->orient, data, header->caplen, header->len, pcap_usec(header), &sample))
                live->handler(&sample, live->userdata);
}

static int pcap_live_drain(void *state, int max_packets, sample_handler handler, void *userdata,
                           struct source_error *ret_error) {
        struct pcap_live *live = state;

        live->handler = handler;
        live->userdata = userdata;
        return pcap_handle_dispatch(live->handle, PCAP_ANY, max_packets, on_packet, (u_char *) live,
                                    ret_error);
}

static void pcap_live_stats(void *state, struct source_stats *ret_stats) {
        struct pcap_live *live = state;

        *ret_stats = (struct source_stats){
                .received = live->received,
                .dropped = drop_counter_read(&live->drops, live->handle),
                .skipped_enslaved = live->orient.counts.skipped_enslaved,
        };
}

static void pcap_live_device(const void *state, struct source_device *ret_device) {
        (void) state;
        *ret_device = (struct source_device){.name = PCAP_ANY, .link_type = "LINUX_SLL2"};
}

const struct source_ops source_pcap = {
        .name = "pcap",
        .open = pcap_live_open,
        .close = pcap_live_close,
        .fd = pcap_live_fd,
        .drain = pcap_live_drain,
        .stats = pcap_live_stats,
        .device = pcap_live_device,
};
