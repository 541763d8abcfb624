/* SPDX-License-Identifier: MIT */
#include "account/books.h"

#include <errno.h>

#include "util/clock.h"

/* A flow that was silent for this long is forgotten; if it moves again its owner is asked for again. */
#define FLOW_IDLE_SECONDS 60

int books_new(const struct books_limits *limits, struct books **ret_books) {
        _cleanup_(books_freep) struct books *books = calloc(1, sizeof(*books));
        int r;

        if (!books)
                return -ENOMEM;
        r = process_table_new(&limits->processes, &books->processes);
        if (r < 0)
                return r;
        r = flow_table_new(limits->max_flows, &books->flows);
        if (r < 0)
                return r;
        r = fragment_table_new(limits->max_fragments, &books->fragments);
        if (r < 0)
                return r;
        r = dimensions_new(limits->max_values, &books->dimensions);
        if (r < 0)
                return r;

        *ret_books = TAKE_PTR(books);
        return 0;
}

void books_free(struct books *books) {
        if (!books)
                return;
        flow_table_free(books->flows);
        fragment_table_free(books->fragments);
        dimensions_free(books->dimensions);
        process_table_free(books->processes);
        for (size_t i = 0; i < UNATTRIBUTED_MAX; i++)
                traffic_done(&books->unattributed[i]);
        free(books);
}

static void count_loss(struct books *books, int r) {
        if (r < 0)
                books->lost_buckets++;
}

/* Bytes that no flow can take are booked to a reason at once. */
static void enter_unattributed(struct books *books, const struct sample *sample, bool out,
                               enum unattributed reason) {
        struct dimension_values values = {
                .ifindex = sample->ifindex, .protocol = sample->key.protocol, .loopback = sample->loopback};

        if (!sample->keyless)
                values.remote = sample->key.remote;
        books->ledger.unattributed[reason] += sample->bytes;
        count_loss(books, traffic_add(&books->unattributed[reason], out, sample->time_usec, sample->bytes,
                                      sample->packets));
        count_loss(books, dimensions_add(books->dimensions, &values, sample, out));
}

/* Takes what the flow holds, which is booked to where it belongs, out of `pending`. */
static void settle(struct books *books, struct flow *flow, uint64_t *account) {
        const struct dimension_values values = {.ifindex = flow->ifindex,
                                                .remote = flow->key.remote,
                                                .protocol = flow->key.protocol,
                                                .loopback = flow->loopback};
        uint64_t bytes = traffic_bytes(&flow->pending);

        books->ledger.unattributed[UNATTRIBUTED_PENDING] -= bytes;
        *account += bytes;
        count_loss(books, dimensions_merge(books->dimensions, &values, &flow->pending));
        traffic_clear(&flow->pending);
}

/* A flow that has only just been made has not even an interface yet. */
static bool holds_nothing(const struct flow *flow) {
        return flow->pending.packets_in + flow->pending.packets_out == 0;
}

void books_settle_process(struct books *books, struct process *process, struct flow *flow) {
        if (holds_nothing(flow))
                return;
        count_loss(books, split_traffic_merge(&process->traffic, flow->loopback, &flow->pending));
        settle(books, flow, &books->ledger.attributed);
}

void books_settle_unattributed(struct books *books, enum unattributed reason, struct flow *flow) {
        if (holds_nothing(flow))
                return;
        count_loss(books, traffic_merge(&books->unattributed[reason], &flow->pending));
        settle(books, flow, &books->ledger.unattributed[reason]);
}

/* A SYN on a tuple that was in use: what the flow still holds belongs to the connection before. An owner
 * that has only just been found may be the one of the connection that now begins. */
static void begin_connection(struct books *books, struct flow *flow) {
        if (flow->process && flow->state != FLOW_FOUND)
                books_settle_process(books, flow->process, flow);
        else
                books_settle_unattributed(
                        books, flow->key.netns != 0 ? UNATTRIBUTED_FORWARDED : UNATTRIBUTED_NO_SOCKET, flow);
        flow->process = NULL;
        flow->state = FLOW_NEW;
        flow->in = flow->out = flow->since_usec = 0;
        flow->began = true;
}

static void enter_flow(struct books *books, const struct sample *sample, const struct flow_key *key,
                       bool out) {
        struct flow *flow;
        int r;

        books->ledger.seen += sample->bytes;
        r = flow_table_get(books->flows, key, &flow);
        if (r < 0) {
                enter_unattributed(books, sample, out, UNATTRIBUTED_OVERFLOW);
                return;
        }
        if (sample->connection_start && !flow->opening) { /* once only: the same SYN may be sent again */
                begin_connection(books, flow);
                flow->connected = out;
        }
        flow->opening = sample->connection_start;
        flow->ifindex = sample->ifindex;
        flow->loopback = sample->loopback;
        *(out ? &flow->out : &flow->in) += sample->bytes;
        if (flow->since_usec == 0)
                flow->since_usec = sample->time_usec;

        books->ledger.unattributed[UNATTRIBUTED_PENDING] += sample->bytes;
        count_loss(books,
                   traffic_add(&flow->pending, out, sample->time_usec, sample->bytes, sample->packets));
        flow->pending.last_usec = MAX(flow->pending.last_usec, sample->last_usec);
        flow_table_touch(books->flows, flow);
}

/* Sees to it that a fragment is booked with its packet. Returns false when it cannot be. */
static bool join_fragment(struct books *books, struct sample *sample) {
        switch (sample->fragment) {
        case FRAGMENT_NONE:
                return true;
        case FRAGMENT_FIRST:
                count_loss(books, fragment_table_first(books->fragments, sample));
                return true;
        case FRAGMENT_LATER:
                return fragment_table_later(books->fragments, sample) > 0;
        }
        return false;
}

void books_enter_reason(struct books *books, const struct sample *sample, enum unattributed reason) {
        books->ledger.seen += sample->bytes;
        enter_unattributed(books, sample, sample->direction == DIRECTION_OUT, reason);
        if (sample->direction ==
            DIRECTION_LOCAL) { /* seen twice, as every packet between two local sockets */
                books->ledger.seen += sample->bytes;
                enter_unattributed(books, sample, true, reason);
        }
}

void books_enter_process(struct books *books, struct process *process, const struct sample *sample) {
        const struct dimension_values values = {
                .ifindex = sample->ifindex, .protocol = sample->key.protocol, .loopback = sample->loopback};
        bool out = sample->direction == DIRECTION_OUT;

        books->ledger.seen += sample->bytes;
        books->ledger.attributed += sample->bytes;
        count_loss(books, split_traffic_add(&process->traffic, out, sample));
        count_loss(books, dimensions_add(books->dimensions, &values, sample, out));
}

void books_enter(struct books *books, const struct sample *sample) {
        struct sample joined = *sample;
        struct flow_key other_end;

        if (sample->keyless) {
                books_enter_reason(books, sample, sample->reason);
                return;
        }
        if (sample->direction == DIRECTION_FORWARDED) {
                books_enter_reason(books, sample, UNATTRIBUTED_FORWARDED);
                return;
        }
        if (!join_fragment(books, &joined)) {
                books_enter_reason(books, sample, UNATTRIBUTED_FRAGMENT);
                return;
        }

        enter_flow(books, &joined, &joined.key, joined.direction != DIRECTION_IN);
        if (joined.direction == DIRECTION_LOCAL) {
                other_end = flow_key_reverse(&joined.key);
                enter_flow(books, &joined, &other_end, false);
        }
}

void books_expire(struct books *books, uint64_t now_usec) {
        uint64_t now = now_usec / USEC_PER_SEC;

        (void) process_table_expire(books->processes, now_usec);
        flow_table_sweep(books->flows, FLOW_IDLE_SECONDS);
        process_table_sweep(books->processes);
        dimensions_expire(books->dimensions, now_usec);
        for (size_t i = 0; i < UNATTRIBUTED_MAX; i++)
                ring_trim(&books->unattributed[i].ring, now > RING_SECONDS ? now - RING_SECONDS : 0,
                          now + 2);
}
