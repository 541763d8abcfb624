/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "store/savefile_writer.h"
#include "store/undecided.h"
#include "support/test.h"
#include "util/macros.h"

static const struct savefile_header header = {.link_type = 276, .snaplen = 262144};

static struct savefile_writer *new_writer(int fd) {
        struct savefile_writer *writer;

        assert_int_equal(savefile_writer_new(fd, &header, &writer), 0);
        return writer;
}

static size_t read_all(int fd, uint8_t *buffer, size_t size) {
        size_t n = 0;
        ssize_t got;

        while (n < size && (got = read(fd, buffer + n, size - n)) > 0)
                n += (size_t) got;
        return n;
}

/* pcap-savefile(5), byte for byte. */
static void test_bytes(void **state) {
        static const uint32_t expected[] = {0xa1b2c3d4, 4 << 16 | 2, 0, 0, 262144, 276, 1700000000, 654321, 5, 1500};
        _cleanup_(savefile_writer_freep) struct savefile_writer *writer = NULL;
        uint8_t buffer[256];
        int fds[2];

        (void) state;
        assert_int_equal(pipe(fds), 0);
        writer = new_writer(fds[1]);
        assert_int_equal(savefile_writer_append(writer, UINT64_C(1700000000654321), "hello", 5, 1500), 0);
        assert_int_equal(savefile_writer_size(writer), sizeof(expected) + 5);
        assert_int_equal(savefile_writer_size_with(writer, 10), sizeof(expected) + 5 + 16 + 10);
        assert_true(savefile_writer_pending(writer));
        assert_int_equal(savefile_writer_flush(writer), 0);
        assert_false(savefile_writer_pending(writer));
        assert_int_equal(savefile_writer_size(writer), sizeof(expected) + 5);
        savefile_writer_free(TAKE_PTR(writer));
        assert_int_equal(read_all(fds[0], buffer, sizeof(buffer)), sizeof(expected) + 5);
        assert_memory_equal(buffer, expected, sizeof(expected));
        assert_memory_equal(buffer + sizeof(expected), "hello", 5);
        close(fds[0]);
}

/* A full pipe is not waited for, a buffer that is full says so, and what was accepted comes whole. */
static void fill(int read_fd, int write_fd) {
        _cleanup_(savefile_writer_freep) struct savefile_writer *writer = new_writer(write_fd);
        static uint8_t packet[60000], buffer[60016];
        size_t n = 0;
        int r;

        while ((r = savefile_writer_append(writer, 0, packet, sizeof(packet), sizeof(packet))) == 0) {
                n++;
                assert_int_equal(savefile_writer_flush(writer), 0);
                assert_true(n < 1000);
        }
        assert_int_equal(r, -ENOBUFS);
        assert_true(savefile_writer_pending(writer));
        assert_int_equal(read_all(read_fd, buffer, 24), 24);
        for (size_t i = 0; i < n; i++) {
                size_t got = 0;

                while (got < sizeof(buffer)) {
                        assert_int_equal(savefile_writer_flush(writer), 0);
                        got += (size_t) read(read_fd, buffer + got, sizeof(buffer) - got);
                }
        }
        assert_false(savefile_writer_pending(writer));
        close(read_fd);
        assert_int_equal(savefile_writer_flush(writer), -EPIPE);
}

static void test_full(void **state) {
        int fds[2];

        (void) state;
        assert_int_equal(pipe(fds), 0);
        fill(fds[0], fds[1]);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        fill(fds[0], fds[1]);
}

static void test_bad_descriptors(void **state) {
        struct savefile_writer *writer = NULL;
        int fds[2];

        (void) state;
        assert_int_equal(savefile_writer_new(-1, &header, &writer), -EINVAL);
        assert_int_equal(savefile_writer_new(open("/dev/null", O_RDONLY), &header, &writer), -EINVAL);
        assert_int_equal(savefile_writer_new(open("/", O_RDONLY), &header, &writer), -EINVAL);
        assert_int_equal(savefile_writer_new(open("/dev/null", O_PATH), &header, &writer), -EINVAL);
        assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
        assert_int_equal(savefile_writer_new(fds[0], &header, &writer), -EINVAL);
        close(fds[1]);
        assert_null(writer);
        savefile_writer_free(NULL);
}

static void test_disk_full(void **state) {
        _cleanup_(savefile_writer_freep) struct savefile_writer *writer = NULL;

        (void) state;
        writer = new_writer(open("/dev/full", O_WRONLY));
        assert_int_equal(savefile_writer_flush(writer), -ENOSPC);
}

static struct tapped_packet packet_of(const uint8_t *data, uint32_t captured, uint64_t time_usec) {
        return (struct tapped_packet){
                .data = data, .captured = captured, .length = captured, .time_usec = time_usec};
}

/* In the order they came, with their bytes, and bounded: the oldest gives way. */
static void test_undecided(void **state) {
        _cleanup_(undecided_freep) struct undecided *queue = NULL;
        static uint8_t data[1 << 18];
        struct tapped_packet packet;
        uint64_t since = 0;
        int gave_way = 0;

        (void) state;
        assert_int_equal(undecided_new(&queue), 0);
        assert_null(undecided_first(queue, &since));
        for (uint64_t i = 0; i < 10; i++) {
                data[0] = (uint8_t) i;
                packet = packet_of(data, sizeof(data), i);
                gave_way += undecided_add(queue, &packet, 100 + i);
        }
        assert_int_equal(gave_way, 7);
        for (uint64_t i = 7; i < 10; i++) {
                assert_int_equal(undecided_first(queue, &since)->time_usec, i);
                assert_int_equal(undecided_first(queue, &since)->data[0], i);
                assert_int_equal(since, 100 + i);
                undecided_remove(queue);
        }
        assert_null(undecided_first(queue, &since));
        packet = packet_of(data, 1, 77);
        assert_int_equal(undecided_add(queue, &packet, 1), 0);
        assert_int_equal(undecided_first(queue, &since)->time_usec, 77);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bytes),           cmocka_unit_test(test_full),
                cmocka_unit_test(test_bad_descriptors), cmocka_unit_test(test_disk_full),
                cmocka_unit_test(test_undecided),
        };

        return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
