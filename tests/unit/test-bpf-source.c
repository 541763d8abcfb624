/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "source/source.h"
#include "support/test.h"
#include "util/clock.h"

/* The programs see the whole machine. What these tests look at are processes of their own, and what is counted
 * for nobody as there is no room. */

#define DATAGRAMS     50u
#define PAYLOAD_BYTES 100u
#define PACKET_BYTES  (PAYLOAD_BYTES + 28u) /* IPv4 and UDP headers */
#define DEADLINE_MSEC 10000

static int open_source(uint32_t max_processes, uint32_t max_sockets, struct source **ret_source) {
        const struct source_config config = {.max_processes = max_processes, .max_sockets = max_sockets};
        struct source_error error = {};
        int r = source_new("bpf", &config, ret_source, &error);

        if (r == -EOPNOTSUPP) {
                assert_non_null(strstr(error.text, "built without BPF"));
                return r;
        }
        if (r < 0)
                print_message("skipped: needs a kernel that lets BPF programs count: %s\n", error.text);
        return r;
}

/* Opens it, or leaves the test: where it is built without, having seen that it says so. */
#define OPEN_OR_LEAVE(max_processes, max_sockets, ret_source)      \
        do {                                                       \
                int _r;                                            \
                SKIP_UNLESS_ROOT();                                \
                test_enter_namespace();                            \
                _r = open_source(max_processes, max_sockets, ret_source); \
                if (_r == -EOPNOTSUPP)                             \
                        return;                                    \
                if (_r < 0)                                        \
                        skip();                                    \
        } while (0)

static int receiver(struct sockaddr_in *ret_address) {
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), size = 1 << 20;
        socklen_t length = sizeof(*ret_address);

        *ret_address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        assert_true(fd >= 0);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
        assert_int_equal(bind(fd, (struct sockaddr *) ret_address, sizeof(*ret_address)), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *) ret_address, &length), 0);
        return fd;
}

/* A process that sends and exits; returns its pid when it has. */
static pid_t send_from_child(const struct sockaddr_in *to) {
        pid_t child = fork();
        int fd, status;

        assert_true(child >= 0);
        if (child == 0) {
                static const char payload[PAYLOAD_BYTES];

                fd = socket(AF_INET, SOCK_DGRAM, 0);
                for (unsigned i = 0; i < DATAGRAMS; i++)
                        if (sendto(fd, payload, sizeof(payload), 0, (const struct sockaddr *) to, sizeof(*to)) < 0)
                                _exit(1);
                _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        return child;
}

static unsigned receive_all(int fd) {
        char buffer[PAYLOAD_BYTES];
        unsigned n = 0;

        while (recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT) == sizeof(buffer))
                n++;
        return n;
}

struct seen {
        pid_t pids[3];
        size_t n_pids;
        uint64_t bytes[3];  /* sent by each of them */
        uint64_t second[3]; /* of the last sample of each */
        uint64_t overflow;
        char name[PROCESS_NAME_MAX];
};

static void on_sample(const struct sample *sample, void *userdata) {
        struct seen *seen = userdata;

        assert_true(sample->keyless == !sample->owner);
        if (sample->keyless && sample->reason == UNATTRIBUTED_OVERFLOW)
                seen->overflow += sample->bytes;
        for (size_t i = 0; sample->owner && i < seen->n_pids; i++)
                if (sample->owner->id.pid == (uint32_t) seen->pids[i] && sample->direction == DIRECTION_OUT) {
                        assert_int_equal(sample->ifindex, 1); /* loopback */
                        assert_true(flow_key_is_ipv4(&sample->key));
                        assert_int_equal(sample->key.protocol, IPPROTO_UDP);
                        seen->bytes[i] += sample->bytes;
                        seen->second[i] = sample->time_usec / USEC_PER_SEC;
                        strcpy(seen->name, sample->owner->name);
                }
}

/* Reads once, when the source says that it is time. */
static void read_once(struct source *source, struct seen *seen) {
        struct pollfd ready = {.fd = source_fd(source), .events = POLLIN};
        struct source_error error;

        assert_int_equal(poll(&ready, 1, DEADLINE_MSEC), 1);
        assert_true(source_drain(source, INT32_MAX, on_sample, seen, &error) >= 0);
}

/* More processes than there is room for: they are counted, for nobody, and what they send goes its way. */
static void test_no_room(void **state) {
        struct seen seen = {.n_pids = 3};
        struct sockaddr_in address;
        struct source *source;
        unsigned received = 0;
        int fd;

        (void) state;
        OPEN_OR_LEAVE(1, 4096, &source);
        assert_true(source_knows_owners(source));
        fd = receiver(&address);
        for (size_t i = 0; i < seen.n_pids; i++) {
                seen.pids[i] = send_from_child(&address);
                received += receive_all(fd);
        }
        assert_int_equal(received, 3 * DATAGRAMS);
        for (unsigned reads = 0;
             seen.bytes[0] + seen.bytes[1] + seen.bytes[2] + seen.overflow < 3 * DATAGRAMS * PACKET_BYTES; reads++) {
                assert_true(reads < 5);
                read_once(source, &seen);
        }
        assert_true(seen.overflow >= 2 * DATAGRAMS * PACKET_BYTES);
        close(fd);
        source_free(source);
}

/* A connection to a listening socket, and a byte over it. */
static void connect_once(void) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), client, accepted;
        socklen_t length = sizeof(address);
        char byte = 'x';

        assert_true(listener >= 0);
        assert_int_equal(bind(listener, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(getsockname(listener, (struct sockaddr *) &address, &length), 0);
        assert_int_equal(listen(listener, 1), 0);
        client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(client, (struct sockaddr *) &address, sizeof(address)), 0);
        accepted = accept(listener, NULL, NULL);
        assert_int_equal(write(client, &byte, 1), 1);
        assert_int_equal(read(accepted, &byte, 1), 1);
        close(accepted);
        close(client);
        close(listener);
}

/* More sockets than an owner can be kept for: what they move is counted, for nobody, and goes its way. */
static void test_no_room_for_sockets(void **state) {
        struct seen seen = {.n_pids = 1};
        struct sockaddr_in address;
        struct source *source;
        int fd;

        (void) state;
        OPEN_OR_LEAVE(4096, 0, &source);
        fd = receiver(&address);
        seen.pids[0] = send_from_child(&address);
        assert_int_equal(receive_all(fd), DATAGRAMS);
        connect_once();
        for (unsigned reads = 0; seen.overflow < 2 * DATAGRAMS * PACKET_BYTES; reads++) { /* sent, and received */
                assert_true(reads < 5);
                read_once(source, &seen);
        }
        assert_int_equal(seen.bytes[0], 0);
        close(fd);
        source_free(source);
}

static void wait_until(uint64_t usec) {
        const struct timespec then = {.tv_sec = (time_t) (usec / USEC_PER_SEC),
                                      .tv_nsec = (long) (usec % USEC_PER_SEC * NSEC_PER_USEC)};

        assert_int_equal(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &then, NULL), 0);
}

/* Bytes are of the second they moved in, although they are read in the next one, with some of that. */
static void test_seconds(void **state) {
        struct sockaddr_in address;
        struct source *source;
        int fd;

        (void) state;
        OPEN_OR_LEAVE(4096, 1000000, &source);
        fd = receiver(&address);
        for (unsigned turn = 0; turn < 3; turn++) {
                struct seen late = {.n_pids = 1}, early = {.n_pids = 1};
                uint64_t second = clock_usec(CLOCK_REALTIME) / USEC_PER_SEC + 1;

                wait_until(second * USEC_PER_SEC + 300000); /* the read of the second before is over */
                read_once(source, &late);
                wait_until(second * USEC_PER_SEC + 800000);
                late.pids[0] = send_from_child(&address);
                if (clock_usec(CLOCK_REALTIME) / USEC_PER_SEC != second)
                        continue; /* held up over the end of it: nothing to be told from that */
                wait_until((second + 1) * USEC_PER_SEC + 10000); /* before the next read */
                early.pids[0] = send_from_child(&address);
                if (clock_usec(CLOCK_REALTIME) / USEC_PER_SEC != second + 1)
                        continue;
                late.n_pids = 2;
                late.pids[1] = early.pids[0];
                for (unsigned reads = 0; late.bytes[0] == 0 || late.bytes[1] == 0; reads++) {
                        assert_true(reads < 3);
                        read_once(source, &late);
                }
                assert_int_equal(late.bytes[0], DATAGRAMS * PACKET_BYTES);
                assert_int_equal(late.bytes[1], DATAGRAMS * PACKET_BYTES);
                assert_int_equal(late.second[0], second);
                assert_int_equal(late.second[1], second + 1);
                assert_string_equal(late.name, "test-bpf-source");
                close(fd);
                source_free(source);
                return;
        }
        print_message("three times held up for long: nothing was told\n");
        fail();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_no_room),
                cmocka_unit_test(test_no_room_for_sockets),
                cmocka_unit_test(test_seconds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
