/* SPDX-License-Identifier: MIT */
#include "owner/owner_history.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "owner/binding.h"
#include "util/hash_table.h"

/* Stamps of packets and times of events are cut to microseconds, one by one. */
#define ROUNDING_USEC 2

/* Remembered for each class of ports: when anything changed on one of them last. A power of two. */
#define PORT_CLASSES 4096u

/* Sockets at one end that are looked at one by one. Where more come and go, the first are forgotten early; where more
 * stay, it is not told whose a packet is. */
#define END_RECORDS 64u

#define OPEN UINT64_MAX /* it is not closed */

/* A process that used a socket, until the one after it did. */
struct use {
        uint64_t since_usec;
        struct socket_user user; /* pid 0: nobody has used it yet */
        struct use *before;        /* NULL: it is the first, and has what came before it too */
};

struct record {
        uint64_t cookie;
        struct flow_key key;
        uint64_t since_usec, until_usec;
        bool incoming, ipv6_only;
        bool many;         /* and who, is not told */
        bool held;         /* nobody was seen using it: the owner is who holds it */
        struct use last;   /* those before it are allocated */
        struct end *end;   /* where it hangs, in the order of coming */
        struct record *next, *previous;
        bool passing;      /* on the list of those that may be forgotten, in the order of getting there */
        struct record *newer, *older;
};

/* All sockets that are connected on one tuple; or, for datagrams, that are not and have one local port. */
struct end {
        struct flow_key key; /* key */
        struct record *first, *last;
        uint32_t n;
        uint64_t forgot_usec; /* of those that were here: the last was closed then */
};

struct socket {
        uint64_t cookie; /* key */
        struct record *record;
};

struct owner_history {
        struct hash_table *ends, *sockets;
        struct record *oldest, *newest; /* that may be forgotten */
        uint32_t n, max;
        uint64_t trust_usec; /* nothing is known of packets before that */
        bool misses_ports;   /* there was no room for a socket that has a port */
        uint64_t changed_usec[PORT_CLASSES];
};

/* --- lifetime ---------------------------------------------------------------------------------------------- */

int owner_history_new(uint32_t max_records, struct owner_history **ret_history) {
        _cleanup_(owner_history_freep) struct owner_history *history = calloc(1, sizeof(*history));
        int r;

        if (!history)
                return -ENOMEM;
        if (max_records == 0)
                return -EINVAL;
        history->max = max_records;
        history->trust_usec = UINT64_MAX;
        r = hash_table_new(sizeof(struct end), sizeof(struct flow_key), max_records, &history->ends);
        if (r < 0)
                return r;
        r = hash_table_new(sizeof(struct socket), sizeof(uint64_t), max_records, &history->sockets);
        if (r < 0)
                return r;
        *ret_history = TAKE_PTR(history);
        return 0;
}

static void stop_passing(struct owner_history *history, struct record *record) {
        if (!record->passing)
                return;
        *(record->older ? &record->older->newer : &history->oldest) = record->newer;
        *(record->newer ? &record->newer->older : &history->newest) = record->older;
        record->passing = false;
}

static void let_pass(struct owner_history *history, struct record *record) {
        stop_passing(history, record);
        record->newer = NULL;
        record->older = history->newest;
        *(history->newest ? &history->newest->newer : &history->oldest) = record;
        history->newest = record;
        record->passing = true;
}

static void unlink_end(struct owner_history *history, struct record *record) {
        struct end *end = record->end;

        *(record->previous ? &record->previous->next : &end->first) = record->next;
        *(record->next ? &record->next->previous : &end->last) = record->previous;
        end->n--;
        if (record->until_usec != OPEN)
                end->forgot_usec = MAX(end->forgot_usec, record->until_usec);
        if (!end->first)
                hash_table_remove(history->ends, end);
}

static void forget(struct owner_history *history, struct record *record) {
        struct socket *socket = hash_table_find(history->sockets, &record->cookie);

        if (socket && socket->record == record)
                hash_table_remove(history->sockets, socket);
        stop_passing(history, record);
        unlink_end(history, record);
        for (struct use *use = record->last.before, *before; use; use = before) {
                before = use->before;
                free(use);
                history->n--;
        }
        free(record);
        history->n--;
}

void owner_history_clear(struct owner_history *history) {
        uint32_t cursor = 0;
        struct end *end;

        while ((end = hash_table_next(history->ends, &cursor)))
                for (struct record *record = end->first, *next; record; record = next) {
                        next = record->next;
                        forget(history, record);
                }
        history->misses_ports = false;
        history->trust_usec = UINT64_MAX;
}

void owner_history_free(struct owner_history *history) {
        if (!history)
                return;
        if (history->sockets)
                owner_history_clear(history);
        hash_table_free(history->ends);
        hash_table_free(history->sockets);
        free(history);
}

void owner_history_trust(struct owner_history *history, uint64_t since_usec) {
        history->trust_usec = since_usec;
}

/* Those that are open, and nobody has used, go behind the others: they are not in the way of what was closed. */
void owner_history_expire(struct owner_history *history, uint64_t before_usec) {
        struct record *record;

        for (uint32_t left = history->n; left > 0 && (record = history->oldest); left--) {
                if (record->until_usec < before_usec)
                        forget(history, record);
                else if (record->until_usec == OPEN && record->since_usec < before_usec)
                        let_pass(history, record);
                else
                        return;
        }
}

uint32_t owner_history_size(const struct owner_history *history) {
        return history->n;
}

/* --- what is told ------------------------------------------------------------------------------------------ */

static struct flow_key port_of(const struct flow_key *key) {
        return (struct flow_key){.local_port = key->local_port, .protocol = key->protocol};
}

static size_t port_class(const struct flow_key *key) {
        return (key->local_port ^ (key->protocol == IPPROTO_TCP ? PORT_CLASSES / 2 : 0)) % PORT_CLASSES;
}

static void note_change(struct owner_history *history, const struct flow_key *key, uint64_t time_usec) {
        uint64_t *changed_usec = &history->changed_usec[port_class(key)];

        *changed_usec = MAX(*changed_usec, time_usec);
}

static bool make_room(struct owner_history *history) {
        if (history->n >= history->max && history->oldest)
                forget(history, history->oldest);
        return history->n < history->max;
}

static struct socket *socket_of(struct owner_history *history, uint64_t cookie) {
        struct socket *socket = hash_table_find(history->sockets, &cookie);
        void *entry;

        if (!socket && hash_table_add(history->sockets, &cookie, &entry) >= 0)
                socket = entry;
        return socket;
}

static struct end *end_at(struct owner_history *history, const struct flow_key *key) {
        const struct flow_key place = key->remote_port != 0 ? *key : port_of(key);
        struct end *end = hash_table_find(history->ends, &place);
        void *entry;

        if (!end && hash_table_add(history->ends, &place, &entry) >= 0)
                end = entry;
        return end;
}

static void forget_one_of(struct owner_history *history, struct end *end) {
        for (struct record *record = end->first; record != end->last; record = record->next)
                if (record->passing) {
                        forget(history, record);
                        return;
                }
}

static struct record *add(struct owner_history *history, const struct socket_event *event) {
        struct record *record = make_room(history) ? calloc(1, sizeof(*record)) : NULL;
        struct socket *socket = record ? socket_of(history, event->cookie) : NULL;
        struct end *end = socket ? end_at(history, &event->key) : NULL;

        if (!end) {
                if (socket && !socket->record)
                        hash_table_remove(history->sockets, socket);
                free(record);
                history->misses_ports = history->misses_ports || event->key.protocol != IPPROTO_TCP;
                return NULL;
        }
        *record = (struct record){
                .cookie = event->cookie,
                .key = event->key,
                .since_usec = event->time_usec,
                .until_usec = OPEN,
                .incoming = event->incoming,
                .ipv6_only = event->ipv6_only,
                .last = {.since_usec = event->time_usec},
                .end = end,
                .previous = end->last,
        };
        *(end->last ? &end->last->next : &end->first) = record;
        end->last = record;
        end->n++;
        socket->record = record;
        history->n++;
        if (end->n > END_RECORDS)
                forget_one_of(history, end);
        if (event->key.protocol == IPPROTO_TCP) /* until somebody has it: one may end without being told of */
                let_pass(history, record);
        else
                note_change(history, &record->key, record->since_usec);
        return record;
}

static void close_record(struct owner_history *history, struct record *record, uint64_t time_usec) {
        record->until_usec = time_usec;
        let_pass(history, record);
        if (record->key.protocol != IPPROTO_TCP)
                note_change(history, &record->key, time_usec);
}

/* Who uses it first has what came before, which nobody else has taken. */
static void set_user(struct owner_history *history, struct record *record, const struct socket_event *event) {
        struct use *before;

        stop_passing(history, record);
        record->held = event->kind == SOCKET_HELD;
        if (record->last.user.id.pid == 0) {
                record->last.user = event->user;
                return;
        }
        if (process_id_equal(&record->last.user.id, &event->user.id))
                return;
        before = make_room(history) ? malloc(sizeof(*before)) : NULL;
        if (!before) {
                record->many = true;
                return;
        }
        *before = record->last;
        record->last = (struct use){.since_usec = event->time_usec, .user = event->user, .before = before};
        history->n++;
        note_change(history, &record->key, event->time_usec);
}

/* Several that hold what nobody was seen using: none of them is its owner. */
static void set_holder(struct owner_history *history, struct record *record, bool is_new,
                       const struct socket_event *event) {
        if (is_new)
                set_user(history, record, event);
        else if (record->held && !process_id_equal(&record->last.user.id, &event->user.id))
                record->last.user = (struct socket_user){};
}

void owner_history_take(struct owner_history *history, const struct socket_event *event) {
        struct socket *socket = hash_table_find(history->sockets, &event->cookie);
        struct record *record = socket ? socket->record : NULL;
        bool is_new;

        /* a socket may be connected to one end after the other */
        if (record && event->kind != SOCKET_CLOSED && memcmp(&record->key, &event->key, sizeof(event->key)) != 0) {
                close_record(history, record, event->time_usec);
                record = NULL;
        }
        is_new = !record;
        if (!record && event->kind != SOCKET_CLOSED)
                record = add(history, event);
        if (!record || record->until_usec != OPEN)
                return;
        switch (event->kind) {
        case SOCKET_THERE:
                return;
        case SOCKET_HELD:
                set_holder(history, record, is_new, event);
                return;
        case SOCKET_USED:
                set_user(history, record, event);
                return;
        case SOCKET_MANY:
                record->many = true;
                return;
        case SOCKET_CLOSED:
                if (record->last.user.id.pid == 0 && event->user.id.pid != 0)
                        record->last.user = event->user;
                close_record(history, record, event->time_usec);
                return;
        }
}

/* --- what is asked ----------------------------------------------------------------------------------------- */

/* Who used it from since_usec to until_usec, if that is just one process. */
static enum owner_recall user_of(const struct record *record, uint64_t since_usec, uint64_t until_usec,
                                 struct owner *ret_owner) {
        const struct use *use = &record->last;

        if (record->many)
                return OWNER_RECALL_SHARED;
        while (use->before && use->since_usec > until_usec)
                use = use->before;
        if (use->before && use->since_usec > since_usec)
                return OWNER_RECALL_SHARED;
        if (use->user.id.pid == 0)
                return OWNER_RECALL_UNUSED;
        *ret_owner = (struct owner){.process = use->user.id,
                                    .cookie = record->cookie,
                                    .user = use->user};
        return OWNER_RECALL_FOUND;
}

/* The connection that this SYN began. One that this end began was told of before its SYN was on its way, one that
 * came in after that. */
static const struct record *began_by(const struct end *end, const struct owner_question *question) {
        const struct record *found = NULL;

        for (const struct record *record = end->first; record; record = record->next) {
                if (record->incoming != !question->connected)
                        continue;
                if (!question->connected && record->since_usec + ROUNDING_USEC >= question->start_usec)
                        return record->since_usec < question->next_usec ? record : NULL;
                if (question->connected && record->since_usec <= question->start_usec + ROUNDING_USEC &&
                    record->until_usec >= question->start_usec)
                        found = record;
        }
        return found;
}

static const struct record *last_before(const struct end *end, uint64_t time_usec) {
        const struct record *record = end->last;

        while (record && record->since_usec > time_usec + ROUNDING_USEC)
                record = record->previous;
        return record;
}

static enum owner_recall find_connection(const struct owner_history *history, const struct end *end,
                                         const struct owner_question *question, struct owner *ret_owner) {
        bool by_syn = question->start_usec >= history->trust_usec;
        const struct record *record =
                by_syn ? began_by(end, question) : last_before(end, question->since_usec);

        if (!record)
                return OWNER_RECALL_UNKNOWN;
        /* without a SYN of its own, what came behind the end of one may be the beginning of the next */
        if (record->next && (question->until_usec + ROUNDING_USEC >= record->next->since_usec ||
                             (!by_syn && record->next->incoming && question->until_usec > record->until_usec)))
                return OWNER_RECALL_SHARED;
        /* it was established after these packets: there may be another SYN in between, which is still to be read */
        if (record->since_usec > MAX(question->until_usec, question->read_usec))
                return OWNER_RECALL_UNUSED;
        return user_of(record, question->since_usec, question->until_usec, ret_owner);
}

static bool overlaps(const struct record *record, const struct owner_question *question) {
        return record->since_usec <= question->until_usec + ROUNDING_USEC &&
               record->until_usec >= question->since_usec;
}

/* Then the last of these packets came to a port that was closed, and which of them did is not told. */
static bool is_closed_within(const struct record *record, const struct owner_question *question) {
        return record->until_usec != OPEN && question->until_usec > record->until_usec + ROUNDING_USEC;
}

/* Goes on from what is found already: *answer and *owner. Returns whether that may still be the answer. */
static bool look_through(const struct end *end, const struct owner_question *question, enum owner_recall *answer,
                         struct owner *owner) {
        if (end->n > END_RECORDS || question->since_usec <= end->forgot_usec) {
                *answer = OWNER_RECALL_UNKNOWN;
                return false;
        }
        for (const struct record *record = end->first; record; record = record->next) {
                enum owner_recall before = *answer;
                struct process_id process = owner->process;

                if (!overlaps(record, question) || !binding_takes(&record->key, record->ipv6_only, question->key))
                        continue;
                *answer = user_of(record, question->since_usec, question->until_usec, owner);
                if (*answer == OWNER_RECALL_FOUND &&
                    (is_closed_within(record, question) ||
                     (before == OWNER_RECALL_FOUND && !process_id_equal(&process, &owner->process))))
                        *answer = OWNER_RECALL_SHARED;
                if (*answer != OWNER_RECALL_FOUND)
                        return false;
        }
        return true;
}

/* All that could have had it must be one process's. */
static enum owner_recall find_datagrams(const struct owner_history *history, const struct owner_question *question,
                                        struct owner *ret_owner) {
        const struct flow_key port = port_of(question->key);
        const struct end *ends[] = {hash_table_find(history->ends, question->key),
                                    hash_table_find(history->ends, &port)};
        enum owner_recall answer = OWNER_RECALL_UNKNOWN;
        struct owner owner = {};

        if (history->misses_ports)
                return OWNER_RECALL_UNKNOWN;
        for (size_t i = 0; i < ELEMENTSOF(ends); i++)
                if (ends[i] && !look_through(ends[i], question, &answer, &owner))
                        break;
        if (answer == OWNER_RECALL_FOUND)
                *ret_owner = owner;
        return answer;
}

enum owner_recall owner_history_find(const struct owner_history *history, const struct owner_question *question,
                                     struct owner *ret_owner) {
        const struct end *end;

        if (question->since_usec < history->trust_usec)
                return OWNER_RECALL_UNKNOWN;
        if (question->key->protocol != IPPROTO_TCP)
                return find_datagrams(history, question, ret_owner);
        end = hash_table_find(history->ends, question->key);
        if (!end || question->since_usec <= end->forgot_usec)
                return OWNER_RECALL_UNKNOWN;
        return find_connection(history, end, question, ret_owner);
}

static bool lies_between(uint64_t time_usec, uint64_t after_usec, uint64_t until_usec) {
        return time_usec > after_usec && time_usec <= until_usec;
}

static bool end_changed(const struct end *end, uint64_t after_usec, uint64_t until_usec) {
        for (const struct record *record = end ? end->first : NULL; record; record = record->next) {
                if (record->key.protocol != IPPROTO_TCP &&
                    (lies_between(record->since_usec, after_usec, until_usec) ||
                     lies_between(record->until_usec, after_usec, until_usec)))
                        return true;
                for (const struct use *use = &record->last; use->before; use = use->before)
                        if (lies_between(use->since_usec, after_usec, until_usec))
                                return true;
        }
        return false;
}

bool owner_history_changed(const struct owner_history *history, const struct flow_key *key, uint64_t after_usec,
                           uint64_t until_usec) {
        const struct flow_key port = port_of(key);

        if (history->changed_usec[port_class(key)] <= after_usec)
                return false;
        return end_changed(hash_table_find(history->ends, key), after_usec, until_usec) ||
               (key->protocol != IPPROTO_TCP &&
                end_changed(hash_table_find(history->ends, &port), after_usec, until_usec));
}
