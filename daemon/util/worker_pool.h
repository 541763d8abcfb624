/* SPDX-License-Identifier: MIT */
#pragma once

#include "util/macros.h"

/* Threads that do the same job, each on its own part, and are waited for: between two jobs they sleep, and nobody
 * else may touch what they work on while one is under way. */
struct worker_pool;

/* What worker `index`, 0 to n - 1, does. */
typedef void (*worker_job)(unsigned index, void *userdata);

/* n workers, at least 1; the first is the calling thread, so that 1 starts none. Signals are left to it. Returns 0
 * or a negative errno. */
int worker_pool_new(unsigned n, struct worker_pool **ret_pool);
void worker_pool_free(struct worker_pool *pool);
DEFINE_CLEANUP(struct worker_pool *, worker_pool_free)

unsigned worker_pool_size(const struct worker_pool *pool);

/* Lets all workers do the job, and returns when all have. */
void worker_pool_run(struct worker_pool *pool, worker_job job, void *userdata);
