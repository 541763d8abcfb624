/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "kernel/bpf_cgroup_path.h"
#include "source/bpf_deltas.h"
#include "support/test.h"

#define KEY(ticks, pid) ((uint64_t) (ticks) << ACCOUNT_TICKS_SHIFT | (uint64_t) (pid) << ACCOUNT_PID_SHIFT)

static const uint64_t times[2] = {T0_USEC + 999999, T0_USEC + 1000000};

/* What came of a read. The owner that a sample points to is only good during the call. */
struct got {
        struct sample samples[64];
        struct sample_owner owners[64];
        size_t n;
        struct bpf_sums sums;
};

static void on_sample(const struct sample *sample, void *userdata) {
        struct got *got = userdata;

        assert_true(got->n < 64);
        got->samples[got->n] = *sample;
        if (sample->owner)
                got->owners[got->n] = *sample->owner;
        got->n++;
}

static int take(struct bpf_deltas *deltas, uint64_t key, const struct account_process *process,
                struct got *got) {
        got->n = 0;
        return bpf_deltas_take(deltas, key, process, "/a.service", times, on_sample, got, &got->sums);
}

static int set_up(void **state) {
        return bpf_deltas_new(4, (struct bpf_deltas **) state);
}

static int tear_down(void **state) {
        bpf_deltas_free(*state);
        return 0;
}

static void add(struct account_process *process, unsigned bank, unsigned protocol, unsigned way, uint64_t bytes,
                uint32_t packets) {
        process->banks[bank].bytes[ACCOUNT_CELL(protocol, way)] += bytes;
        process->banks[bank].packets[ACCOUNT_CELL(protocol, way)] += packets;
}

/* Only what is new, with the second of the bank that it is in. */
static void test_only_what_is_new(void **state) {
        struct account_process process = {.name = "curl", .uid = 1000, .cgroup_id = 77};
        struct got got = {};

        add(&process, 0, ACCOUNT_TCP, ACCOUNT_OUT, 100, 2);
        assert_int_equal(take(*state, KEY(5000, 42), &process, &got), 0);
        assert_int_equal(got.n, 1);
        assert_int_equal(got.samples[0].bytes, 100);
        assert_int_equal(got.samples[0].packets, 2);
        assert_int_equal(got.samples[0].time_usec, times[0]);
        assert_int_equal(got.samples[0].direction, DIRECTION_OUT);
        assert_int_equal(got.samples[0].key.protocol, IPPROTO_TCP);
        assert_true(flow_key_is_ipv4(&got.samples[0].key));
        assert_int_equal(got.samples[0].ifindex, 0);
        assert_false(got.samples[0].keyless);

        add(&process, 1, ACCOUNT_TCP, ACCOUNT_OUT, 30, 1);
        add(&process, 0, ACCOUNT_TCP, ACCOUNT_OUT, 7, 1);
        assert_int_equal(take(*state, KEY(5000, 42), &process, &got), 0);
        assert_int_equal(got.n, 2);
        assert_int_equal(got.samples[0].bytes, 7);
        assert_int_equal(got.samples[1].bytes, 30);
        assert_int_equal(got.samples[1].time_usec, times[1]);

        assert_int_equal(take(*state, KEY(5000, 42), &process, &got), 0);
        assert_int_equal(got.n, 0);
        assert_int_equal(got.sums.bytes, 137);
        assert_int_equal(got.sums.packets, 4);
}

static void test_owner(void **state) {
        struct account_process process = {.name = "curl", .uid = 1000, .cgroup_id = 77};
        struct account_process unseen = {};
        struct got got = {};

        add(&process, 0, ACCOUNT_TCP, 0, 1, 1);
        add(&unseen, 0, ACCOUNT_TCP, 0, 1, 1);
        /* the largest pid that there can be, and a start time beyond 32 bits */
        (void) take(*state, KEY(0x123456789, 4194303), &process, &got);
        assert_int_equal(got.owners[0].id.pid, 4194303);
        assert_int_equal(got.owners[0].id.start_ticks, 0x123456789);
        assert_string_equal(got.owners[0].name, "curl");
        assert_true(got.owners[0].uid_known);
        assert_int_equal(got.owners[0].uid, 1000);
        assert_string_equal(got.owners[0].cgroup, "/a.service");

        (void) take(*state, KEY(6000, 43), &unseen, &got);
        assert_string_equal(got.owners[0].name, "");
        assert_false(got.owners[0].uid_known);
}

/* A name as long as there can be, and not ended: it is the kernel's memory. */
static void test_name_not_ended(void **state) {
        struct account_process process = {};
        struct got got = {};

        memset(process.name, 'x', sizeof(process.name));
        add(&process, 0, ACCOUNT_UDP, 0, 1, 1);
        (void) take(*state, KEY(1, 1), &process, &got);
        assert_int_equal(strlen(got.owners[0].name), 15);
}

/* Every cell is one of direction, protocol, IP version and loopback, and no two are the same. */
static void test_every_cell(void **state) {
        static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, 0};
        struct account_process process = {};
        struct got got = {};

        for (unsigned protocol = 0; protocol < ACCOUNT_PROTOCOLS; protocol++)
                for (unsigned way = 0; way < ACCOUNT_WAYS; way++)
                        add(&process, 0, protocol, way, 1000 + ACCOUNT_CELL(protocol, way), 1);
        (void) take(*state, KEY(1, 1), &process, &got);
        assert_int_equal(got.n, ACCOUNT_CELLS);
        for (unsigned i = 0; i < got.n; i++) {
                const struct sample *sample = &got.samples[i];
                unsigned cell = (unsigned) sample->bytes - 1000, way = cell % ACCOUNT_WAYS;

                assert_int_equal(cell, i);
                assert_int_equal(sample->key.protocol, protocols[cell / ACCOUNT_WAYS]);
                assert_int_equal(sample->direction == DIRECTION_OUT, (way & ACCOUNT_OUT) != 0);
                assert_int_equal(flow_key_is_ipv4(&sample->key), (way & ACCOUNT_IPV6) == 0);
                assert_int_equal(sample->ifindex, way & ACCOUNT_LOOPBACK ? 1 : 0);
                assert_int_equal(sample->loopback, (way & ACCOUNT_LOOPBACK) != 0);
        }
}

static void test_what_is_no_process(void **state) {
        struct account_process process = {};
        struct got got = {};

        add(&process, 0, ACCOUNT_TCP, ACCOUNT_OUT, 52, 1);
        assert_int_equal(take(*state, ACCOUNT_KEY_KERNEL, &process, &got), 0);
        assert_true(got.samples[0].keyless);
        assert_null(got.samples[0].owner);
        assert_int_equal(got.samples[0].reason, UNATTRIBUTED_KERNEL);
        assert_int_equal(take(*state, ACCOUNT_KEY_OVERFLOW, &process, &got), 0);
        assert_int_equal(got.samples[0].reason, UNATTRIBUTED_OVERFLOW);
        for (int i = 0; i < 1000; i++) /* these two stay */
                assert_int_equal(take(*state, ACCOUNT_KEY_KERNEL, &process, &got), 0);
}

static void test_packets_wrap(void **state) {
        struct account_process process = {};
        struct got got = {};

        add(&process, 0, ACCOUNT_UDP, 0, 1, UINT32_MAX);
        (void) take(*state, KEY(1, 1), &process, &got);
        add(&process, 0, ACCOUNT_UDP, 0, 1, 3);
        (void) take(*state, KEY(1, 1), &process, &got);
        assert_int_equal(got.samples[0].packets, 3);
        assert_int_equal(got.sums.packets, (uint64_t) UINT32_MAX + 3);
}

/* An exited process goes when two reads in a row have brought nothing; one that lives, after much more. */
static void test_exited_goes(void **state) {
        struct account_process process = {.name = "a", .exited = 1};
        struct got got = {};
        int reads = 0;

        add(&process, 0, ACCOUNT_TCP, 0, 10, 1);
        assert_int_equal(take(*state, KEY(1, 1), &process, &got), 0);
        assert_int_equal(take(*state, KEY(1, 1), &process, &got), 0);
        add(&process, 0, ACCOUNT_TCP, 0, 10, 1); /* the kernel still sends what it left */
        assert_int_equal(take(*state, KEY(1, 1), &process, &got), 0);
        assert_int_equal(take(*state, KEY(1, 1), &process, &got), 0);
        assert_int_equal(take(*state, KEY(1, 1), &process, &got), 1);

        process.exited = 0;
        while (take(*state, KEY(2, 2), &process, &got) == 0)
                reads++;
        assert_in_range(reads, 60, 600);
}

/* Gone from the kernel's table, and there again: it began at nothing. */
static void test_forgotten(void **state) {
        struct account_process process = {.name = "a"};
        struct got got = {};

        add(&process, 0, ACCOUNT_TCP, 0, 1000, 1);
        (void) take(*state, KEY(1, 1), &process, &got);
        bpf_deltas_forget(*state, KEY(1, 1));
        bpf_deltas_forget(*state, KEY(1, 1)); /* not there: nothing */
        process = (struct account_process){};
        add(&process, 0, ACCOUNT_TCP, 0, 40, 1);
        (void) take(*state, KEY(1, 1), &process, &got);
        assert_int_equal(got.samples[0].bytes, 40);
        assert_int_equal(got.sums.bytes, 1040);
}

/* Where there is no room nothing is taken, and what was not taken comes later, whole. */
static void test_no_room(void **state) {
        struct account_process process = {};
        struct got got = {};

        add(&process, 0, ACCOUNT_TCP, 0, 5, 1);
        for (uint64_t pid = 1; pid <= 4; pid++)
                assert_int_equal(take(*state, KEY(1, pid), &process, &got), 0);
        assert_int_equal(take(*state, KEY(1, 5), &process, &got), -ENOMEM);
        assert_int_equal(got.n, 0);
        bpf_deltas_forget(*state, KEY(1, 1));
        add(&process, 0, ACCOUNT_TCP, 0, 5, 1);
        assert_int_equal(take(*state, KEY(1, 5), &process, &got), 0);
        assert_int_equal(got.samples[0].bytes, 10);
}

static void test_handshake(void **state) {
        struct account_handshake handshake = {
                .owner = KEY(7, 8) | ACCOUNT_OPEN, .bytes = {120, 60}, .packets = {2, 1}, .way = ACCOUNT_IPV6};
        struct got got = {};

        (void) state;
        bpf_deltas_handshake(&handshake, T0_USEC, on_sample, &got, &got.sums);
        assert_int_equal(got.n, 2);
        assert_int_equal(got.samples[0].bytes, 120);
        assert_int_equal(got.samples[0].direction, DIRECTION_IN);
        assert_int_equal(got.samples[1].direction, DIRECTION_OUT);
        assert_int_equal(got.owners[1].id.pid, 8);
        assert_false(flow_key_is_ipv4(&got.samples[1].key));

        handshake = (struct account_handshake){.bytes = {60, 0}}; /* nobody is known to listen */
        got.n = 0;
        bpf_deltas_handshake(&handshake, T0_USEC, on_sample, &got, &got.sums);
        assert_int_equal(got.n, 1);
        assert_int_equal(got.samples[0].reason, UNATTRIBUTED_KERNEL);
        assert_int_equal(got.sums.bytes, 240);
}

static void assert_path(const char *names, size_t length, int r, const char *path) {
        struct account_cgroup cgroup = {.length = (uint32_t) length};
        char *got = NULL;

        memcpy(cgroup.names, names, MIN(length, sizeof(cgroup.names)));
        assert_int_equal(bpf_cgroup_path(&cgroup, &got), r);
        if (path)
                assert_string_equal(got, path);
        else
                assert_null(got);
        free(got);
}

/* From the innermost name up; or not written yet, or longer than there was room for. */
static void test_cgroup_path(void **state) {
        static char names[ACCOUNT_CGROUP_NAMES + ACCOUNT_CGROUP_NAME + 1];

        (void) state;
#define ASSERT_PATH(names, path) assert_path(names, sizeof(names), 0, path)
        ASSERT_PATH("a", "/a");
        ASSERT_PATH("nginx.service\0system.slice", "/system.slice/nginx.service");
        ASSERT_PATH("c\0bb\0aaa", "/aaa/bb/c");
#undef ASSERT_PATH
        assert_path("", 0, -EAGAIN, NULL);
        assert_path("a", 1, -EBADMSG, NULL);
        memset(names, 'x', sizeof(names) - 2);
        assert_path(names, ACCOUNT_CGROUP_NAMES, -ENAMETOOLONG, NULL);
        assert_path(names, sizeof(names), -EBADMSG, NULL);
        names[ACCOUNT_CGROUP_NAMES] = '\0';
        names[0] = '/';
        assert_path(names + 1, ACCOUNT_CGROUP_NAMES, -ENAMETOOLONG, NULL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_only_what_is_new, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_owner, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_name_not_ended, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_every_cell, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_what_is_no_process, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_packets_wrap, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_exited_goes, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_forgotten, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_no_room, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_handshake, set_up, tear_down),
                cmocka_unit_test(test_cgroup_path),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
