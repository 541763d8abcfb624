/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/flow_key.h"
#include "model/owner.h"
#include "model/process.h"
#include "util/macros.h"

struct owner_config {
        const char *proc_root;       /* "/proc", or what a test put in its place */
        uint64_t scan_interval_usec; /* at most one walk over all of /proc in this time */
        uint32_t max_sockets;        /* bound on the sockets remembered */
        uint32_t max_history;        /* and on those that "bpf" was told of */
        uint32_t event_bytes;        /* of the ring by which it is */
};

/* All of these are counted and retried, none is fatal. */
struct owner_stats {
        uint64_t lookups;         /* sock_diag requests sent */
        uint64_t netlink_errors;  /* requests and broadcasts that failed, ENOBUFS among them */
        uint64_t candidate_scans; /* single /proc/PID/fd read */
        uint64_t full_scans;      /* walks over all of /proc */
        uint64_t proc_races;      /* /proc entries that vanished while being read */
        uint64_t lost_events;     /* that the kernel had no room to tell of: asked for, as without it */
};

/* Why a lookup could not be opened, for whoever logs it. */
#define OWNER_WHY_MAX 512

/* What is asked of a flow, seen from its local end. */
struct owner_question {
        const struct flow_key *key;
        uint32_t ifindex; /* of the interface it goes over: sockets may be bound to one; 0: unknown */
        uint64_t since_usec,
                until_usec; /* stamps of its first and last packet in question, CLOCK_REALTIME */

        /* for owner_lookup_recall() */
        bool connected;      /* the connection was begun from this end */
        uint64_t start_usec; /* stamp of the SYN that began it; 0: not seen, or no connection */
        uint64_t next_usec;  /* stamp of the one after that; UINT64_MAX: none is read yet */
        uint64_t read_usec;  /* all packets from before that time have been read */
};

/* A way to find the owner of a flow. Implementations: NULL-terminated owner_implementations[]. What each
 * does is said at the function of the same name below. Times are CLOCK_MONOTONIC, in µs. */
struct owner_ops {
        const char *name;
        int (*open)(const struct owner_config *config, void **ret_state, char ret_why[static OWNER_WHY_MAX]);
        void (*close)(void *state);
        int (*find)(void *state, const struct owner_question *question, uint64_t now_usec,
                    enum owner_status *ret_status, struct owner *ret_owner);
        int (*confirm)(void *state, const struct owner_question *question, const struct owner *owner,
                       uint64_t now_usec);
        void (*update)(void *state);
        bool (*contested)(const void *state, const struct owner_question *question, uint64_t cookie);
        void (*rest)(void *state);
        void (*stats)(const void *state, struct owner_stats *ret_stats);
        bool too_late; /* connections may come and go between two questions: see openings.h */

        /* NULL where nothing is remembered of packets that have passed */
        enum owner_recall (*recall)(void *state, const struct owner_question *question,
                                    struct owner *ret_owner);
        bool (*changed)(void *state, const struct flow_key *key, uint64_t after_usec, uint64_t until_usec);
};
extern const struct owner_ops owner_bpf;    /* programs in the kernel, and procfs for what they did not tell */
extern const struct owner_ops owner_procfs; /* sock_diag(7) and /proc */
extern const struct owner_ops *const owner_implementations[];

struct owner_lookup;

/* Opens the implementation called name ("bpf", "procfs"), or the first one that opens for name = NULL ("auto").
 * Returns 0, and ret_why says why not a better one ("": it is the best, or was asked for); or, and ret_why says what
 * was tried, -ENOENT for an unknown name, -EPERM when capabilities are missing, -EOPNOTSUPP for one that this
 * program was built without, or another negative errno. */
int owner_lookup_new(const char *name, const struct owner_config *config, struct owner_lookup **ret_lookup,
                     char ret_why[static OWNER_WHY_MAX]);
void owner_lookup_free(struct owner_lookup *lookup);
DEFINE_CLEANUP(struct owner_lookup *, owner_lookup_free)

const char *owner_lookup_name(const struct owner_lookup *lookup);

/* Who has this flow? Returns 0 with *ret_status set, and *ret_owner as far as it is known; a negative errno
 * when the kernel could not be asked (counted; ask again later). Costs one sock_diag request, and where the
 * socket is new, the reading of /proc/PID/fd of likely processes. */
int owner_lookup_find(struct owner_lookup *lookup, const struct owner_question *question, uint64_t now_usec,
                      enum owner_status *ret_status, struct owner *ret_owner);

/* Does the owner found before still have this flow? 1: it holds the socket, and with UDP it is still that
 * socket's port; 0: no, find it anew; a negative errno as above. */
int owner_lookup_confirm(struct owner_lookup *lookup, const struct owner_question *question,
                         const struct owner *owner, uint64_t now_usec);

/* Takes notice of what the kernel has told by itself since the last call. To be called at each drain, before
 * anything is asked. */
void owner_lookup_update(struct owner_lookup *lookup);

/* Lets go of what was opened for questions: to be called when the last of a drain has been asked. */
void owner_lookup_rest(struct owner_lookup *lookup);

/* Can sockets in other network namespaces be looked up: flow_key.netns? Returns 0; -EPERM where capabilities
 * are missing (CAP_SYS_ADMIN, CAP_NET_BROADCAST), or another negative errno. */
int owner_lookup_check_namespaces(void);

/* Could the packets in question be another socket's than the one with this cookie (0: one that is not
 * known), of which the kernel answers now? A connection's are not: its tuple is told to be new by a SYN. A
 * port without connections may have gone from hand to hand in that time. */
bool owner_lookup_contested(const struct owner_lookup *lookup, const struct owner_question *question,
                            uint64_t cookie);

/* Are there connections that it never sees? Then it is worth looking at them as they begin, see openings.h. */
bool owner_lookup_is_too_late(const struct owner_lookup *lookup);

/* What is remembered of the packets in question, by their stamps; sets *ret_owner with OWNER_RECALL_FOUND. Asks
 * nobody, so that it costs less than a microsecond. */
enum owner_recall owner_lookup_recall(struct owner_lookup *lookup, const struct owner_question *question,
                                      struct owner *ret_owner);

/* Has the flow's end that is here come to another process or socket after after_usec and up to until_usec, as far
 * as that is remembered? Not where only a SYN tells it. */
bool owner_lookup_changed(struct owner_lookup *lookup, const struct flow_key *key, uint64_t after_usec,
                          uint64_t until_usec);

/* Is anything remembered at all? */
bool owner_lookup_recalls(const struct owner_lookup *lookup);

void owner_lookup_stats(const struct owner_lookup *lookup, struct owner_stats *ret_stats);
