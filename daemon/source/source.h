/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/sample.h"
#include "source/device_list.h"
#include "source/interfaces.h"
#include "util/macros.h"

/* What is to be captured. Vectors end with NULL. Read when it is handed over, and not kept. */
struct source_choice {
        const char *const *devices;   /* patterns, see pattern.h; NULL or none: all of this host, each packet once */
        const char *const *addresses; /* local ones that count, see addresses.h; NULL or none: all */
        const char *filter;           /* pcap-filter(7), on top of "ip or ip6"; NULL or blank: none */
};

/* Called again and again while something is waited for, so that work goes on. */
struct source_waiting {
        void (*call)(void *userdata);
        void *userdata;
};

struct source_config {
        const char *path; /* savefile, for the source that reads one */
        struct source_choice choice;
        size_t ring_bytes;             /* memory of the kernel's packet ring */
        unsigned workers;              /* that read live packets; at least 1 */
        uint32_t max_processes;        /* entries of the kernel's table of processes, for "bpf" */
        uint32_t max_sockets;          /* that it keeps an owner for, for "bpf" */
        struct interfaces *interfaces; /* who we are; outlives the source */
        bool namespaces; /* sockets in other network namespaces can be looked up, see orient.h. For "pcap" */
        struct device_list *devices;   /* what is captured on, kept up to date for others to read; outlives the
                                        * source. For "pcap" */
        struct source_waiting waiting; /* while a filter is compiled; call may be NULL */
};

/* Since the source was opened. */
struct source_stats {
        uint64_t received; /* packets that came to us */
        uint64_t dropped;  /* packets that the kernel had no room for */

        /* bytes, see struct ledger */
        uint64_t skipped_enslaved, skipped_stacked, skipped_address, tunnel_inner;
        uint64_t pending; /* bytes that it has seen and keeps until it knows whose they are: the only one of
                           * these that also falls */
};

/* What there is to say of where packets come from; good until the next call for the source. */
struct source_device {
        const char *name; /* of all devices, in one string */
        const char *link_type;
};

/* What went wrong, in the words of the library that knows, for whoever logs it. */
struct source_error {
        char text[512];
};

/* Where samples come from. */
struct source_ops {
        const char *name;
        int (*open)(const struct source_config *config, void **ret_state, struct source_error *ret_error);
        void (*close)(void *state);
        int (*fd)(const void *state);
        int (*drain)(void *state, int max_packets, sample_handler handler, void *userdata,
                     struct source_error *ret_error);
        void (*stats)(void *state, struct source_stats *ret_stats);
        void (*device)(const void *state, struct source_device *ret_device);
        bool knows_owners; /* each sample has its owner or the reason why it has none */

        /* NULL where there is nothing to choose, and nothing that comes and goes */
        int (*choose)(void *state, const struct source_choice *choice, const struct source_waiting *waiting,
                      struct source_error *ret_error);
        bool (*busy)(const void *state);
};

extern const struct source_ops source_pcap;                     /* live packets of all interfaces */
extern const struct source_ops source_file;                     /* a savefile */
extern const struct source_ops source_bpf;                      /* counters in the kernel, by process */
extern const struct source_ops *const source_implementations[]; /* NULL-terminated */

struct source;

/* Opens the implementation called name. Returns 0 or a negative errno with *ret_error saying why: -ENOENT
 * for an unknown name or savefile, -EPERM when capabilities are missing, -EBADMSG for a savefile that is not
 * one, -EPROTONOSUPPORT for a link type that is not decoded, -EINVAL for a choice that cannot be, such as a
 * filter that does not compile, -EOPNOTSUPP for one that this program was built without. A device that is
 * chosen and not there is waited for, and is no error. */
int source_new(const char *name, const struct source_config *config, struct source **ret_source,
               struct source_error *ret_error);
void source_free(struct source *source);
DEFINE_CLEANUP(struct source *, source_free)

const char *source_name(const struct source *source);

/* Does it tell the owner of every sample? Such a one is drained once for each time that its descriptor
 * becomes readable, and needs no owner lookup. */
bool source_knows_owners(const struct source *source);

/* Becomes readable when packets arrive after a silence, when a device comes, goes or changes, or when it is time
 * to drain; -1 where that cannot be waited for. */
int source_fd(const struct source *source);

/* Hands what is there to handler, at most about max_packets, and never waits. To be called after each
 * interfaces_update(): devices that have come or gone are seen to. Returns how many packets that
 * were; 0: none there; -ENODATA: the end of a savefile; another negative errno with *ret_error: it will give
 * no more. */
int source_drain(struct source *source, int max_packets, sample_handler handler, void *userdata,
                 struct source_error *ret_error);

/* Captures something else from now on. What is captured before and after is neither lost nor counted twice.
 * Returns 0, or a negative errno with *ret_error saying why, and the old choice stands: -EOPNOTSUPP from a
 * source that has none. */
int source_choose(struct source *source, const struct source_choice *choice,
                  const struct source_waiting *waiting, struct source_error *ret_error);

/* Does it keep the list of devices, and can it be told to capture something else? */
bool source_lists_devices(const struct source *source);

/* Is there something to do for source_drain() within moments, though source_fd() stays silent? */
bool source_busy(const struct source *source);

/* Is there anything chosen at all? That takes packets. */
bool source_choice_is_empty(const struct source_choice *choice);

/* Could that be captured? As source_new() and source_choose() say it, without touching either. With a filter
 * this may take FILTER_SECONDS (filter.h). */
int source_check(const struct source_choice *choice, const struct source_waiting *waiting,
                 struct source_error *ret_error);

void source_stats(struct source *source, struct source_stats *ret_stats);
void source_device(const struct source *source, struct source_device *ret_device);
