/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pcap/pcap.h>
#include <string.h>

#include "source/orient.h"
#include "source/source.h"
#include "util/clock.h"

/* One handle on all interfaces: its header names interface and direction, and nothing needs to be done for
 * those that come and go. */
#define DEVICE "any"

/* Enough for SLL2, VLAN tags, IPv6 with a few extension headers and the ports. It only helps with a filter:
 * without one the kernel copies whole packets. */
#define SNAPLEN     192
#define BASE_FILTER "ip or ip6"

/* How long the kernel may hold back a block of packets that is not full: a part of the interval the ring is
 * drained in, so that a packet waits for little more than one of these. Never immediate mode, which wakes us
 * for each. */
#define BLOCK_TIMEOUT_MSEC 40

struct pcap_live {
        pcap_t *handle;
        struct orient orient;
        uint64_t received;
        uint64_t dropped;
        u_int last_drop; /* of pcap_stats(3PCAP), 32 bits: wraps */

        sample_handler handler; /* for the drain under way */
        void *userdata;
};

static void pcap_handle_close(pcap_t **handle) {
        if (*handle)
                pcap_close(*handle);
}

static void say(struct source_error *ret_error, const char *what, pcap_t *handle, int status) {
        const char *words = handle ? pcap_geterr(handle) : "";

        (void) snprintf(ret_error->text, sizeof(ret_error->text), "%s: %s%s%s", what,
                        pcap_statustostr(status), *words ? ": " : "", words);
}

static int errno_of(int status) {
        switch (status) {
        case PCAP_ERROR_PERM_DENIED:
        case PCAP_ERROR_PROMISC_PERM_DENIED:
                return -EPERM;
        case PCAP_ERROR_NO_SUCH_DEVICE:
                return -ENODEV;
        case PCAP_ERROR_IFACE_NOT_UP:
                return -ENETDOWN;
        default:
                return -EIO;
        }
}

/* What the user asked for must not be read together with ours: "tcp or udp" is one operand. */
static int compile_filter(pcap_t *handle, const char *filter, struct source_error *ret_error) {
        _cleanup_free_ char *text = NULL;
        struct bpf_program program;
        int r;

        if (asprintf(&text, filter ? "(" BASE_FILTER ") and (%s)" : BASE_FILTER "%s", filter ?: "") < 0) {
                text = NULL; /* undefined then: asprintf(3) */
                return -ENOMEM;
        }
        if (pcap_compile(handle, &program, text, 1, PCAP_NETMASK_UNKNOWN) < 0) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text), "filter \"%s\": %s", text,
                                pcap_geterr(handle));
                return -EINVAL;
        }
        r = pcap_setfilter(handle, &program);
        pcap_freecode(&program);
        if (r < 0) {
                say(ret_error, "cannot install the filter", handle, r);
                return -EIO;
        }
        return 0;
}

static int activate(pcap_t *handle, size_t ring_bytes, struct source_error *ret_error) {
        int r;

        /* these three only fail on a handle that is active already: pcap_set_snaplen(3PCAP) */
        (void) pcap_set_snaplen(handle, SNAPLEN);
        (void) pcap_set_timeout(handle, BLOCK_TIMEOUT_MSEC);
        (void) pcap_set_buffer_size(handle, (int) MIN(ring_bytes, (size_t) INT32_MAX));

        r = pcap_activate(handle);
        if (r < 0) {
                say(ret_error, "cannot capture on " DEVICE, handle, r);
                return errno_of(r);
        }
        r = pcap_set_datalink(handle, DLT_LINUX_SLL2);
        if (r < 0) {
                say(ret_error, "no LINUX_SLL2 headers on " DEVICE, handle, r);
                return -EPROTONOSUPPORT;
        }
        return 0;
}

static int pcap_live_open(const struct source_config *config, void **ret_state,
                          struct source_error *ret_error) {
        _cleanup_(pcap_handle_close) pcap_t *handle = NULL;
        struct pcap_live *live;
        char error[PCAP_ERRBUF_SIZE] = "";
        int r;

        handle = pcap_create(DEVICE, error);
        if (!handle) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text), "cannot capture on " DEVICE ": %s",
                                error);
                return -ENODEV;
        }
        r = activate(handle, config->ring_bytes, ret_error);
        if (r < 0)
                return r;
        r = compile_filter(handle, config->filter, ret_error);
        if (r < 0)
                return r;
        if (pcap_setnonblock(handle, 1, error) < 0) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text), "cannot read without waiting: %s",
                                error);
                return -EIO;
        }

        live = calloc(1, sizeof(*live));
        if (!live)
                return -ENOMEM;
        live->orient = (struct orient){.link_type = DLT_LINUX_SLL2, .interfaces = config->interfaces};
        live->handle = TAKE_PTR(handle);
        *ret_state = live;
        return 0;
}

static void pcap_live_close(void *state) {
        struct pcap_live *live = state;

        pcap_close(live->handle);
        free(live);
}

static int pcap_live_fd(const void *state) {
        const struct pcap_live *live = state;

        return pcap_get_selectable_fd(live->handle);
}

static void on_packet(u_char *userdata, const struct pcap_pkthdr *header, const u_char *data) {
        struct pcap_live *live = (void *) userdata;
        uint64_t time_usec = (uint64_t) header->ts.tv_sec * USEC_PER_SEC + (uint64_t) header->ts.tv_usec;
        struct sample sample;

        live->received++;
        if (orient_packet(&live->orient, data, header->caplen, header->len, time_usec, &sample))
                live->handler(&sample, live->userdata);
}

static int pcap_live_drain(void *state, int max_packets, sample_handler handler, void *userdata,
                           struct source_error *ret_error) {
        struct pcap_live *live = state;
        int r;

        live->handler = handler;
        live->userdata = userdata;
        r = pcap_dispatch(live->handle, max_packets, on_packet, (u_char *) live);
        if (r >= 0)
                return r;
        say(ret_error, "capturing on " DEVICE, live->handle, r);
        return errno_of(r);
}

static void pcap_live_stats(void *state, struct source_stats *ret_stats) {
        struct pcap_live *live = state;
        struct pcap_stat stat;

        if (pcap_stats(live->handle, &stat) == 0) {
                live->dropped += (uint32_t) (stat.ps_drop - live->last_drop);
                live->last_drop = stat.ps_drop;
        }
        *ret_stats = (struct source_stats){
                .received = live->received,
                .dropped = live->dropped,
                .skipped_enslaved = live->orient.skipped_enslaved,
        };
}

static void pcap_live_device(const void *state, struct source_device *ret_device) {
        (void) state;
        *ret_device = (struct source_device){.name = DEVICE, .link_type = "LINUX_SLL2"};
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
