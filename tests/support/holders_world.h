/* SPDX-License-Identifier: MIT */
#pragma once

#include <pthread.h>
#include <stdint.h>

#include "owner/socket_holders.h"

/* A /proc of the test's own, and a clock that moves on with each question. Each of these fails the test where it cannot do
 * its part. */
struct world {
        char *root;
        struct socket_holders *holders;
        uint64_t now_usec;
};

/* For cmocka: *state is a struct world. */
int world_set_up(void **state);
int world_tear_down(void **state);

/* start: in ticks, as in struct process_id. Its descriptor 0 is no socket. */
void add_process(const struct world *world, uint32_t pid, uint32_t parent, uint64_t start);

/* Its directory goes, and with it all that is held of it; its number may be another's. */
void end_process(const struct world *world, uint32_t pid);

/* A descriptor that is a socket, in place of what was there. */
void set_fd(const struct world *world, uint32_t pid, uint32_t fd, uint64_t inode);
void close_fd(const struct world *world, uint32_t pid, uint32_t fd);

/* That number is of a thread of leader, or of the leader itself. */
void set_status(const struct world *world, uint32_t pid, uint32_t leader);

/* The process or thread that was created last. */
void set_last_pid(const struct world *world, uint32_t pid);

/* Process 40, and 41, its child, who both have socket 100 as descriptor 3. */
void have_child(const struct world *world);

/* A process that closes a descriptor at the moment in which it is asked for its children. The caller joins the thread after
 * that, and outlives it. */
struct letting_go {
        const struct world *world;
        uint32_t pid, fd;
        char path[512];
        pthread_t thread;
};
void begin_to_let_go(const struct world *world, uint32_t pid, uint32_t fd, struct letting_go *ret_letting_go);
