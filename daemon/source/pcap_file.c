/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <pcap/pcap.h>
#include <string.h>

#include "decode/decode.h"
#include "source/orient.h"
#include "source/source.h"
#include "util/clock.h"

struct pcap_file {
        pcap_t *handle;
        struct orient orient;
        struct addresses addresses; /* orient looks into it */
        int end; /* what pcap_next_ex(3PCAP) ended with; 1: not yet */
        char *path;
};

static void pcap_file_close(void *state) {
        struct pcap_file *file = state;

        if (!file)
                return;
        if (file->handle)
                pcap_close(file->handle);
        free(file->path);
        free(file);
}

static void pcap_file_closep(struct pcap_file **file) {
        pcap_file_close(*file);
}

/* pcap_open_offline(3PCAP) tells neither a missing file from a strange one nor reads a directory's error
 * well. */
static int open_savefile(const char *path, pcap_t **ret_handle, struct source_error *ret_error) {
        _cleanup_fclose_ FILE *stream = fopen(path, "re");
        char error[PCAP_ERRBUF_SIZE] = "";
        pcap_t *handle;
        int r = -errno;

        if (!stream) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text), "%s: %s", path, strerror(-r));
                return r;
        }
        handle = pcap_fopen_offline(stream, error);
        if (!handle) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text), "%s: not a savefile: %s", path,
                                error);
                return -EBADMSG;
        }
        stream = NULL; /* pcap_close() closes it */

        *ret_handle = handle;
        return 0;
}

static int install_filter(pcap_t *handle, const char *filter, struct source_error *ret_error) {
        struct bpf_program program;
        int r;

        if (pcap_compile(handle, &program, filter, 1, PCAP_NETMASK_UNKNOWN) < 0) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text), "filter \"%.200s\": %s", filter,
                                pcap_geterr(handle));
                return -EINVAL;
        }
        r = pcap_setfilter(handle, &program); /* pcap_next_ex(3PCAP) passes over what does not match */
        pcap_freecode(&program);
        return r < 0 ? -EIO : 0;
}

static int pcap_file_open(const struct source_config *config, void **ret_state,
                          struct source_error *ret_error) {
        _cleanup_(pcap_file_closep) struct pcap_file *file = calloc(1, sizeof(*file));
        int r;

        if (!file)
                return -ENOMEM;
        file->end = 1;
        file->path = strdup(config->path);
        if (!file->path)
                return -ENOMEM;
        r = open_savefile(config->path, &file->handle, ret_error);
        if (r < 0)
                return r;

        file->orient = (struct orient){
                .link_type = pcap_datalink(file->handle),
                .interfaces = config->interfaces,
                .addresses = &file->addresses,
                .any_host = true,
        };
        r = addresses_parse(config->choice.addresses, &file->addresses, ret_error);
        if (r < 0)
                return r;
        if (config->choice.filter) {
                r = install_filter(file->handle, config->choice.filter, ret_error);
                if (r < 0)
                        return r;
        }

        *ret_state = TAKE_PTR(file);
        return 0;
}

static int pcap_file_fd(const void *state) {
        (void) state;
        return -1; /* a savefile is always ready, and epoll(7) refuses it */
}

static int pcap_file_drain(void *state, int max_packets, sample_handler handler, void *userdata,
                           struct source_error *ret_error) {
        struct pcap_file *file = state;
        struct pcap_pkthdr *header;
        const u_char *data;
        int n;

        for (n = 0; n < max_packets && file->end == 1; n++) {
                uint64_t time_usec;
                struct sample sample;

                file->end = pcap_next_ex(file->handle, &header, &data);
                if (file->end != 1)
                        break;
                file->orient.counts.received++;
                time_usec = (uint64_t) header->ts.tv_sec * USEC_PER_SEC + (uint64_t) header->ts.tv_usec;
                if (orient_packet(&file->orient, data, header->caplen, header->len, time_usec, &sample))
                        handler(&sample, userdata);
        }
        if (n > 0 || file->end == 1)
                return n; /* the end is told by the next call */
        if (file->end == PCAP_ERROR_BREAK)
                return -ENODATA;

        (void) snprintf(ret_error->text, sizeof(ret_error->text), "%s: after %" PRIu64 " packets: %s",
                        file->path, file->orient.counts.received, pcap_geterr(file->handle));
        return -EBADMSG;
}

static void pcap_file_stats(void *state, struct source_stats *ret_stats) {
        const struct pcap_file *file = state;

        *ret_stats = (struct source_stats){
                .received = file->orient.counts.received,
                .skipped_address = file->orient.counts.skipped_address,
        };
}

static void pcap_file_device(const void *state, struct source_device *ret_device) {
        const struct pcap_file *file = state;

        *ret_device = (struct source_device){
                .name = file->path,
                .link_type = pcap_datalink_val_to_name(file->orient.link_type) ?: "unknown",
        };
}

const struct source_ops source_file = {
        .name = "file",
        .open = pcap_file_open,
        .close = pcap_file_close,
        .fd = pcap_file_fd,
        .drain = pcap_file_drain,
        .stats = pcap_file_stats,
        .device = pcap_file_device,
};
