/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "owner/owner_events.h"
#include "owner/owner_history.h"
#include "owner/owner_lookup.h"
#include "util/clock.h"

/* Programs in the kernel tell who uses which socket, which is remembered for a while; what they did not tell is
 * asked as without them. Those of other network namespaces are not told of. */

/* Closed sockets are remembered for as long as packets may wait to be read and flows for their owner. */
#define KEEP_USEC (10 * USEC_PER_SEC)

/* When events were lost, all sockets are listed anew at most so often: it may take tens of milliseconds. */
#define LIST_USEC (1 * USEC_PER_SEC)

struct bpf_owner {
        struct owner_events *events;
        struct owner_history *history;
        void *procfs;
        uint64_t until_usec;  /* all that was told of up to then is in the history, CLOCK_REALTIME */
        uint64_t listed_usec; /* CLOCK_MONOTONIC */
        bool is_whole;        /* nothing was lost since */
};

static void bpf_owner_close(void *state) {
        struct bpf_owner *owner = state;

        if (!owner)
                return;
        owner_events_free(owner->events);
        owner_history_free(owner->history);
        if (owner->procfs)
                owner_procfs.close(owner->procfs);
        free(owner);
}

static void bpf_owner_closep(struct bpf_owner **owner) {
        bpf_owner_close(*owner);
}

static void on_event(const struct socket_event *event, void *userdata) {
        owner_history_take(userdata, event);
}

static void read_events(struct bpf_owner *owner) {
        if (owner_events_read(owner->events, on_event, owner->history, &owner->until_usec) >= 0)
                return;
        owner->is_whole = false;
        owner_history_clear(owner->history);
}

/* Begins anew with the sockets that are there now. Packets from before that are not answered for. */
static int list_sockets(struct bpf_owner *owner, uint64_t now_usec) {
        uint64_t since_usec;
        int r;

        owner->listed_usec = now_usec;
        owner->is_whole = true;
        owner_history_clear(owner->history);
        r = owner_events_list(owner->events, on_event, owner->history);
        since_usec = clock_usec(CLOCK_REALTIME);
        read_events(owner);
        if (r < 0)
                owner->is_whole = false;
        if (owner->is_whole)
                owner_history_trust(owner->history, since_usec);
        return r;
}

static int bpf_owner_open(const struct owner_config *config, void **ret_state,
                          char ret_why[static OWNER_WHY_MAX]) {
        _cleanup_(bpf_owner_closep) struct bpf_owner *owner = calloc(1, sizeof(*owner));
        int r;

        if (!owner)
                return -ENOMEM;
        r = owner_procfs.open(config, &owner->procfs, ret_why);
        if (r < 0)
                return r;
        r = owner_history_new(config->max_history, &owner->history);
        if (r < 0)
                return r;
        r = owner_events_new(config->event_bytes, &owner->events, ret_why);
        if (r < 0)
                return r;
        r = list_sockets(owner, clock_usec(CLOCK_MONOTONIC));
        if (r < 0) {
                (void) snprintf(ret_why, OWNER_WHY_MAX, "cannot list the sockets that are there already: %s",
                                strerror(-r));
                return r;
        }
        *ret_state = TAKE_PTR(owner);
        return 0;
}

static void bpf_owner_update(void *state) {
        struct bpf_owner *owner = state;
        uint64_t now_usec = clock_usec(CLOCK_MONOTONIC);

        read_events(owner);
        if (!owner->is_whole && now_usec - owner->listed_usec >= LIST_USEC)
                (void) list_sockets(owner, now_usec);
        owner_history_expire(owner->history, clock_usec(CLOCK_REALTIME) - KEEP_USEC);
        owner_procfs.update(owner->procfs);
}

static bool is_told_of(const struct flow_key *key) {
        return key->netns == 0 && (key->protocol == IPPROTO_TCP || key->protocol == IPPROTO_UDP);
}

/* What was told later than the last read is older than packets that were sent later. */
static bool is_read_until(struct bpf_owner *owner, uint64_t time_usec) {
        if (time_usec > owner->until_usec)
                read_events(owner);
        return time_usec <= owner->until_usec;
}

static enum owner_recall bpf_owner_recall(void *state, const struct owner_question *question,
                                          struct owner *ret_owner) {
        struct bpf_owner *owner = state;
        enum owner_recall recall;

        if (!is_told_of(question->key) || !owner->is_whole)
                return OWNER_RECALL_UNKNOWN;
        if (!is_read_until(owner, question->until_usec))
                return OWNER_RECALL_UNUSED;
        recall = owner_history_find(owner->history, question, ret_owner);
        if (recall == OWNER_RECALL_FOUND)
                ret_owner->cgroup = owner_events_cgroup(owner->events, ret_owner->user.cgroup_id);
        return recall;
}

static bool bpf_owner_changed(void *state, const struct flow_key *key, uint64_t after_usec, uint64_t until_usec) {
        struct bpf_owner *owner = state;

        if (!is_told_of(key) || !owner->is_whole)
                return false;
        (void) is_read_until(owner, until_usec);
        return owner_history_changed(owner->history, key, after_usec, until_usec);
}

static int bpf_owner_find(void *state, const struct owner_question *question, uint64_t now_usec,
                          enum owner_status *ret_status, struct owner *ret_owner) {
        struct bpf_owner *owner = state;

        return owner_procfs.find(owner->procfs, question, now_usec, ret_status, ret_owner);
}

static int bpf_owner_confirm(void *state, const struct owner_question *question, const struct owner *found,
                             uint64_t now_usec) {
        struct bpf_owner *owner = state;

        return owner_procfs.confirm(owner->procfs, question, found, now_usec);
}

static bool bpf_owner_contested(const void *state, const struct owner_question *question, uint64_t cookie) {
        const struct bpf_owner *owner = state;

        return owner_procfs.contested(owner->procfs, question, cookie);
}

static void bpf_owner_rest(void *state) {
        struct bpf_owner *owner = state;

        owner_procfs.rest(owner->procfs);
}

static void bpf_owner_stats(const void *state, struct owner_stats *ret_stats) {
        const struct bpf_owner *owner = state;

        owner_procfs.stats(owner->procfs, ret_stats);
        ret_stats->lost_events = owner_events_lost(owner->events);
}

const struct owner_ops owner_bpf = {
        .name = "bpf",
        .open = bpf_owner_open,
        .close = bpf_owner_close,
        .find = bpf_owner_find,
        .confirm = bpf_owner_confirm,
        .update = bpf_owner_update,
        .contested = bpf_owner_contested,
        .rest = bpf_owner_rest,
        .stats = bpf_owner_stats,
        .recall = bpf_owner_recall,
        .changed = bpf_owner_changed,
};
