/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/sample.h"
#include "source/interfaces.h"
#include "util/macros.h"

/* Called again and again while something is waited for, so that work goes on. */
struct source_waiting {
        void (*call)(void *userdata);
        void *userdata;
};

struct source_config {
        const char *path;              /* savefile, for the source that reads one */
        const char *filter;            /* pcap-filter(7), on top of "ip or ip6"; NULL: none */
        size_t ring_bytes;             /* memory of the kernel's packet ring */
        uint32_t max_processes;        /* entries of the kernel's table of processes, for "bpf" */
        struct interfaces *interfaces; /* who we are; outlives the source. NULL for a savefile: any host */
};

/* Since the source was opened. */
struct source_stats {
        uint64_t received;         /* packets that came to us */
        uint64_t dropped;          /* packets that the kernel had no room for */
        uint64_t skipped_enslaved; /* bytes, see struct ledger */
        uint64_t pending;          /* bytes that it has seen and keeps until it knows whose they are: the
                                    * only one of these that also falls */
};

/* What there is to say of where packets come from; static strings, or good as long as the source. */
struct source_device {
        const char *name;
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
};

extern const struct source_ops source_pcap;                     /* live packets of all interfaces */
extern const struct source_ops source_file;                     /* a savefile */
extern const struct source_ops source_bpf;                      /* counters in the kernel, by process */
extern const struct source_ops *const source_implementations[]; /* NULL-terminated */

struct source;

/* Opens the implementation called name. Returns 0 or a negative errno with *ret_error saying why: -ENOENT
 * for an unknown name or savefile, -EPERM when capabilities are missing, -EBADMSG for a savefile that is not
 * one, -EPROTONOSUPPORT for a link type that is not decoded, -EINVAL for a filter that does not compile,
 * -EOPNOTSUPP for one that this program was built without. */
int source_new(const char *name, const struct source_config *config, struct source **ret_source,
               struct source_error *ret_error);
void source_free(struct source *source);
DEFINE_CLEANUP(struct source *, source_free)

const char *source_name(const struct source *source);

/* Does it tell the owner of every sample? Such a one is drained once for each time that its descriptor
 * becomes readable, and needs no owner lookup. */
bool source_knows_owners(const struct source *source);

/* Becomes readable when packets arrive after a silence, or when it is time to drain; -1 where that cannot be waited for. */
int source_fd(const struct source *source);

/* Hands what is there to handler, at most about max_packets, and never waits. Returns how many packets that
 * were; 0: none there; -ENODATA: the end of a savefile; another negative errno with *ret_error: it will give
 * no more. */
int source_drain(struct source *source, int max_packets, sample_handler handler, void *userdata,
                 struct source_error *ret_error);

void source_stats(struct source *source, struct source_stats *ret_stats);
void source_device(const struct source *source, struct source_device *ret_device);
