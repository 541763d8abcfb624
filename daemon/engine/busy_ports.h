/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which local ports send one datagram after the other: nothing about them is short-lived. Bounded: of more ports than
 * there is room for, the oldest count anew. Zero-initialised is empty; times are CLOCK_MONOTONIC, in µs. */
#define BUSY_PORTS_MAX 64u

struct busy_ports {
        struct {
                uint64_t since_usec;
                uint16_t port;
                uint16_t n; /* datagrams since then */
        } counts[256];      /* by the port's lower bits */
        uint16_t busy[BUSY_PORTS_MAX]; /* oldest first */
        uint64_t busy_usec[BUSY_PORTS_MAX];
        size_t n;
};

bool busy_ports_have(const struct busy_ports *ports, uint16_t port);

/* A datagram from this port. Returns whether that has made it busy. */
bool busy_ports_note(struct busy_ports *ports, uint16_t port, uint64_t now_usec);

/* Forgets those that have been busy for a while: whether they still are shows soon. Returns whether there were any. */
bool busy_ports_expire(struct busy_ports *ports, uint64_t now_usec);
