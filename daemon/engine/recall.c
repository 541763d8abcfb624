/* SPDX-License-Identifier: MIT */
#include "engine/engine_internal.h"
#include "util/clock.h"

/* What the owner lookup remembers of sockets, by the stamps of packets: whose they were is then settled without
 * asking, and however long ago their socket was closed. */

/* No flow has packets pending that are older than this: UNASKED_USEC of settle.c. */
#define PENDING_USEC (5 * USEC_PER_SEC)

struct owner_question engine_question_about(const struct flow *flow, uint64_t next_usec) {
        return (struct owner_question){.key = &flow->key,
                                       .ifindex = flow->ifindex,
                                       .since_usec = flow->pending.since_usec,
                                       .until_usec = flow->pending.last_usec,
                                       .connected = flow->connected,
                                       .start_usec = flow->began ? flow->since_usec : 0,
                                       .next_usec = next_usec,
                                       .read_usec = clock_usec(CLOCK_REALTIME) - READ_BEHIND_USEC};
}

/* Settles it to that process, which has the flow from here on. */
static void settle_found(struct engine *engine, struct flow *flow, const struct owner *owner) {
        struct process *process;

        if (engine_process_then(engine, owner, &process) < 0) {
                engine_give_up(engine, flow, UNATTRIBUTED_OVERFLOW);
                return;
        }
        engine_own(flow, process, owner->cookie, 0);
        books_settle_process(engine->books, process, flow);
}

enum owner_recall engine_recall(struct engine *engine, struct flow *flow, uint64_t next_usec) {
        const struct owner_question question = engine_question_about(flow, next_usec);
        enum owner_recall recall;
        struct owner owner;

        recall = owner_lookup_recall(engine->owners, &question, &owner);
        switch (recall) {
        case OWNER_RECALL_FOUND:
                settle_found(engine, flow, &owner);
                break;
        case OWNER_RECALL_SHARED:
                engine_give_up(engine, flow, UNATTRIBUTED_SHARED);
                break;
        case OWNER_RECALL_UNUSED:
        case OWNER_RECALL_UNKNOWN:
                break;
        }
        return recall;
}

/* One end of the sample's flow. */
static void part(struct engine *engine, const struct sample *sample, const struct flow_key *key) {
        struct flow *flow;
        bool begins;

        if (!sample->connection_start && /* most packets are of a socket that has been there for long */
            !owner_lookup_changed(engine->owners, key, sample->time_usec - PENDING_USEC, sample->time_usec))
                return;
        flow = flow_table_find(engine->books->flows, key);
        if (!flow || traffic_bytes(&flow->pending) == 0)
                return;
        begins = sample->connection_start && !flow->opening;
        if (!begins && !owner_lookup_changed(engine->owners, key, flow->pending.last_usec, sample->time_usec))
                return;
        switch (engine_recall(engine, flow, begins ? sample->time_usec : UINT64_MAX)) {
        case OWNER_RECALL_FOUND:
        case OWNER_RECALL_SHARED:
                return;
        case OWNER_RECALL_UNUSED:
        case OWNER_RECALL_UNKNOWN: /* with a SYN, the books know what to do */
                if (!begins)
                        books_settle_unattributed(engine->books, UNATTRIBUTED_NO_SOCKET, flow);
                return;
        }
}

void engine_part(struct engine *engine, const struct sample *sample) {
        struct flow_key other_end;

        if (!owner_lookup_recalls(engine->owners) || sample->keyless || sample->direction == DIRECTION_FORWARDED)
                return;
        part(engine, sample, &sample->key);
        if (sample->direction == DIRECTION_LOCAL) {
                other_end = flow_key_reverse(&sample->key);
                part(engine, sample, &other_end);
        }
}
