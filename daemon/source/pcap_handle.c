/* SPDX-License-Identifier: MIT */
#include "source/pcap_handle.h"

#include <errno.h>
#include <linux/filter.h>
#include <string.h>
#include <sys/socket.h>

#include "source/filter_compile.h"

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

static int activate(pcap_t *handle, const struct pcap_handle_config *config,
                    struct source_error *ret_error) {
        char what[64];
        int r;

        /* these only fail on a handle that is active already: pcap_set_snaplen(3PCAP) */
        (void) pcap_set_snaplen(handle, config->snaplen);
        (void) pcap_set_timeout(handle, BLOCK_TIMEOUT_MSEC);
        (void) pcap_set_immediate_mode(handle, config->immediate);
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

/* A frame with a VLAN tag is on its way to or from the device of that VLAN, where it is seen again and
 * counts; what has no such device is not taken by this host. The tag lies beside the frame, and in the
 * cooked header there is no place for it. Tag 0 is a priority only, and no VLAN. */
static const struct sock_filter drop_tagged[] = {
        {BPF_LD | BPF_B | BPF_ABS, 0, 0, (uint32_t) (SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT)},
        {BPF_JMP | BPF_JEQ | BPF_K, 3, 0, 0},
        {BPF_LD | BPF_H | BPF_ABS, 0, 0, (uint32_t) (SKF_AD_OFF + SKF_AD_VLAN_TAG)},
        {BPF_JMP | BPF_JSET | BPF_K, 0, 1, 0x0fff},
        {BPF_RET | BPF_K, 0, 0, 0},
};

/* Puts what libpcap knows no words for in front of what it has made the kernel filter by. */
static int extend_kernel_filter(pcap_t *handle, bool is_any, uint32_t snaplen) {
        struct sock_filter code[ELEMENTSOF(drop_tagged) + FILTER_INSNS_MAX];
        struct sock_fprog program = {.filter = code};
        const size_t before = is_any ? ELEMENTSOF(drop_tagged) : 0;
        socklen_t n = FILTER_INSNS_MAX; /* in instructions: sk_get_filter() of net/core/filter.c */
        int fd = pcap_fileno(handle);

        if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, code + before, &n) < 0)
                return -errno;
        if (n > 0 && !is_any)
                return 0;
        if (n ==
            0) { /* libpcap filters itself, on what is there of a packet; we do without the rest of it */
                code[before] = (struct sock_filter){BPF_RET | BPF_K, 0, 0, snaplen};
                n = 1;
        }
        memcpy(code, drop_tagged, before * sizeof(code[0]));
        program.len = (unsigned short) (before + n);
        return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno : 0;
}

int pcap_handle_set_filter(pcap_t *handle, const char *device, const struct filter *filter, uint32_t snaplen,
                           struct source_error *ret_error) {
        struct bpf_program program;
        int r;

        r = filter_program(filter, pcap_datalink(handle), &program, ret_error);
        if (r < 0)
                return r;
        r = pcap_setfilter(handle, &program);
        if (r < 0) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text),
                                "cannot install the filter on %s: %s", device, pcap_geterr(handle));
                return -EIO;
        }
        r = extend_kernel_filter(handle, strcmp(device, PCAP_ANY) == 0, snaplen);
        if (r < 0)
                (void) snprintf(ret_error->text, sizeof(ret_error->text),
                                "cannot install the filter on %s: %s", device, strerror(-r));
        return r;
}

int pcap_handle_activate(const struct pcap_handle_config *config, pcap_t **ret_handle,
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
        if (pcap_setnonblock(handle, 1, error) < 0) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text), "cannot read without waiting: %s",
                                error);
                return -EIO;
        }
        *ret_handle = TAKE_PTR(handle);
        return 0;
}

int pcap_handle_open(const struct pcap_handle_config *config, pcap_t **ret_handle,
                     struct source_error *ret_error) {
        _cleanup_(pcap_handle_close) pcap_t *handle = NULL;
        _cleanup_(filter_freep) struct filter *filter = NULL;
        int r;

        r = filter_new(config->filter, (uint32_t) config->snaplen, FILTER_ANY, NULL, &filter, ret_error);
        if (r < 0)
                return r;
        r = pcap_handle_activate(config, &handle, ret_error);
        if (r < 0)
                return r;
        r = pcap_handle_set_filter(handle, config->device, filter, (uint32_t) config->snaplen, ret_error);
        if (r < 0)
                return r;
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

uint64_t drop_counter_read(struct drop_counter *counter, pcap_t *handle) {
        struct pcap_stat stat;

        if (pcap_stats(handle, &stat) == 0) {
                counter->dropped += (uint32_t) (stat.ps_drop - counter->last);
                counter->last = stat.ps_drop;
        }
        return counter->dropped;
}
