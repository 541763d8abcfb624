/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

#include "model/process.h"
#include "util/macros.h"

/* Tells which processes have exited, at no cost while they live: a pidfd each, in one epoll set. */
struct process_watch;

/* Returns 0 or a negative errno. */
int process_watch_new(struct process_watch **ret_watch);
void process_watch_free(struct process_watch *watch);
DEFINE_CLEANUP(struct process_watch *, process_watch_free)

/* Watches a pid, which is userdata's until process_watch_remove(); *ret_pidfd is the caller's to close then. The
 * caller checks afterwards that the process behind the pid is still the one it means. Returns 0,
 * -ESRCH when there is none, -EMFILE and the like when there is no descriptor left for it. */
int process_watch_add(struct process_watch *watch, uint32_t pid, void *userdata, int *ret_pidfd);

/* No longer. To close the descriptor would not be enough where a child has a copy of it, see epoll(7). */
void process_watch_remove(struct process_watch *watch, int pidfd);

/* The userdata of up to max processes that have exited, without waiting. Each is told again until it is
 * removed. Returns how many, or a negative errno. */
int process_watch_exited(struct process_watch *watch, void **ret_userdata, int max);
