/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/flow_key.h"
#include "model/owner.h"

enum socket_event_kind {
        SOCKET_THERE,  /* it is there, and nobody has used it yet */
        SOCKET_HELD,   /* it was there before anything was told, and this process holds it */
        SOCKET_USED,   /* this process uses it from now on */
        SOCKET_MANY,   /* many processes use it by turns, and none is told of any more */
        SOCKET_CLOSED, /* by its last holder, this process */
};

/* What the kernel tells of one socket at one time. */
struct socket_event {
        enum socket_event_kind kind;
        uint64_t time_usec;        /* CLOCK_REALTIME, as packets have it; 0: before anything was told */
        uint64_t cookie;           /* of the socket */
        struct flow_key key;       /* where it is bound and connected; addresses and ports 0: nowhere */
        bool incoming;             /* a connection that the other end began, at some time before */
        bool ipv6_only;            /* takes no IPv4 */
        struct socket_user user;   /* pid 0: nobody */
};
