/* SPDX-License-Identifier: MIT */
#include <netinet/in.h>

#include "account/books.h"
#include "support/test.h"

static struct books *new_books(uint32_t max_flows) {
        const struct books_limits limits = {
                .max_flows = max_flows,
                .max_fragments = 4,
                .max_values = 3,
                .processes = {.max_processes = 10, .max_exited = 10, .max_folded = 2},
        };
        struct books *books;

        assert_int_equal(books_new(&limits, &books), 0);
        return books;
}

static void assert_balanced(const struct books *books) {
        uint64_t booked = books->ledger.attributed, held = 0;
        const struct flow *flow;
        uint32_t cursor = 0;

        for (size_t i = 0; i < UNATTRIBUTED_MAX; i++) {
                booked += books->ledger.unattributed[i];
                if (i != UNATTRIBUTED_PENDING)
                        assert_int_equal(books->ledger.unattributed[i],
                                         traffic_bytes(&books->unattributed[i]));
        }
        while ((flow = flow_table_next(books->flows, &cursor)))
                held += traffic_bytes(&flow->pending);
        assert_int_equal(books->ledger.seen, booked);
        assert_int_equal(books->ledger.unattributed[UNATTRIBUTED_PENDING], held);
}

static void enter(struct books *books, struct sample sample) {
        books_enter(books, &sample);
        assert_balanced(books);
}

static struct process *add_process(struct books *books, uint32_t pid) {
        struct process_id id = {.pid = pid, .start_ticks = 1};
        struct process *process;

        assert_int_equal(process_table_add(books->processes, &id, &process), 0);
        return process;
}

static void settle(struct books *books, struct process *process) {
        struct flow *flow = flow_table_take_touched(books->flows), *next;

        for (; flow; flow = next) {
                next = flow->next_touched;
                flow->state = FLOW_OWNED;
                flow->process = process;
                books_settle_process(books, process, flow);
        }
        assert_balanced(books);
}

static void test_both_directions_are_one_flow(void **state) {
        struct flow_key key = test_key(1, 4000, 2, 80, IPPROTO_TCP);
        struct books *books = new_books(10);
        struct process *process = add_process(books, 7);

        (void) state;
        enter(books, test_sample(key, DIRECTION_OUT, 100, 0));
        enter(books, test_sample(key, DIRECTION_IN, 1500, 1));
        assert_int_equal(flow_table_size(books->flows), 1);
        settle(books, process);
        assert_int_equal(process->traffic.all.out, 100);
        assert_int_equal(process->traffic.all.in, 1500);
        assert_int_equal(books->ledger.attributed, 1600);
        books_free(books);
}

static void assert_part(const struct process *process, bool without_loopback, uint64_t in, uint64_t out,
                        uint64_t since_usec) {
        const struct traffic *part = split_traffic_part(&process->traffic, without_loopback);
        uint64_t ring_in, ring_out;

        assert_int_equal(part->in, in);
        assert_int_equal(part->out, out);
        assert_int_equal(part->since_usec, since_usec);
        ring_sum(&part->ring, 0, UINT64_MAX, &ring_in, &ring_out);
        assert_int_equal(ring_in, in);
        assert_int_equal(ring_out, out);
}

static struct sample over_loopback(struct sample sample) {
        sample.loopback = true;
        return sample;
}

/* By flows as by a source that knows owners, in whatever order it comes; what never met loopback takes no
 * second ring. */
static void test_loopback_is_told_apart(void **state) {
        struct flow_key wire = test_key(1, 4000, 2, 80, IPPROTO_TCP),
                        inner = test_key(1, 4001, 1, 80, IPPROTO_TCP);
        struct books *books = new_books(10);
        struct process *mixed = add_process(books, 7), *only = add_process(books, 8),
                       *none = add_process(books, 9);
        struct sample sample = test_sample(wire, DIRECTION_IN, 1000, 3);

        (void) state;
        enter(books, test_sample(wire, DIRECTION_OUT, 100, 1));
        settle(books, mixed);
        assert_false(mixed->traffic.has_loopback);
        enter(books,
              over_loopback(test_sample(inner, DIRECTION_LOCAL, 40, 0))); /* before that, by its stamp */
        settle(books, mixed);
        books_enter_process(books, mixed, &sample);
        sample = over_loopback(sample);
        books_enter_process(books, mixed, &sample);
        enter(books, test_sample(wire, DIRECTION_IN, 7, 3));
        settle(books, mixed);
        assert_part(mixed, false, 40 + 1000 + 1000 + 7, 140, T0_USEC);
        assert_part(mixed, true, 1007, 100, T0_USEC + 1000000);

        enter(books, over_loopback(test_sample(inner, DIRECTION_LOCAL, 50, 1)));
        settle(books, only);
        assert_part(only, false, 50, 50, T0_USEC + 1000000);
        assert_part(only, true, 0, 0, 0);
        assert_null(only->traffic.not_loopback.ring.buckets);

        enter(books, test_sample(wire, DIRECTION_OUT, 60, 1));
        settle(books, none);
        assert_part(none, true, 0, 60, T0_USEC + 1000000);
        assert_null(none->traffic.not_loopback.ring.buckets);

        books_expire(books, T0_USEC + 302 * UINT64_C(1000000));
        assert_int_equal(mixed->traffic.not_loopback.ring.n, 1);
        assert_int_equal(mixed->traffic.not_loopback.ring.buckets[0].in, 1007);
        assert_balanced(books);
        books_free(books);
}

static void test_local_packet_is_seen_twice(void **state) {
        struct flow_key key = test_key(1, 4000, 1, 80, IPPROTO_TCP), reverse = flow_key_reverse(&key);
        struct books *books = new_books(10);
        struct flow *flow;

        (void) state;
        enter(books, test_sample(key, DIRECTION_LOCAL, 100, 0));
        assert_int_equal(books->ledger.seen, 200);
        assert_int_equal(flow_table_get(books->flows, &key, &flow), 0);
        assert_int_equal(flow->pending.out, 100);
        assert_int_equal(flow->pending.in, 0);
        assert_int_equal(flow_table_get(books->flows, &reverse, &flow), 0);
        assert_int_equal(flow->pending.in, 100);
        books_free(books);
}

static void test_reasons_are_booked_at_once(void **state) {
        struct sample bad = {
                .keyless = true, .reason = UNATTRIBUTED_MALFORMED, .bytes = 30, .packets = 1};
        struct books *books = new_books(10);

        (void) state;
        enter(books, bad);
        bad.direction = DIRECTION_LOCAL;
        enter(books, bad);
        enter(books, test_sample(test_key(8, 1, 9, 2, IPPROTO_UDP), DIRECTION_FORWARDED, 70, 0));
        assert_int_equal(books->ledger.unattributed[UNATTRIBUTED_MALFORMED], 90);
        assert_int_equal(books->ledger.unattributed[UNATTRIBUTED_FORWARDED], 70);
        assert_int_equal(flow_table_size(books->flows), 0);
        books_free(books);
}

/* A tuple that is used again: what the first connection left unsettled must not go to the second one's
 * owner. */
static void test_syn_begins_a_new_connection(void **state) {
        struct sample syn = test_sample(test_key(1, 4000, 2, 80, IPPROTO_TCP), DIRECTION_OUT, 60, 1),
                      data = syn;
        struct books *books = new_books(10);
        struct process *first = add_process(books, 7);
        const struct rank_query query = {.now_usec = T0_USEC, .recent = 5};
        struct dimension_row *rows;
        struct flow *flow;
        size_t n;

        (void) state;
        syn.connection_start = true;
        syn.ifindex = data.ifindex = 2;
        data.bytes = 1000;
        enter(books, syn);
        assert_int_equal(dimensions_rank(books->dimensions, DIMENSION_INTERFACE, &query, &rows, &n), 0);
        assert_int_equal(n, 0); /* nothing is settled, to no interface either */
        free(rows);
        enter(books, data);
        settle(books, first);
        enter(books, data);
        enter(books, syn);
        assert_int_equal(first->traffic.all.out, 2060);
        assert_int_equal(flow_table_get(books->flows, &syn.key, &flow), 0);
        assert_int_equal(flow->state, FLOW_NEW);
        assert_null(flow->process);
        assert_int_equal(flow->pending.out, 60);

        enter(books, syn); /* sent again: still the same connection */
        assert_int_equal(flow->pending.out, 120);
        books_free(books);
}

static struct sample fragment(enum fragment kind, uint32_t id, uint64_t bytes, uint64_t second) {
        uint16_t port = kind == FRAGMENT_FIRST ? 53 : 0;
        struct sample sample =
                test_sample(test_key(1, port, 2, port, IPPROTO_UDP), DIRECTION_IN, bytes, second);

        sample.fragment = kind;
        sample.fragment_id = id;
        return sample;
}

static void test_later_fragments_go_with_their_first(void **state) {
        struct books *books = new_books(10);
        struct sample other_way = fragment(FRAGMENT_LATER, 5, 300, 0);
        struct flow_key key = test_key(1, 53, 2, 53, IPPROTO_UDP);
        struct flow *flow;

        (void) state;
        enter(books, fragment(FRAGMENT_LATER, 5, 100, 0)); /* before its first one: unknown */
        enter(books, fragment(FRAGMENT_FIRST, 5, 1500, 0));
        enter(books, fragment(FRAGMENT_LATER, 5, 200, 0));
        enter(books, fragment(FRAGMENT_LATER, 6, 1000, 0)); /* another packet's */
        other_way.direction = DIRECTION_OUT;                /* the other host's ids are its own */
        enter(books, other_way);
        enter(books, fragment(FRAGMENT_LATER, 5, 50, FRAGMENT_SECONDS + 1)); /* the id came round again */
        assert_int_equal(flow_table_get(books->flows, &key, &flow), 0);
        assert_int_equal(flow->pending.in, 1700);
        assert_int_equal(books->ledger.unattributed[UNATTRIBUTED_FRAGMENT], 100 + 1000 + 300 + 50);
        books_free(books);
}

static void test_fragments_are_bounded(void **state) {
        struct books *books = new_books(10);

        (void) state;
        for (uint32_t id = 1; id <= 5; id++) /* room for four */
                enter(books, fragment(FRAGMENT_FIRST, id, 10, 0));
        enter(books, fragment(FRAGMENT_LATER, 1, 1, 0));
        assert_int_equal(books->ledger.unattributed[UNATTRIBUTED_FRAGMENT], 1);
        for (uint32_t id = 2; id <= 5; id++)
                enter(books, fragment(FRAGMENT_LATER, id, 1, 0));
        assert_int_equal(books->ledger.unattributed[UNATTRIBUTED_FRAGMENT], 1);
        books_free(books);
}

/* Full of flows that wait to be settled: the next one is counted as overflow. Settled, the oldest gives way.
 */
static void test_flows_are_bounded(void **state) {
        struct books *books = new_books(4);

        (void) state;
        for (uint16_t port = 1; port <= 5; port++)
                enter(books, test_sample(test_key(1, port, 2, 80, IPPROTO_UDP), DIRECTION_OUT, 10, 0));
        assert_int_equal(flow_table_size(books->flows), 4);
        assert_int_equal(books->ledger.unattributed[UNATTRIBUTED_OVERFLOW], 10);
        settle(books, add_process(books, 7));
        enter(books, test_sample(test_key(1, 6, 2, 80, IPPROTO_UDP), DIRECTION_OUT, 10, 0));
        assert_int_equal(flow_table_size(books->flows), 4);
        assert_int_equal(books->ledger.unattributed[UNATTRIBUTED_OVERFLOW], 10);
        books_free(books);
}

static void move(struct books *books, struct process *process, uint16_t port) {
        enter(books, test_sample(test_key(1, port, 2, 80, IPPROTO_UDP), DIRECTION_OUT, 10, 0));
        settle(books, process);
}

static bool is_known(const struct books *books, uint16_t port) {
        const struct flow *flow;
        uint32_t cursor = 0;

        while ((flow = flow_table_next(books->flows, &cursor)))
                if (flow->key.local_port == port)
                        return true;
        return false;
}

/* The one that has been still for longest gives way, also when a sweep has taken others before. */
static void test_still_flows_give_way(void **state) {
        struct books *books = new_books(3);
        struct process *process = add_process(books, 7);

        (void) state;
        move(books, process, 1);
        move(books, process, 2);
        move(books, process, 3);
        move(books, process, 1);
        move(books, process, 4);
        assert_true(is_known(books, 1) && !is_known(books, 2) && is_known(books, 3) && is_known(books, 4));
        enter(books, test_sample(test_key(1, 3, 2, 80, IPPROTO_UDP), DIRECTION_OUT, 10, 0)); /* waits */
        flow_table_sweep(books->flows, 0);
        assert_true(!is_known(books, 1) && is_known(books, 3) && !is_known(books, 4));
        settle(books, process);
        move(books, process, 5);
        move(books, process, 6);
        move(books, process, 7);
        assert_true(!is_known(books, 3) && is_known(books, 5) && is_known(books, 6) && is_known(books, 7));
        books_free(books);
}

/* A flow must not keep a pointer to a process that has left the books. */
static void test_departed_process_is_let_go(void **state) {
        struct flow_key key = test_key(1, 4000, 2, 80, IPPROTO_TCP);
        struct books *books = new_books(10);
        struct process *process = add_process(books, 7);
        struct flow *flow;

        (void) state;
        enter(books, test_sample(key, DIRECTION_OUT, 100, 0));
        settle(books, process);
        process_table_exit(books->processes, process, T0_USEC);
        books_expire(books, T0_USEC + 301 * UINT64_C(1000000));
        assert_int_equal(process_table_size(books->processes), 0);
        assert_int_equal(flow_table_get(books->flows, &key, &flow), 0);
        assert_null(flow->process);
        assert_int_equal(flow->state, FLOW_NEW);
        for (int i = 0; i < 70; i++)
                books_expire(books, T0_USEC + 302 * UINT64_C(1000000));
        assert_int_equal(flow_table_size(books->flows), 0); /* silent for a minute: forgotten */
        assert_balanced(books);
        books_free(books);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_both_directions_are_one_flow),
                cmocka_unit_test(test_loopback_is_told_apart),
                cmocka_unit_test(test_local_packet_is_seen_twice),
                cmocka_unit_test(test_reasons_are_booked_at_once),
                cmocka_unit_test(test_syn_begins_a_new_connection),
                cmocka_unit_test(test_later_fragments_go_with_their_first),
                cmocka_unit_test(test_fragments_are_bounded),
                cmocka_unit_test(test_flows_are_bounded),
                cmocka_unit_test(test_still_flows_give_way),
                cmocka_unit_test(test_departed_process_is_let_go),
        };

        return cmocka_run_group_tests_name("books", tests, NULL, NULL);
}
