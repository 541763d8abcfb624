/* SPDX-License-Identifier: MIT */
#include "util/worker_pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/thread.h"

struct worker {
        struct worker_pool *pool;
        pthread_t thread;
        unsigned index;
};

struct worker_pool {
        pthread_mutex_t lock;
        pthread_cond_t begin, done;

        /* under the lock */
        uint64_t jobs;    /* begun so far: a worker that has done fewer has work */
        unsigned working; /* threads that are not done with the last one */
        bool quit;
        worker_job job;
        void *userdata;

        unsigned n; /* workers, the calling thread among them */
        unsigned n_threads;
        struct worker workers[];
};

static void *run_worker(void *argument) {
        struct worker *worker = argument;
        struct worker_pool *pool = worker->pool;
        uint64_t done = 0;

        (void) pthread_mutex_lock(&pool->lock);
        for (;;) {
                worker_job job;
                void *userdata;

                while (!pool->quit && pool->jobs == done)
                        (void) pthread_cond_wait(&pool->begin, &pool->lock);
                if (pool->quit)
                        break;
                job = pool->job;
                userdata = pool->userdata;
                done = pool->jobs;
                (void) pthread_mutex_unlock(&pool->lock);
                job(worker->index, userdata);
                (void) pthread_mutex_lock(&pool->lock);
                if (--pool->working == 0)
                        (void) pthread_cond_signal(&pool->done);
        }
        (void) pthread_mutex_unlock(&pool->lock);
        return NULL;
}

static int start_thread(struct worker_pool *pool, unsigned index) {
        struct worker *worker = &pool->workers[pool->n_threads];
        int r;

        *worker = (struct worker){.pool = pool, .index = index};
        r = thread_start(&worker->thread, run_worker, worker);
        if (r == 0)
                pool->n_threads++;
        return r;
}

int worker_pool_new(unsigned n, struct worker_pool **ret_pool) {
        _cleanup_(worker_pool_freep) struct worker_pool *pool = NULL;
        int r;

        if (n == 0)
                return -EINVAL;
        pool = calloc(1, sizeof(*pool) + (n - 1) * sizeof(pool->workers[0]));
        if (!pool)
                return -ENOMEM;
        pool->n = n;
        /* none of these fails on Linux: pthread_mutex_init(3), pthread_cond_init(3) */
        (void) pthread_mutex_init(&pool->lock, NULL);
        (void) pthread_cond_init(&pool->begin, NULL);
        (void) pthread_cond_init(&pool->done, NULL);
        for (unsigned i = 1; i < n; i++) {
                r = start_thread(pool, i);
                if (r < 0)
                        return r;
        }
        *ret_pool = TAKE_PTR(pool);
        return 0;
}

void worker_pool_free(struct worker_pool *pool) {
        if (!pool)
                return;
        (void) pthread_mutex_lock(&pool->lock);
        pool->quit = true;
        (void) pthread_cond_broadcast(&pool->begin);
        (void) pthread_mutex_unlock(&pool->lock);
        for (unsigned i = 0; i < pool->n_threads; i++)
                (void) pthread_join(pool->workers[i].thread, NULL);
        (void) pthread_cond_destroy(&pool->done);
        (void) pthread_cond_destroy(&pool->begin);
        (void) pthread_mutex_destroy(&pool->lock);
        free(pool);
}

unsigned worker_pool_size(const struct worker_pool *pool) {
        return pool->n;
}

void worker_pool_run(struct worker_pool *pool, worker_job job, void *userdata) {
        if (pool->n_threads > 0) {
                (void) pthread_mutex_lock(&pool->lock);
                pool->job = job;
                pool->userdata = userdata;
                pool->working = pool->n_threads;
                pool->jobs++;
                (void) pthread_cond_broadcast(&pool->begin);
                (void) pthread_mutex_unlock(&pool->lock);
        }
        job(0, userdata);
        if (pool->n_threads == 0)
                return;
        (void) pthread_mutex_lock(&pool->lock);
        while (pool->working > 0)
                (void) pthread_cond_wait(&pool->done, &pool->lock);
        (void) pthread_mutex_unlock(&pool->lock);
}
