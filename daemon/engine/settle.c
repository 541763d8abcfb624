/* SPDX-License-Identifier: MIT */
#include "engine/engine_internal.h"
#include "owner/process_reader.h"
#include "util/clock.h"

/* How long a flow may wait for its owner: for accept(2), for a scan of /proc. */
#define WAIT_USEC (1 * USEC_PER_SEC)

/* A flow without an owner that goes on moving is asked for again this often. */
#define ASK_AGAIN_USEC (1 * USEC_PER_SEC)

/* Without a question left, an owner confirmed this recently is still believed. */
#define BELIEVE_USEC (1 * USEC_PER_SEC)

/* After this long without a question its bytes wait for one no longer: what waits takes memory by the
 * second. */
#define UNASKED_USEC (5 * USEC_PER_SEC)

/* A UDP socket that is gone had what moved within this long of when it was last seen: two drains and a bit.
 */
#define JUST_SEEN_USEC (250 * USEC_PER_MSEC)

/* What began less than this ago may yet be looked at by early_look.c, or not be certain there yet. */
#define FRESH_USEC (20 * USEC_PER_MSEC)

/* Start times of processes come in 1/100 s (proc(5)), cut off, so that a process never seems to have started
 * later than it did but by what the wall clock was set or slewed since: see process_start_time_usec(). */
#define START_SLACK_USEC (2 * USEC_PER_MSEC)

static void settle_process(struct engine *engine, struct flow *flow, struct process *process) {
        books_settle_process(engine->books, process, flow);
}

/* What passes through to a container and has no owner there is what it is without looking: forwarded. */
static enum unattributed reason_of(const struct flow *flow, enum unattributed reason) {
        bool is_told = reason == UNATTRIBUTED_SHARED || reason == UNATTRIBUTED_OVERFLOW;

        return flow->key.netns != 0 && !is_told ? UNATTRIBUTED_FORWARDED : reason;
}

static void settle_unattributed(struct engine *engine, struct flow *flow, enum unattributed reason) {
        books_settle_unattributed(engine->books, reason_of(flow, reason), flow);
}

/* To the process that has the flow, unless its port went from hand to hand while that was pending. cookie:
 * of a socket that it had all along, or has closed. */
static void settle_owner(struct engine *engine, struct flow *flow, uint64_t cookie) {
        const struct owner_question question = engine_question_about(flow, UINT64_MAX);

        if (engine->owners && owner_lookup_contested(engine->owners, &question, cookie))
                settle_unattributed(engine, flow, UNATTRIBUTED_SHARED);
        else
                settle_process(engine, flow, flow->process);
}

static void disown(struct flow *flow, enum unattributed reason) {
        flow->state = FLOW_UNOWNED;
        flow->gone_usec = 0;
        flow->process = NULL;
        flow->reason = reason_of(flow, reason);
}

void engine_give_up(struct engine *engine, struct flow *flow, enum unattributed reason) {
        disown(flow, reason);
        settle_unattributed(engine, flow, reason);
}

void engine_own(struct flow *flow, struct process *process, uint64_t cookie, uint64_t inode) {
        flow->state = FLOW_OWNED;
        flow->gone_usec = 0;
        flow->process = process;
        flow->cookie = cookie;
        flow->inode = inode;
}

/* Leaves the flow to be asked for again. Returns true while there is time to. */
static bool wait_on(struct engine *engine, struct flow *flow, uint64_t now_usec, bool finish) {
        if (flow->state != FLOW_WAITING) {
                flow->state = FLOW_WAITING;
                flow->process = NULL;
                flow->wait_until_usec = now_usec + WAIT_USEC;
        }
        if (finish || now_usec >= flow->wait_until_usec)
                return false;
        flow_table_touch(engine->books->flows, flow);
        return true;
}

/* Could this process have had the flow's first unsettled packet? By the clock as it is now, which the packets are
 * stamped with: it may have been set since the process was first seen. */
static bool started_in_time(const struct process *process, const struct flow *flow) {
        return process->info.start_time_usec == 0 ||
               process_start_time_usec(&process->id) <= flow->pending.since_usec + START_SLACK_USEC;
}

/* Is what is pending perhaps not the owner's that has now been found? A connection is one socket's from its
 * SYN on. Without connections, what came while no socket was there is not the new socket's; and of a socket
 * that several held, nothing tells which of them moved it. */
static bool had_others(const struct flow *flow) {
        return flow->state == FLOW_UNOWNED &&
               (flow->key.protocol != IPPROTO_TCP || flow->reason == UNATTRIBUTED_SHARED);
}

/* The kernel was asked about now, and the packets are from a moment ago: if the tuple has changed hands
 * since, the SYN that did it is still to be read, or the word that a UDP socket was closed. Only when neither has
 * come is what is pending the owner's. Where the word is there already, what comes from now on does not wait for it
 * with what came before. */
static void wait_for_others(struct engine *engine, struct flow *flow) {
        const struct owner_question question = engine_question_about(flow, UINT64_MAX);

        flow->state = FLOW_FOUND;
        if (owner_lookup_contested(engine->owners, &question, flow->cookie))
                settle_unattributed(engine, flow, UNATTRIBUTED_SHARED);
        else
                flow_table_touch(engine->books->flows, flow);
}

static void found(struct engine *engine, struct flow *flow, const struct owner *owner) {
        struct process *before = flow->state == FLOW_OWNED ? flow->process : NULL, *process;
        bool not_its_own = had_others(flow), is_new;
        enum unattributed reason = flow->reason;
        uint64_t cookie = flow->cookie; /* with FLOW_OWNED */

        if (engine_process(engine, &owner->process, NULL, &process) < 0) {
                engine_give_up(engine, flow, UNATTRIBUTED_OVERFLOW);
                return;
        }
        is_new = flow->state != FLOW_OWNED;
        engine_own(flow, process, owner->cookie, owner->inode);

        if (before && before != process) /* it changed hands, and nothing says when */
                settle_unattributed(engine, flow, UNATTRIBUTED_SHARED);
        else if (not_its_own)
                settle_unattributed(engine, flow, reason);
        else if (!started_in_time(process, flow))
                settle_unattributed(engine, flow, UNATTRIBUTED_NO_SOCKET);
        else if (is_new)
                wait_for_others(engine, flow);
        else /* it has another socket now, or had this one all along */
                settle_owner(engine, flow, cookie);
}

/* By the packets' stamps: however late we come to look, they are no older for it. */
static bool was_just_seen(const struct flow *flow) {
        return flow->pending.last_usec <= flow->checked_usec + clock_real_offset_usec() + JUST_SEEN_USEC;
}

/* The word that a UDP socket was closed may come a moment after the kernel knows of no socket: what depends on none
 * having been closed waits for it. Returns true while it is to. */
static bool waits_for_word(struct engine *engine, struct flow *flow, uint64_t now_usec, bool finish) {
        if (flow->gone_usec == 0)
                flow->gone_usec = now_usec;
        if (finish || now_usec - flow->gone_usec >= READ_BEHIND_USEC)
                return false;
        flow_table_touch(engine->books->flows, flow);
        return true;
}

/* A UDP socket that is gone had the last datagrams, unless another one has come and gone since on its port. Returns
 * false when they were not its. */
static bool keeps_what_it_left(struct engine *engine, struct flow *flow, uint64_t now_usec, bool finish) {
        if (flow->gone_usec == 0 && !was_just_seen(flow))
                return false;
        if (waits_for_word(engine, flow, now_usec, finish))
                return true;
        if (!finish && flow->pending.last_usec > flow->gone_usec + clock_real_offset_usec())
                return false; /* came when there was none any more */
        settle_owner(engine, flow, flow->cookie);
        disown(flow, UNATTRIBUTED_NO_SOCKET);
        return true;
}

static void no_socket(struct engine *engine, struct flow *flow, uint64_t now_usec, bool finish) {
        bool tcp = flow->key.protocol == IPPROTO_TCP;

        if (flow->state == FLOW_OWNED && tcp) {
                /* Closed: the rest of the connection, until another SYN, is what its owner left to the
                 * kernel. */
                settle_process(engine, flow, flow->process);
                return;
        }
        if (flow->state == FLOW_OWNED && keeps_what_it_left(engine, flow, now_usec, finish))
                return;
        if (flow->state == FLOW_WAITING && flow->process) { /* over before it was accepted: the listener's */
                settle_process(engine, flow, flow->process);
                engine_own(flow, flow->process, 0, 0);
                return;
        }
        engine_give_up(engine, flow, UNATTRIBUTED_NO_SOCKET);
}

/* Not accepted yet, or over already and only the listener left to be found. */
static void unaccepted(struct engine *engine, struct flow *flow, const struct owner *listener,
                       uint64_t now_usec, bool finish) {
        struct process *process = NULL;
        bool over, wait;

        if (flow->state == FLOW_OWNED) { /* its socket is gone, the listener still there */
                settle_process(engine, flow, flow->process);
                return;
        }
        over = listener->inode != 0 && listener->process.pid != 0; /* what was found is the listening socket itself */
        wait = !over && wait_on(engine, flow, now_usec, finish);
        if (listener->process.pid != 0 && engine_process(engine, &listener->process, NULL, &process) >= 0)
                flow->process = process;
        if (wait)
                return;
        if (flow->process && started_in_time(flow->process, flow))
                settle_process(engine, flow, flow->process);
        else
                engine_give_up(engine, flow, UNATTRIBUTED_SHARED);
}

static void conclude(struct engine *engine, struct flow *flow, enum owner_status status,
                     const struct owner *owner, uint64_t now_usec, bool finish) {
        switch (status) {
        case OWNER_FOUND:
                found(engine, flow, owner);
                return;
        case OWNER_NO_SOCKET:
                no_socket(engine, flow, now_usec, finish);
                return;
        case OWNER_NO_LOOKUP:
                engine_give_up(engine, flow, UNATTRIBUTED_NO_LOOKUP);
                return;
        case OWNER_UNACCEPTED:
                unaccepted(engine, flow, owner, now_usec, finish);
                return;
        case OWNER_SHARED: /* waiting would not tell whose this was */
                engine_give_up(engine, flow, UNATTRIBUTED_SHARED);
                return;
        case OWNER_NO_PROCESS:
        case OWNER_BUSY:
                if (!wait_on(engine, flow, now_usec, finish))
                        engine_give_up(engine, flow, UNATTRIBUTED_NO_PROCESS);
                return;
        }
}

/* Does the answer tell whose the socket is, or that it is more than one's? Then it is newer than who opened it. */
static bool is_told(enum owner_status status) {
        return status == OWNER_FOUND || status == OWNER_SHARED;
}

/* Of a UDP flow that is over: what is read next of it is asked about anew. */
static void settle_datagrams(struct engine *engine, struct flow *flow, struct process *process) {
        settle_process(engine, flow, process);
        flow->state = FLOW_NEW;
        flow->gone_usec = 0;
        flow->process = NULL;
}

/* To who opened the connection that it begins with: that is known of these packets, and not of the tuple now. Without
 * connections it takes more: no socket has the flow now, and none but that one has had its port since. */
static bool settle_opening(struct engine *engine, struct flow *flow, bool no_socket_now, uint64_t now_usec,
                           bool finish) {
        const struct owner_question question = engine_question_about(flow, UINT64_MAX);
        bool tcp = flow->key.protocol == IPPROTO_TCP;
        struct process *process;
        struct owner owner;

        if (!engine->early || flow->key.netns != 0 || !(tcp || no_socket_now) ||
            !early_look_find(engine->early, &question, &owner))
                return false;
        if (!tcp && waits_for_word(engine, flow, now_usec, finish))
                return true;
        if ((!tcp && owner_lookup_contested(engine->owners, &question, owner.cookie)) ||
            engine_process(engine, &owner.process, NULL, &process) < 0)
                return false;
        flow->checked_usec = now_usec;
        if (!tcp) {
                settle_datagrams(engine, flow, process);
                return true;
        }
        engine_own(flow, process, owner.cookie, owner.inode);
        settle_process(engine, flow, process);
        return true;
}

/* Read so soon after it was sent that the next drain knows more. */
static bool is_fresh(const struct engine *engine, const struct flow *flow) {
        return engine->early && flow->key.netns == 0 && flow->state == FLOW_NEW &&
               flow->pending.since_usec + FRESH_USEC > clock_usec(CLOCK_REALTIME);
}

static void ask(struct engine *engine, struct flow *flow, uint64_t now_usec, bool finish) {
        const struct owner_question question = engine_question_about(flow, UINT64_MAX);
        enum owner_status status = OWNER_NO_LOOKUP;
        struct owner owner = {};
        int r = 0;

        if (engine->owners)
                r = owner_lookup_find(engine->owners, &question, now_usec, &status, &owner);
        if ((r < 0 || !is_told(status)) && settle_opening(engine, flow, r >= 0 && status == OWNER_NO_SOCKET, now_usec,
                                                      finish))
                return;
        if (r >= 0 && status == OWNER_NO_SOCKET && is_fresh(engine, flow) && wait_on(engine, flow, now_usec, finish))
                return;
        if (r < 0) {
                if (!wait_on(engine, flow, now_usec, finish))
                        engine_give_up(engine, flow, UNATTRIBUTED_LOOKUP_ERROR);
                return;
        }
        conclude(engine, flow, status, &owner, now_usec, finish);
        flow->checked_usec = now_usec;
}

/* Is the owner still the owner? Asked once for each socket and drain. */
static bool confirmed(struct engine *engine, struct flow *flow, uint64_t now_usec) {
        struct owner owner = {.process = flow->process->id, .cookie = flow->cookie, .inode = flow->inode};
        const struct owner_question question = engine_question_about(flow, UINT64_MAX);
        size_t i = flow->cookie % CONFIRMED_SOCKETS;

        if (flow->cookie == 0)
                return false;
        if (engine->confirmed[i].cookie != flow->cookie || engine->confirmed[i].drain != engine->drains) {
                if (owner_lookup_confirm(engine->owners, &question, &owner, now_usec) <= 0)
                        return false;
                engine->confirmed[i].cookie = flow->cookie;
                engine->confirmed[i].drain = engine->drains;
        }
        flow->checked_usec = now_usec;
        return true;
}

/* There is no question left in this drain. */
static void settle_unasked(struct engine *engine, struct flow *flow, uint64_t now_usec, bool finish) {
        switch (flow->state) {
        case FLOW_FOUND:
        case FLOW_OWNED:
                if (now_usec - flow->checked_usec <= BELIEVE_USEC)
                        settle_owner(engine, flow, 0); /* where its own was closed, another may have the port */
                else if (now_usec - flow->checked_usec <= UNASKED_USEC)
                        flow_table_touch(engine->books->flows, flow);
                else
                        settle_unattributed(engine, flow, UNATTRIBUTED_NOT_LOOKED_UP);
                return;
        case FLOW_UNOWNED:
                settle_unattributed(engine, flow, flow->reason);
                return;
        case FLOW_NEW:
        case FLOW_WAITING:
                if (!wait_on(engine, flow, now_usec, finish))
                        engine_give_up(engine, flow, UNATTRIBUTED_NOT_LOOKED_UP);
                return;
        }
}

/* Is it settled by what is remembered, or to be so in a moment? An owner that was found otherwise is one that has
 * its socket without being seen to use it, and is asked for again. */
static bool recalled(struct engine *engine, struct flow *flow, uint64_t now_usec, bool finish) {
        switch (engine_recall(engine, flow, UINT64_MAX)) {
        case OWNER_RECALL_FOUND:
                flow->checked_usec = now_usec;
                return true;
        case OWNER_RECALL_SHARED:
                return true;
        case OWNER_RECALL_UNUSED:
                return flow->state != FLOW_OWNED && flow->state != FLOW_FOUND &&
                       wait_on(engine, flow, now_usec, finish);
        case OWNER_RECALL_UNKNOWN:
                return false;
        }
        return false;
}

static void settle_flow(struct engine *engine, struct flow *flow, uint64_t now_usec, bool finish) {
        if (engine->owners && recalled(engine, flow, now_usec, finish))
                return;
        if (flow->state == FLOW_FOUND) {
                if (!finish && now_usec - flow->checked_usec < READ_BEHIND_USEC) {
                        flow_table_touch(engine->books->flows, flow);
                        return;
                }
                flow->state = FLOW_OWNED;
        }
        if (engine->questions_left == 0) {
                if (!settle_opening(engine, flow, false, now_usec, finish))
                        settle_unasked(engine, flow, now_usec, finish);
                return;
        }
        if (flow->state == FLOW_UNOWNED && now_usec - flow->checked_usec < ASK_AGAIN_USEC) {
                settle_unattributed(engine, flow, flow->reason);
                return;
        }
        engine->questions_left--;
        if (flow->state == FLOW_OWNED && confirmed(engine, flow, now_usec))
                settle_owner(engine, flow, flow->cookie);
        else
                ask(engine, flow, now_usec, finish);
}

/* The class of a number of bytes: each holds twice as much as the one below. */
static unsigned weight(const struct flow *flow) {
        return 64 - (unsigned) __builtin_clzll(traffic_bytes(&flow->pending) | 1);
}

/* The lowest class of which, with all above it, no more flows wait than there are questions. */
static unsigned heavy_class(const struct flow *flows, uint32_t questions) {
        uint32_t n_in_class[65] = {};
        uint64_t n = 0;
        unsigned class = ELEMENTSOF(n_in_class);

        for (; flows; flows = flows->next_touched)
                n_in_class[weight(flows)]++;
        while (class > 0 && n + n_in_class[class - 1] <= questions)
                n += n_in_class[--class];
        return class;
}

/* Those with the most bytes come first: a flood of small flows must not keep the questions from those
 * that matter. */
static struct flow *heavy_first(struct flow *flows, uint32_t questions) {
        struct flow *heavy = NULL, *light = NULL, **heavy_end = &heavy, **light_end = &light;
        unsigned class = heavy_class(flows, questions);

        for (; flows; flows = flows->next_touched) {
                struct flow ***end = weight(flows) >= class ? &heavy_end : &light_end;

                **end = flows;
                *end = &flows->next_touched;
        }
        *light_end = NULL;
        *heavy_end = light;
        return heavy;
}

void engine_settle(struct engine *engine, uint64_t now_usec, bool finish) {
        struct flow *flow, *next;

        if (engine->owners)
                owner_lookup_update(engine->owners);
        engine->drains++;
        engine->questions_left = finish ? UINT32_MAX : engine->questions_max;
        flow = heavy_first(flow_table_take_touched(engine->books->flows), engine->questions_left);
        for (; flow; flow = next) {
                next = flow->next_touched; /* settling may put it on the list again */
                settle_flow(engine, flow, now_usec, finish);
        }
        if (engine->owners)
                owner_lookup_rest(engine->owners);
}
