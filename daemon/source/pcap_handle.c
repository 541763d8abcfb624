/* SPDX-License-Identifier: MIT */
#include "source/pcap_handle.h"

#include <errno.h>
#include <string.h>

#include "util/clock.h"

/* Always a filter: without one the kernel copies whole packets. */
#define BASE_FILTER "ip or ip6"

/* Longer ones only come from somebody who tries what happens. */
#define FILTER_MAX 16384u

/* How long the kernel may hold back a block of packets that is not full: a part of the interval the ring is
 * drained in, so that a packet waits for little more than one of these. Never immediate mode, which wakes us
 * for each. */
#define BLOCK_TIMEOUT_MSEC 40

void pcap_handle_close(pcap_t **handle) {
        if (*handle)
                pcap_close(*handle);
        *handle = NULL;
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

/* Compiles it, for the handle's link type; an error is told in libpcap's own words. */
static int try_filter(pcap_t *handle, const char *text, struct bpf_program *ret_program,
                      struct source_error *ret_error) {
        if (pcap_compile(handle, ret_program, text, 1, PCAP_NETMASK_UNKNOWN) >= 0)
                return 0;
        (void) snprintf(ret_error->text, sizeof(ret_error->text), "filter \"%.200s\": %s", text,
                        pcap_geterr(handle));
        return -EINVAL;
}

/* What the user asked for must not be read together with ours: "tcp or udp" is one operand, and "tcp) or (udp"
 * is none at all, which is why it has to compile alone first. */
static int compile_filter(pcap_t *handle, const char *filter, struct source_error *ret_error) {
        _cleanup_free_ char *text = NULL;
        struct bpf_program program;
        int r;

        if (filter && strlen(filter) > FILTER_MAX) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text),
                                "the filter has %zu characters, but may have at most %u", strlen(filter),
                                FILTER_MAX);
                return -EINVAL;
        }
        if (filter) {
                r = try_filter(handle, filter, &program, ret_error);
                if (r < 0)
                        return r;
                pcap_freecode(&program);
        }
        if (asprintf(&text, filter ? "(" BASE_FILTER ") and (%s)" : BASE_FILTER "%s", filter ?: "") < 0) {
                text = NULL; /* undefined then: asprintf(3) */
                return -ENOMEM;
        }
        r = try_filter(handle, text, &program, ret_error);
        if (r < 0)
                return r;
        r = pcap_setfilter(handle, &program);
        pcap_freecode(&program);
        if (r < 0) {
                say(ret_error, "cannot install the filter", handle, r);
                return -EIO;
        }
        return 0;
}

static int activate(pcap_t *handle, const struct pcap_handle_config *config,
                    struct source_error *ret_error) {
        char what[64];
        int r;

        /* these three only fail on a handle that is active already: pcap_set_snaplen(3PCAP) */
        (void) pcap_set_snaplen(handle, config->snaplen);
        (void) pcap_set_timeout(handle, BLOCK_TIMEOUT_MSEC);
        (void) pcap_set_buffer_size(handle, (int) MIN(config->ring_bytes, (size_t) INT32_MAX));

        r = pcap_activate(handle);
        if (r < 0) {
                (void) snprintf(what, sizeof(what), "cannot capture on %s", config->device);
                say(ret_error, what, handle, r);
                return errno_of(r);
        }
        if (strcmp(config->device, PCAP_ANY) != 0)
                return 0;
        r = pcap_set_datalink(handle, DLT_LINUX_SLL2);
        if (r < 0) {
                say(ret_error, "no LINUX_SLL2 headers on " PCAP_ANY, handle, r);
                return -EPROTONOSUPPORT;
        }
        return 0;
}

int pcap_handle_open(const struct pcap_handle_config *config, pcap_t **ret_handle,
                     struct source_error *ret_error) {
        _cleanup_(pcap_handle_close) pcap_t *handle = NULL;
        char error[PCAP_ERRBUF_SIZE] = "";
        int r;

        handle = pcap_create(config->device, error);
        if (!handle) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text), "cannot capture on %s: %s",
                                config->device, error);
                return -ENODEV;
        }
        r = activate(handle, config, ret_error);
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
        *ret_handle = TAKE_PTR(handle);
        return 0;
}

int pcap_handle_dispatch(pcap_t *handle, const char *device, int max_packets, pcap_handler handler,
                         u_char *userdata, struct source_error *ret_error) {
        char what[64];
        int r;

        r = pcap_dispatch(handle, max_packets, handler, userdata);
        if (r >= 0)
                return r;
        (void) snprintf(what, sizeof(what), "capturing on %s", device);
        say(ret_error, what, handle, r);
        return errno_of(r);
}

uint64_t pcap_usec(const struct pcap_pkthdr *header) {
        return (uint64_t) header->ts.tv_sec * USEC_PER_SEC + (uint64_t) header->ts.tv_usec;
}

uint64_t drop_counter_read(struct drop_counter *counter, pcap_t *handle) {
        struct pcap_stat stat;

        if (pcap_stats(handle, &stat) == 0) {
                counter->dropped += (uint32_t) (stat.ps_drop - counter->last);
                counter->last = stat.ps_drop;
        }
        return counter->dropped;
}
