/* SPDX-License-Identifier: MIT */
#include "owner/bound_sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>

#include "owner/proc_file.h"
#include "util/clock.h"

/* Going through the table takes 60 µs for both IP versions, and a socket 0.06 µs, or 0.7 µs where it is told: with so many
 * sockets for each, that many questions about one port take as long as one about all; with thousands that is no more. */
#define SOCKETS_PER_QUESTION 128u
#define QUESTIONS_MAX        8u

/* How many there are is looked at this often, at 10 µs. */
#define COUNT_USEC (1 * USEC_PER_SEC)

/* One time that is asked at, in one namespace, about one protocol. */
struct turn {
        uint64_t now_usec;
        uint32_t network;
        uint8_t protocol;
};

struct bound_sockets {
        struct turn turn;
        uint32_t n_asked; /* about one port each, in this turn */
        bool is_listed;   /* all are here: */
        size_t n;
        struct socket_info *sockets; /* by port; room for BOUND_SOCKETS_MAX, once it is wanted */
        const char *proc_root;
        uint32_t n_there;      /* how many there are in our own network namespace; UINT32_MAX: not known */
        uint64_t counted_usec; /* CLOCK_MONOTONIC, when they were counted; 0: never */
};

int bound_sockets_new(const char *proc_root, struct bound_sockets **ret_bound) {
        struct bound_sockets *bound = calloc(1, sizeof(*bound));

        if (!bound)
                return -ENOMEM;
        bound->proc_root = proc_root;
        *ret_bound = bound;
        return 0;
}

void bound_sockets_free(struct bound_sockets *bound) {
        if (!bound)
                return;
        free(bound->sockets);
        free(bound);
}

static int compare_ports(const void *a, const void *b) {
        const struct socket_info *x = a, *y = b;

        return (int) x->local_port - (int) y->local_port;
}

/* Returns as sock_diag_bound(); where there are too many, or no memory, none are listed. */
static int list_all(struct bound_sockets *bound, struct sock_diag *diag) {
        int n;

        if (!bound->sockets)
                bound->sockets = malloc(BOUND_SOCKETS_MAX * sizeof(*bound->sockets));
        if (!bound->sockets)
                return 0;
        n = sock_diag_bound(diag, bound->turn.protocol, 0, UINT32_MAX, bound->sockets, BOUND_SOCKETS_MAX);
        if (n < 0)
                return n;
        if ((size_t) n > BOUND_SOCKETS_MAX) /* there are more by now */
                return n;
        bound->n = (size_t) n;
        qsort(bound->sockets, bound->n, sizeof(*bound->sockets), compare_ports);
        bound->is_listed = true;
        return n;
}

/* The first one on that port, or on a higher one. */
static size_t first_on(const struct bound_sockets *bound, uint16_t port) {
        size_t begin = 0, end = bound->n;

        while (begin < end) {
                size_t middle = begin + (end - begin) / 2;

                if (bound->sockets[middle].local_port < port)
                        begin = middle + 1;
                else
                        end = middle;
        }
        return begin;
}

static int copy_those_on(const struct bound_sockets *bound, uint16_t port, struct socket_info *ret_sockets, size_t max) {
        const size_t first = first_on(bound, port);
        size_t n = 0;

        for (; first + n < bound->n && bound->sockets[first + n].local_port == port; n++)
                if (n < max)
                        ret_sockets[n] = bound->sockets[first + n];
        return (int) n;
}

static void begin_turn(struct bound_sockets *bound, const struct turn *turn) {
        if (bound->turn.now_usec == turn->now_usec && bound->turn.network == turn->network &&
            bound->turn.protocol == turn->protocol)
                return;
        bound->turn = *turn;
        bound->n_asked = 0;
        bound->is_listed = false;
}

static void count(struct bound_sockets *bound) {
        if (bound->counted_usec != 0 && bound->turn.now_usec - bound->counted_usec < COUNT_USEC)
                return;
        bound->counted_usec = bound->turn.now_usec;
        if (proc_count_udp(bound->proc_root, &bound->n_there) < 0)
                bound->n_there = UINT32_MAX;
}

/* Is it worth while to list them all? How many there are elsewhere is not known. */
static bool is_worth_while(struct bound_sockets *bound) {
        if (bound->n_asked == 0 || bound->turn.network != 0 || bound->turn.protocol != IPPROTO_UDP)
                return false;
        count(bound);
        return bound->n_there <= BOUND_SOCKETS_MAX &&
               bound->n_asked > MIN(bound->n_there / SOCKETS_PER_QUESTION, QUESTIONS_MAX);
}

int bound_sockets_find(struct bound_sockets *bound, struct sock_diag *diag, uint32_t network, uint8_t protocol, uint16_t port,
                       uint64_t now_usec, struct socket_info *ret_sockets, size_t max, uint64_t *lists) {
        int r;

        begin_turn(bound, &(struct turn){.now_usec = now_usec, .network = network, .protocol = protocol});
        if (port == 0)
                return 0;
        if (!bound->is_listed && is_worth_while(bound)) {
                (*lists)++;
                r = list_all(bound, diag);
                if (r < 0)
                        return r;
        }
        if (bound->is_listed)
                return copy_those_on(bound, port, ret_sockets, max);
        bound->n_asked++;
        (*lists)++;
        return sock_diag_bound(diag, protocol, port, UINT32_MAX, ret_sockets, max);
}
