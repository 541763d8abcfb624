/* SPDX-License-Identifier: MIT */
#include "owner/openings.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <string.h>
#include <sys/queue.h>

#include "owner/bound_sockets.h"
#include "owner/sock_diag.h"
#include "owner/socket_holders.h"
#include "util/clock.h"
#include "util/hash_table.h"

/* When a connection is looked at, after its SYN was read, in µs. The first time finds most clients. A server takes its
 * end with accept(2) a round trip later, or when it comes to it, and may be done with it a few 100 µs after that: on the
 * same host and in the same network the first millisecond is what counts. */
static const struct {
        uint64_t usec;
        bool searches; /* nobody was found who has it: reading /proc costs more than sock_diag(7) */
        bool checks;   /* its opener is known: has it been handed on, or has a child inherited it? */
} steps[] = {
        {.usec = 0},
        {.usec = 40},
        {.usec = 80},
        {.usec = 120},
        {.usec = 160},
        {.usec = 210},
        {.usec = 260, .searches = true},
        {.usec = 320},
        {.usec = 380},
        {.usec = 450},
        {.usec = 530},
        {.usec = 620},
        {.usec = 730},
        {.usec = 860},
        {.usec = 1000, .searches = true},
        {.usec = 1250},
        {.usec = 1500},
        {.usec = 1750},
        {.usec = 2000, .checks = true},
        {.usec = 2400},
        {.usec = 2800},
        {.usec = 3200},
        {.usec = 3600},
        {.usec = 4000},
        {.usec = 4500},
        {.usec = 5000, .searches = true},
        {.usec = 6000},
        {.usec = 7000},
        {.usec = 8000},
        {.usec = 10000},
        {.usec = 12000, .checks = true},
        {.usec = 20000},
        {.usec = 30000, .searches = true},
        {.usec = 65000, .checks = true},
};
#define STEPS ELEMENTSOF(steps)

/* So often a server's end is searched for among servers; then among all, and less often. */
#define SERVER_SEARCHES 2u

/* A search may take a few 100 µs: after so many of them the others have to wait, and the caller may look at the clock. */
#define SEARCHES_MAX 4u

/* Sockets that listen on one port of which the holders are looked for. */
#define LISTENERS_MAX 16

/* The stamps that two sockets of packet(7) give to one packet differ by some µs; and a server's first packet is the
 * SYN it got, a few µs before the one it sent. A tuple cannot be another's connection within that time. */
#define STAMP_SLACK_USEC 500

/* A socket is there some µs before its SYN is seen: what was found is certain once all SYNs of so much later are known. */
#define CERTAIN_USEC (1 * USEC_PER_MSEC)

/* Packets for which the opener answers come within this long of the SYN: later ones are asked for by what is there. */
#define BEGINNING_USEC (300 * USEC_PER_MSEC)

enum opening_state {
        OPENING_WAITING, /* nobody seen with the socket yet */
        OPENING_KNOWN,   /* owner has it */
        OPENING_UNKNOWN, /* it was over before anybody was seen, or several had it */
};

struct opening {
        struct flow_key key; /* key */
        uint32_t ifindex;
        enum opening_state state;
        bool unaccepted;    /* it was seen before somebody took it: a server's end */
        uint8_t n_searches; /* so often it was searched for who has it */
        uint64_t syn_usec; /* CLOCK_REALTIME */
        struct owner owner;
        uint64_t before_usec, before_cookie; /* of the SYN before on this tuple: the same one, sent again? */
        uint64_t due_usec, read_usec;        /* CLOCK_MONOTONIC */
        uint64_t found_usec;                 /* CLOCK_MONOTONIC, with OPENING_KNOWN */
        size_t step;                         /* the queue it is in; STEPS: none */
        TAILQ_ENTRY(opening) queue, age;
};
TAILQ_HEAD(opening_list, opening);

struct openings {
        struct sock_diag *diag;
        struct bound_sockets *bound;
        struct socket_holders *holders;
        struct hash_table *by_key;         /* struct opening */
        struct owner_stats stats;
        uint64_t read_until_usec; /* CLOCK_MONOTONIC */
        pthread_mutex_t lock; /* of by_key, what openings_find() reads of its entries, and stats */
        struct opening_list queues[STEPS]; /* each in the order of due_usec */
        struct opening_list ages;          /* oldest first */
        uint32_t n_searches;               /* in the look under way */
};

int openings_new(const struct openings_config *config, struct openings **ret_openings) {
        const struct owner_config holders = {.proc_root = config->proc_root, .max_sockets = config->max_sockets};
        _cleanup_(openings_freep) struct openings *openings = calloc(1, sizeof(*openings));
        int r;

        if (!openings)
                return -ENOMEM;
        (void) pthread_mutex_init(&openings->lock, NULL); /* cannot fail without attributes: pthread_mutex_init(3) */
        TAILQ_INIT(&openings->ages);
        for (size_t i = 0; i < STEPS; i++)
                TAILQ_INIT(&openings->queues[i]);
        r = hash_table_new(sizeof(struct opening), sizeof(struct flow_key), config->max, &openings->by_key);
        if (r < 0)
                return r;
        r = sock_diag_new(&openings->diag);
        if (r < 0)
                return r;
        r = bound_sockets_new(config->proc_root, &openings->bound);
        if (r < 0)
                return r;
        r = socket_holders_new(&holders, &openings->holders);
        if (r < 0)
                return r;

        *ret_openings = TAKE_PTR(openings);
        return 0;
}

void openings_free(struct openings *openings) {
        if (!openings)
                return;
        hash_table_free(openings->by_key);
        sock_diag_free(openings->diag);
        bound_sockets_free(openings->bound);
        socket_holders_free(openings->holders);
        (void) pthread_mutex_destroy(&openings->lock);
        free(openings);
}

/* --- the queues ----------------------------------------------------------------------------------------- */

static void dequeue(struct openings *openings, struct opening *opening) {
        if (opening->step < STEPS)
                TAILQ_REMOVE(&openings->queues[opening->step], opening, queue);
        opening->step = STEPS;
}

/* Is it to be searched for among those only that have taken connections? */
static bool is_servers(const struct opening *opening) {
        return opening->unaccepted && opening->n_searches < SERVER_SEARCHES;
}

static bool skips(const struct opening *opening, size_t step) {
        if (opening->state == OPENING_KNOWN)
                return !steps[step].checks;
        return opening->n_searches > 0 && !is_servers(opening) && !steps[step].searches;
}

/* For the first step from this one on that it needs, if there is one. */
static void enqueue(struct openings *openings, struct opening *opening, size_t step) {
        while (step < STEPS && skips(opening, step))
                step++;
        opening->step = step;
        if (step == STEPS)
                return;
        opening->due_usec = opening->read_usec + steps[step].usec;
        TAILQ_INSERT_TAIL(&openings->queues[step], opening, queue);
}

static void forget(struct openings *openings, struct opening *opening) {
        dequeue(openings, opening);
        TAILQ_REMOVE(&openings->ages, opening, age);
        hash_table_remove(openings->by_key, opening);
}

static struct opening *new_opening(struct openings *openings, const struct flow_key *key) {
        struct opening *opening;
        void *entry;

        if (hash_table_size(openings->by_key) == hash_table_capacity(openings->by_key))
                forget(openings, TAILQ_FIRST(&openings->ages));
        if (hash_table_add(openings->by_key, key, &entry) < 0)
                return NULL;
        opening = entry;
        opening->step = STEPS;
        return opening;
}

/* One more datagram of a flow that has only just begun? */
static bool goes_on(const struct opening *opening, uint64_t usec) {
        return opening->key.protocol == IPPROTO_UDP && usec >= opening->syn_usec &&
               usec - opening->syn_usec <= BEGINNING_USEC;
}

static void look_again(struct openings *openings, struct opening *opening, uint64_t now_usec) {
        if (opening->state != OPENING_WAITING)
                return;
        dequeue(openings, opening);
        opening->read_usec = now_usec;
        opening->n_searches = 0;
        enqueue(openings, opening, 0);
}

static bool is_certain(const struct openings *openings, const struct opening *opening) {
        return opening->state == OPENING_KNOWN && (opening->key.protocol == IPPROTO_UDP ||
                                                   opening->found_usec + CERTAIN_USEC <= openings->read_until_usec);
}

/* The one of that tuple, out of all lists, or a new one. */
static struct opening *renew(struct openings *openings, const struct flow_key *key) {
        struct opening *opening = hash_table_find(openings->by_key, key);

        if (!opening)
                return new_opening(openings, key);
        dequeue(openings, opening);
        TAILQ_REMOVE(&openings->ages, opening, age);
        opening->before_usec = opening->syn_usec;
        opening->before_cookie = is_certain(openings, opening) ? opening->owner.cookie : 0;
        return opening;
}

void openings_add(struct openings *openings, const struct flow_key *key, uint32_t ifindex, uint64_t syn_usec,
                  uint64_t now_usec) {
        struct opening *opening;

        (void) pthread_mutex_lock(&openings->lock);
        opening = hash_table_find(openings->by_key, key);
        if (opening && goes_on(opening, syn_usec)) {
                look_again(openings, opening, now_usec);
                opening = NULL;
        } else
                opening = renew(openings, key);
        if (opening) {
                opening->ifindex = ifindex;
                opening->state = OPENING_WAITING;
                opening->syn_usec = syn_usec;
                opening->unaccepted = false;
                opening->n_searches = 0;
                opening->owner = (struct owner){};
                opening->read_usec = now_usec;
                TAILQ_INSERT_TAIL(&openings->ages, opening, age);
                enqueue(openings, opening, 0);
        }
        (void) pthread_mutex_unlock(&openings->lock);
}

void openings_read_until(struct openings *openings, uint64_t usec) {
        (void) pthread_mutex_lock(&openings->lock);
        openings->read_until_usec = usec;
        (void) pthread_mutex_unlock(&openings->lock);
}

void openings_missed(struct openings *openings) {
        (void) pthread_mutex_lock(&openings->lock);
        for (struct opening *opening = TAILQ_FIRST(&openings->ages); opening; opening = TAILQ_NEXT(opening, age)) {
                if (opening->key.protocol == IPPROTO_UDP || is_certain(openings, opening))
                        continue;
                dequeue(openings, opening);
                opening->state = OPENING_UNKNOWN;
        }
        (void) pthread_mutex_unlock(&openings->lock);
}

uint64_t openings_due_usec(const struct openings *openings) {
        uint64_t due_usec = UINT64_MAX;

        for (size_t i = 0; i < STEPS; i++) {
                const struct opening *first = TAILQ_FIRST(&openings->queues[i]);

                if (first)
                        due_usec = MIN(due_usec, first->due_usec);
        }
        return due_usec;
}

/* --- looking -------------------------------------------------------------------------------------------- */

/* Has somebody the socket, or may yet have it? Not when it was closed, or only the listener is left. */
static bool is_open(const struct socket_info *socket) {
        switch (socket->state) {
        case TCP_SYN_SENT:
        case TCP_SYN_RECV:
        case TCP_ESTABLISHED:
        case TCP_CLOSE_WAIT:
                return true;
        default:
                return socket->inode != 0 && socket->state != TCP_LISTEN;
        }
}

/* A SYN that was sent again began the connection when it was sent first. */
static void take_socket(struct opening *opening, const struct socket_info *socket) {
        if (opening->key.protocol == IPPROTO_TCP && opening->before_cookie == socket->cookie)
                opening->syn_usec = opening->before_usec;
        opening->owner.cookie = socket->cookie;
        opening->owner.inode = socket->inode;
        opening->owner.uid = socket->uid;
}

/* Returns whether it is to be looked at again. */
static bool take_status(struct opening *opening, enum owner_status status, const struct process_id *process) {
        bool was_known = opening->state == OPENING_KNOWN;

        if (status == OWNER_FOUND && !was_known) {
                opening->owner.process = *process;
                opening->found_usec = clock_usec(CLOCK_MONOTONIC);
                opening->state = OPENING_KNOWN;
                return true;
        }
        if (status == OWNER_FOUND && memcmp(process, &opening->owner.process, sizeof(*process)) == 0)
                return true;
        if (status == OWNER_NO_PROCESS && !was_known)
                return true;
        opening->state = OPENING_UNKNOWN; /* several have it, or another than before */
        return false;
}

/* What was found goes where other threads read it. */
static bool take(struct openings *openings, struct opening *opening, const struct socket_info *socket,
                 enum owner_status status, const struct process_info *info) {
        bool again;

        (void) pthread_mutex_lock(&openings->lock);
        take_socket(opening, socket);
        again = take_status(opening, status, &info->id);
        (void) pthread_mutex_unlock(&openings->lock);
        return again;
}

/* Some that are due, and what the kernel says of them. */
struct looks {
        struct opening *openings[SOCK_DIAG_MANY];
        size_t steps[SOCK_DIAG_MANY]; /* which of its looks this is */
        struct sock_diag_question questions[SOCK_DIAG_MANY];
        size_t n;
};

static void look_up(struct openings *openings, struct looks *looks) {
        uint64_t n_errors = 0;

        sock_diag_find_many(openings->diag, looks->questions, looks->n);
        for (size_t i = 0; i < looks->n; i++)
                n_errors += looks->questions[i].result < 0;
        (void) pthread_mutex_lock(&openings->lock);
        openings->stats.lookups += looks->n;
        openings->stats.netlink_errors += n_errors;
        (void) pthread_mutex_unlock(&openings->lock);
}

/* Those that may take connections on this port. Returns whether they were looked for. */
static bool meet_servers(struct openings *openings, uint16_t port, uint64_t now_usec) {
        struct socket_info sockets[LISTENERS_MAX];
        uint64_t inodes[LISTENERS_MAX];
        int n;

        n = sock_diag_bound(openings->diag, IPPROTO_TCP, port, 1u << TCP_LISTEN, sockets, LISTENERS_MAX);
        n = MIN(n, LISTENERS_MAX);
        for (int i = 0; i < n; i++)
                inodes[i] = sockets[i].inode;
        return n > 0 && socket_holders_meet(openings->holders, inodes, (size_t) n, now_usec);
}

/* Of several sockets on a port, nothing tells which one sent, or will get the answer. It may be gone by now, and if
 * another one is, too, the caller of openings_find() has been told. */
static bool is_alone(struct openings *openings, const struct socket_info *socket, uint64_t now_usec) {
        struct socket_info other;
        uint64_t lists = 0;
        int n;

        n = bound_sockets_find(openings->bound, openings->diag, 0, IPPROTO_UDP, socket->local_port, now_usec, &other, 1, &lists);
        (void) pthread_mutex_lock(&openings->lock);
        openings->stats.lookups += lists;
        (void) pthread_mutex_unlock(&openings->lock);
        return n == 0 || (n == 1 && other.cookie == socket->cookie);
}

/* It may be over since it was asked for with others: a search would be for nothing. */
static bool is_still_there(struct openings *openings, const struct opening *opening, const struct socket_info *socket) {
        struct socket_info now;

        return sock_diag_find(openings->diag, &opening->key, opening->ifindex, &now) > 0 && now.inode == socket->inode;
}

static enum owner_status search_holder(struct openings *openings, struct opening *opening, uint64_t inode, uint64_t now_usec,
                                       struct process_info *ret_info) {
        enum young_search search = is_servers(opening) ? SEARCH_SERVERS : SEARCH_ALL;
        enum owner_status status;

        opening->n_searches++;
        openings->n_searches++;
        status = socket_holders_find_young(openings->holders, inode, search, now_usec, ret_info);
        if (status == OWNER_NO_PROCESS && opening->unaccepted && meet_servers(openings, opening->key.local_port, now_usec))
                status = socket_holders_find_young(openings->holders, inode, SEARCH_SERVERS, now_usec, ret_info);
        return status;
}

static enum owner_status find_holder(struct openings *openings, struct opening *opening, const struct socket_info *socket,
                                     uint64_t now_usec, struct process_info *ret_info) {
        enum owner_status status;

        status = socket_holders_find_young(openings->holders, socket->inode,
                                           opening->unaccepted ? SEARCH_LIKELY_SERVERS : SEARCH_LIKELY, now_usec, ret_info);
        if (status != OWNER_NO_PROCESS || !is_still_there(openings, opening, socket))
                return status;
        return search_holder(openings, opening, socket->inode, now_usec, ret_info);
}

/* Returns whether it is to be looked at again. */
static bool look_at(struct openings *openings, struct opening *opening, const struct sock_diag_question *asked,
                    uint64_t now_usec, opener_handler handler, void *userdata) {
        bool was_known = opening->state == OPENING_KNOWN, again;
        const struct socket_info *socket = &asked->socket;
        struct process_info info = {};
        enum owner_status status;

        if (asked->result < 0)
                return true;
        if (asked->result == 0 || !is_open(socket) || (was_known && socket->cookie != opening->owner.cookie))
                return false;
        if (socket->inode == 0) {
                opening->unaccepted = true;
                return opening->key.protocol == IPPROTO_TCP;
        }
        status = find_holder(openings, opening, socket, now_usec, &info);
        if (status == OWNER_FOUND && opening->key.protocol == IPPROTO_UDP && !is_alone(openings, socket, now_usec))
                status = OWNER_SHARED;
        again = take(openings, opening, socket, status, &info);
        if (again && !was_known && status == OWNER_FOUND)
                handler(&info, userdata);
        return again;
}

static bool is_due(const struct opening *opening, uint64_t now_usec) {
        return opening && opening->due_usec <= now_usec;
}

/* One look serves all steps that are due by now: where time is short, the others are those of younger ones. */
static size_t last_due(const struct opening *opening, uint64_t now_usec) {
        size_t step = opening->step;

        for (size_t next = step + 1; next < STEPS && opening->read_usec + steps[next].usec <= now_usec; next++)
                if (!skips(opening, next))
                        step = next;
        return step;
}

/* Puts those that are late where those of their age are. */
static void sort_late(struct openings *openings, uint64_t now_usec) {
        for (size_t step = STEPS; step-- > 0;) {
                struct opening *opening;

                while (is_due(opening = TAILQ_FIRST(&openings->queues[step]), now_usec)) {
                        size_t due = last_due(opening, now_usec);

                        if (due == step)
                                break; /* those behind it are younger */
                        dequeue(openings, opening);
                        enqueue(openings, opening, due);
                }
        }
}

/* Takes up to max of those that are due out of their queues. */
static void take_due(struct openings *openings, uint64_t now_usec, size_t max, struct looks *ret_looks) {
        size_t n = 0;

        for (size_t step = 0; step < STEPS; step++) /* the newest first: they are the likeliest to be found */
                for (; n < max && is_due(TAILQ_FIRST(&openings->queues[step]), now_usec); n++) {
                        struct opening *opening = TAILQ_FIRST(&openings->queues[step]);

                        dequeue(openings, opening);
                        ret_looks->openings[n] = opening;
                        ret_looks->steps[n] = step;
                        ret_looks->questions[n].key = &opening->key;
                        ret_looks->questions[n].ifindex = opening->ifindex;
                }
        ret_looks->n = n;
}

/* Those from `first` on, to where they were. */
static void put_back(struct openings *openings, const struct looks *looks, size_t first) {
        for (size_t i = looks->n; i-- > first;) {
                looks->openings[i]->step = looks->steps[i];
                TAILQ_INSERT_HEAD(&openings->queues[looks->steps[i]], looks->openings[i], queue);
        }
}

/* Returns how many: SOCK_DIAG_MANY, where there may be more. */
static size_t look_at_some(struct openings *openings, uint64_t now_usec, size_t max, opener_handler handler,
                           void *userdata) {
        struct looks looks;
        size_t n;

        take_due(openings, now_usec, MIN(max, (size_t) SOCK_DIAG_MANY), &looks);
        if (looks.n == 0)
                return 0;
        look_up(openings, &looks);
        for (n = 0; n < looks.n && openings->n_searches < SEARCHES_MAX; n++)
                if (look_at(openings, looks.openings[n], &looks.questions[n], now_usec, handler, userdata))
                        enqueue(openings, looks.openings[n], looks.steps[n] + 1);
        put_back(openings, &looks, n);
        return n;
}

int openings_look(struct openings *openings, uint64_t now_usec, int max, opener_handler handler, void *userdata) {
        size_t n = 0, n_more;

        openings->n_searches = 0;
        sort_late(openings, now_usec);
        do {
                n_more = look_at_some(openings, now_usec, (size_t) max - n, handler, userdata);
                n += n_more;
        } while (n_more == SOCK_DIAG_MANY && n < (size_t) max);
        return openings->n_searches < SEARCHES_MAX ? (int) n : max;
}

/* A connection's packets that do not begin with its SYN may be another's, whose SYN was not seen here. */
static bool is_about(const struct opening *opening, const struct owner_question *question) {
        uint64_t latest_usec = opening->syn_usec + (opening->key.protocol == IPPROTO_TCP ? STAMP_SLACK_USEC
                                                                                         : BEGINNING_USEC);

        return question->since_usec + STAMP_SLACK_USEC >= opening->syn_usec &&
               question->since_usec <= latest_usec && question->until_usec <= opening->syn_usec + BEGINNING_USEC;
}

bool openings_find(struct openings *openings, const struct owner_question *question, struct owner *ret_owner) {
        const struct opening *opening;
        bool found;

        (void) pthread_mutex_lock(&openings->lock);
        opening = hash_table_find(openings->by_key, question->key);
        found = opening && is_certain(openings, opening) && is_about(opening, question);
        if (found)
                *ret_owner = opening->owner;
        (void) pthread_mutex_unlock(&openings->lock);
        return found;
}

void openings_stats(struct openings *openings, struct owner_stats *stats) {
        (void) pthread_mutex_lock(&openings->lock);
        stats->lookups += openings->stats.lookups;
        stats->netlink_errors += openings->stats.netlink_errors;
        (void) pthread_mutex_unlock(&openings->lock);
}
