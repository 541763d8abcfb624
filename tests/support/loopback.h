/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

#include "model/flow_key.h"

/* Sockets of IPv4 over loopback, for tests in a network namespace of their own. What fails, fails the test.
 */

/* An end of a connection, and its flow as seen from there. */
struct loopback_end {
        int fd;
        struct flow_key key;
};

/* The local port of a socket. */
uint16_t loopback_port(int fd);

/* A socket that is bound; type as for socket(2), port 0: any. */
int loopback_socket(int type, uint16_t port);

/* One that listens, on any port. */
int loopback_listener(void);

/* 127.0.0.1:local ↔ 127.0.0.1:remote, of TCP */
struct flow_key loopback_key(uint16_t local, uint16_t remote);

/* Connects to a listener, from that port or (0) any. */
struct loopback_end loopback_connect(uint16_t local, int listener);

/* Closes one so that nothing of it stays. */
void loopback_reset(int fd);
