/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <netinet/in.h>

#include "account/books.h"
#include "source/sample_batch.h"
#include "source/sample_run.h"
#include "support/test.h"
#include "util/clock.h"
#include "util/worker_pool.h"

#define WORKERS 4u

static void count(unsigned index, void *userdata) {
        unsigned *counts = userdata;

        counts[index]++;
}

/* Each does its part of each job, and all is done when it returns. */
static void test_pool(void **state) {
        (void) state;
        for (unsigned n = 1; n <= WORKERS; n++) {
                _cleanup_(worker_pool_freep) struct worker_pool *pool = NULL;
                unsigned counts[WORKERS] = {};

                assert_int_equal(worker_pool_new(n, &pool), 0);
                assert_int_equal(worker_pool_size(pool), n);
                for (unsigned job = 1; job <= 1000; job++) {
                        worker_pool_run(pool, count, counts);
                        for (unsigned i = 0; i < WORKERS; i++)
                                assert_int_equal(counts[i], i < n ? job : 0);
                }
        }
        worker_pool_free(NULL);
}

static void test_pool_of_none(void **state) {
        struct worker_pool *pool = NULL;

        (void) state;
        assert_int_equal(worker_pool_new(0, &pool), -EINVAL);
        assert_null(pool);
}

struct taken {
        struct sample samples[16];
        size_t n;
};

static void take(const struct sample *sample, void *userdata) {
        struct taken *taken = userdata;

        taken->samples[taken->n++] = *sample;
}

static struct sample_batch *new_batch(size_t max) {
        struct sample_batch *batch;

        assert_int_equal(sample_batch_new(max, &batch), 0);
        return batch;
}

static void add(struct sample_batch *batch, enum direction direction, uint64_t bytes, uint64_t second, bool syn) {
        struct sample sample = test_sample(test_key(1, 1000, 2, 80, IPPROTO_TCP), direction, bytes, second);

        sample.connection_start = syn;
        sample_batch_add(batch, &sample);
}

/* Packets that belong together are one sample; a SYN begins anew in both directions. */
static void test_batch(void **state) {
        _cleanup_(sample_batch_freep) struct sample_batch *batch = new_batch(16);
        struct taken taken = {};

        (void) state;
        add(batch, DIRECTION_OUT, 1, 0, false);
        add(batch, DIRECTION_IN, 10, 0, false);
        add(batch, DIRECTION_OUT, 2, 0, false);
        add(batch, DIRECTION_OUT, 100, 1, false);
        add(batch, DIRECTION_OUT, 40, 1, true);
        add(batch, DIRECTION_IN, 20, 0, false);
        add(batch, DIRECTION_OUT, 4, 1, false);
        add(batch, DIRECTION_OUT, 5, 1, false);
        sample_batch_take(batch, take, &taken);
        assert_int_equal(taken.n, 6);
        assert_int_equal(taken.samples[0].bytes, 3);
        assert_int_equal(taken.samples[0].packets, 2);
        assert_int_equal(taken.samples[1].bytes, 10);
        assert_int_equal(taken.samples[2].bytes, 100);
        assert_true(taken.samples[3].connection_start);
        assert_int_equal(taken.samples[4].bytes, 20);
        assert_int_equal(taken.samples[5].bytes, 9);

        taken.n = 0;
        add(batch, DIRECTION_OUT, 7, 1, false);
        sample_batch_take(batch, take, &taken);
        assert_int_equal(taken.n, 1);
        assert_int_equal(taken.samples[0].bytes, 7);
}

static void test_batch_alone(void **state) {
        _cleanup_(sample_batch_freep) struct sample_batch *batch = new_batch(4);
        struct sample sample = test_sample(test_key(1, 0, 2, 0, IPPROTO_UDP), DIRECTION_IN, 5, 0);
        struct taken taken = {};

        (void) state;
        sample.fragment = FRAGMENT_LATER;
        sample_batch_add(batch, &sample);
        sample_batch_add(batch, &sample);
        sample.fragment = FRAGMENT_NONE;
        sample.keyless = true;
        sample_batch_add(batch, &sample);
        assert_false(sample_batch_is_full(batch));
        sample_batch_add(batch, &sample);
        assert_true(sample_batch_is_full(batch));
        sample_batch_take(batch, take, &taken);
        assert_int_equal(taken.n, 4);
        assert_false(sample_batch_is_full(batch));
}

static void add_to_run(struct sample_run *run, uint16_t port, uint64_t time_usec, bool syn, struct taken *taken) {
        struct sample sample = test_sample(test_key(1, port, 2, 80, IPPROTO_TCP), DIRECTION_OUT, 10, 0);

        sample.time_usec = time_usec;
        sample.connection_start = syn;
        sample_run_add(run, &sample, 0, take, taken);
}

/* One sample of what follows each other within moments; the order stays. */
static void test_run(void **state) {
        const uint64_t second = 7 * USEC_PER_SEC;
        struct sample_run run = {};
        struct taken taken = {};

        (void) state;
        add_to_run(&run, 1000, second, false, &taken);
        add_to_run(&run, 1000, second + 5000, false, &taken);
        assert_int_equal(taken.n, 0);
        add_to_run(&run, 1000, second + 10000, false, &taken); /* too late to be of the train */
        assert_int_equal(taken.n, 1);
        assert_int_equal(taken.samples[0].bytes, 20);
        assert_int_equal(taken.samples[0].packets, 2);
        assert_int_equal(taken.samples[0].time_usec, second);
        add_to_run(&run, 1001, second + 10000, false, &taken); /* of another flow */
        add_to_run(&run, 1001, second + 10001, true, &taken);  /* another connection: at once */
        assert_int_equal(taken.n, 4);
        assert_true(taken.samples[3].connection_start);
        add_to_run(&run, 1001, second + 10002, false, &taken);
        add_to_run(&run, 1001, second + 10001, false, &taken); /* the clock went back */
        add_to_run(&run, 1001, second - 1, false, &taken);     /* into another second */
        assert_int_equal(taken.n, 6);
        sample_run_end(&run, take, &taken);
        sample_run_end(&run, take, &taken);
        assert_int_equal(taken.n, 7);
        assert_int_equal(taken.samples[6].packets, 1);
}

static void test_run_alone(void **state) {
        struct sample sample = test_sample(test_key(1, 0, 2, 0, IPPROTO_UDP), DIRECTION_IN, 5, 0);
        struct sample_run run = {};
        struct taken taken = {};

        (void) state;
        sample.fragment = FRAGMENT_LATER;
        sample_run_add(&run, &sample, 0, take, &taken);
        sample_run_add(&run, &sample, 0, take, &taken);
        sample.fragment = FRAGMENT_NONE;
        sample.keyless = true;
        sample_run_add(&run, &sample, 0, take, &taken);
        sample_run_add(&run, &sample, 0, take, &taken);
        assert_int_equal(taken.n, 4);
}

/* The books do not know whether there was a batch between. */
static void enter(const struct sample *sample, void *userdata) {
        books_enter(userdata, sample);
}

static void test_same_books(void **state) {
        const struct books_limits limits = {.max_flows = 64,
                                            .max_fragments = 4,
                                            .max_values = 64,
                                            .processes = {.max_processes = 4, .max_exited = 2, .max_folded = 1}};
        _cleanup_(books_freep) struct books *direct = NULL, *batched = NULL;
        _cleanup_(sample_batch_freep) struct sample_batch *batch = new_batch(100);
        struct flow *flow, *other;
        uint32_t cursor = 0, seed = 1;

        (void) state;
        assert_int_equal(books_new(&limits, &direct), 0);
        assert_int_equal(books_new(&limits, &batched), 0);
        for (unsigned i = 0; i < 5000; i++) {
                struct sample sample;

                seed = seed * 1664525u + 1013904223u; /* a congruential generator: the same each time */
                sample = test_sample(test_key(1, (uint16_t) (1000 + (seed >> 24) % 8), 2, 80, IPPROTO_TCP),
                                     (enum direction)((seed >> 16) % 4), seed >> 20, i / 1000);
                sample.connection_start = (seed >> 8) % 50 == 0;
                books_enter(direct, &sample);
                sample_batch_add(batch, &sample);
                if (sample_batch_is_full(batch))
                        sample_batch_take(batch, enter, batched);
        }
        sample_batch_take(batch, enter, batched);
        assert_int_equal(direct->ledger.seen, batched->ledger.seen);
        assert_memory_equal(direct->ledger.unattributed, batched->ledger.unattributed,
                            sizeof(direct->ledger.unattributed));
        assert_int_equal(flow_table_size(direct->flows), flow_table_size(batched->flows));
        while ((flow = flow_table_next(direct->flows, &cursor))) {
                assert_int_equal(flow_table_get(batched->flows, &flow->key, &other), 0);
                assert_int_equal(flow->pending.in, other->pending.in);
                assert_int_equal(flow->pending.out, other->pending.out);
                assert_int_equal(flow->pending.packets_in, other->pending.packets_in);
                assert_int_equal(flow->pending.since_usec, other->pending.since_usec);
                assert_int_equal(flow->pending.ring.n, other->pending.ring.n);
                assert_memory_equal(flow->pending.ring.buckets, other->pending.ring.buckets,
                                    flow->pending.ring.n * sizeof(struct bucket));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_pool),        cmocka_unit_test(test_pool_of_none),
                cmocka_unit_test(test_batch),       cmocka_unit_test(test_batch_alone),
                cmocka_unit_test(test_run),         cmocka_unit_test(test_run_alone),
                cmocka_unit_test(test_same_books),
        };

        return cmocka_run_group_tests_name("workers", tests, NULL, NULL);
}
