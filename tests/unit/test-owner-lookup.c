/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "owner/closed_sockets.h"
#include "owner/owner_lookup.h"
#include "owner/sock_diag.h"
#include "support/test.h"
#include "util/clock.h"

/* Real sockets in a network namespace of the test's own, looked up in the real kernel. */

static const struct owner_config config = {.proc_root = "/proc",
                                           .scan_interval_usec = 0,
                                           .max_sockets = 1000000,
                                           .max_history = 1000,
                                           .event_bytes = 65536};

static struct owner_lookup *new_lookup(void) {
        struct owner_lookup *lookup;
        char why[OWNER_WHY_MAX];

        assert_int_equal(owner_lookup_new("procfs", &config, &lookup, why), 0);
        return lookup;
}

static uint64_t now(void) {
        struct timespec time;

        clock_gettime(CLOCK_MONOTONIC, &time);
        return (uint64_t) time.tv_sec * 1000000 + (uint64_t) time.tv_nsec / 1000;
}

static int new_socket(int family, int type) {
        int fd = socket(family, type | SOCK_CLOEXEC, 0), yes = 1;

        assert_true(fd >= 0);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
        return fd;
}

/* text "::" on a v6 socket is dual-stack, as is the default. */
static int bound(int family, int type, const char *text, uint16_t port) {
        int fd = new_socket(family, type);

        if (family == AF_INET) {
                struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

                assert_int_equal(inet_pton(AF_INET, text, &address.sin_addr), 1);
                assert_int_equal(bind(fd, (const struct sockaddr *) &address, sizeof(address)), 0);
        } else {
                struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

                assert_int_equal(inet_pton(AF_INET6, text, &address.sin6_addr), 1);
                assert_int_equal(bind(fd, (const struct sockaddr *) &address, sizeof(address)), 0);
        }
        if (type == SOCK_STREAM)
                assert_int_equal(listen(fd, 16), 0);
        return fd;
}

static void connect_to(int fd, uint16_t port) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        assert_int_equal(connect(fd, (const struct sockaddr *) &address, sizeof(address)), 0);
}

static uint16_t local_port(int fd) {
        struct sockaddr_storage address;
        socklen_t length = sizeof(address);

        assert_int_equal(getsockname(fd, (struct sockaddr *) &address, &length), 0);
        return ntohs(((const struct sockaddr_in *) (const void *) &address)
                             ->sin_port); /* in the same place for v6 */
}

static struct flow_key loopback_key(uint16_t local, uint16_t remote, uint8_t protocol, bool ipv6) {
        struct flow_key key = {.local_port = local, .remote_port = remote, .protocol = protocol};

        assert_int_equal(inet_pton(AF_INET6, ipv6 ? "::1" : "::ffff:127.0.0.1", &key.local), 1);
        key.remote = key.local;
        return key;
}

/* Walks over /proc are not due all the time, the less the longer they take: what has to wait for one is
 * asked again as seconds go by, which they do in the argument only. */
static enum owner_status find(struct owner_lookup *lookup, const struct flow_key *key,
                              struct owner *ret_owner) {
        const struct owner_question question = {.key = key};
        enum owner_status status = OWNER_BUSY;

        for (unsigned i = 0; i < 100 && status == OWNER_BUSY; i++) {
                *ret_owner = (struct owner){};
                assert_int_equal(
                        owner_lookup_find(lookup, &question, now() + i * USEC_PER_SEC, &status, ret_owner),
                        0);
        }
        return status;
}

static void assert_ours(struct owner_lookup *lookup, struct flow_key key) {
        struct owner owner;

        assert_int_equal(find(lookup, &key, &owner), OWNER_FOUND);
        assert_int_equal(owner.process.pid, getpid());
        assert_true(owner.cookie != 0 && owner.inode != 0);
        assert_int_equal(owner_lookup_confirm(lookup, &(struct owner_question){.key = &key}, &owner, now()),
                         1);
}

static void assert_status(struct owner_lookup *lookup, struct flow_key key, enum owner_status expected) {
        struct owner owner;

        assert_int_equal(find(lookup, &key, &owner), expected);
}

static int set_up(void **state) {
        SKIP_UNLESS_ROOT();
        test_enter_namespace();
        *state = new_lookup();
        return 0;
}

static int tear_down(void **state) {
        owner_lookup_free(*state);
        return 0;
}

/* Both ends of a connection to a dual-stack socket; before accept(2) it is the listener's, by name but not
 * for sure. */
static void test_tcp(void **state) {
        struct owner_lookup *lookup = *state;
        int listener = bound(AF_INET6, SOCK_STREAM, "::", 5000), client = new_socket(AF_INET, SOCK_STREAM),
            server;
        struct flow_key client_key, server_key;
        struct owner owner;

        connect_to(client, 5000);
        client_key = loopback_key(local_port(client), 5000, IPPROTO_TCP, false);
        server_key = flow_key_reverse(&client_key);
        assert_ours(lookup, client_key);
        assert_int_equal(find(lookup, &server_key, &owner), OWNER_UNACCEPTED);
        assert_int_equal(owner.process.pid, getpid());

        server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(server >= 0);
        assert_ours(lookup, server_key);

        close(server); /* first: so this end keeps TIME_WAIT */
        close(client);
        assert_status(lookup, server_key, OWNER_NO_SOCKET);
        /* all of the client's is gone but the listener does not answer for it: another port */
        assert_status(lookup, client_key, OWNER_NO_SOCKET);
        /* a connection that is over and left nothing: who listens there */
        assert_int_equal(find(lookup,
                              &(struct flow_key){.local = server_key.local,
                                                 .remote = server_key.remote,
                                                 .local_port = 5000,
                                                 .remote_port = 9,
                                                 .protocol = IPPROTO_TCP},
                              &owner),
                         OWNER_UNACCEPTED);
        assert_int_equal(owner.process.pid, getpid());
        close(listener);
}

static void test_udp(void **state) {
        struct owner_lookup *lookup = *state;
        int wildcard = bound(AF_INET, SOCK_DGRAM, "0.0.0.0", 5001),
            six = bound(AF_INET6, SOCK_DGRAM, "::", 5002);
        int connected = new_socket(AF_INET, SOCK_DGRAM);

        assert_ours(lookup, loopback_key(5001, 4321, IPPROTO_UDP, false));
        assert_ours(lookup, loopback_key(5002, 4321, IPPROTO_UDP, true));
        assert_ours(lookup, loopback_key(5002, 4321, IPPROTO_UDP, false)); /* v4 on a dual-stack socket */
        connect_to(connected, 5001);
        assert_ours(lookup, loopback_key(local_port(connected), 5001, IPPROTO_UDP, false));
        assert_status(lookup, loopback_key(5999, 4321, IPPROTO_UDP, false), OWNER_NO_SOCKET);
        close(wildcard);
        assert_status(lookup, loopback_key(5001, 4321, IPPROTO_UDP, false), OWNER_NO_SOCKET);
        close(six);
        close(connected);
}

static void test_no_lookup(void **state) {
        assert_status(*state, loopback_key(0, 0, IPPROTO_ICMP, false), OWNER_NO_LOOKUP);
        assert_status(*state, loopback_key(1, 2, IPPROTO_SCTP, false), OWNER_NO_LOOKUP);
}

/* A child that has run function and waits to be ended. */
static pid_t start_child(void (*function)(int), int argument) {
        int ready[2];
        pid_t child;
        char byte;

        assert_int_equal(pipe(ready), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                function(argument);
                if (write(ready[1], "r", 1) != 1)
                        _exit(1);
                for (;;)
                        (void) pause();
        }
        close(ready[1]);
        assert_int_equal(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        return child;
}

static void end_child(pid_t child) {
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
}

static void keep_socket(int fd) {
        (void) fd;
}

/* A socket that a child has inherited is nobody's alone, until one of the two closes it. */
static void test_inherited_is_shared(void **state) {
        struct owner_lookup *lookup = *state, *fresh;
        int fd = bound(AF_INET, SOCK_DGRAM, "0.0.0.0", 5003);
        struct flow_key key = loopback_key(5003, 4321, IPPROTO_UDP, false);
        pid_t child;
        struct owner owner;

        assert_ours(lookup, key);
        assert_int_equal(find(lookup, &key, &owner), OWNER_FOUND);
        child = start_child(keep_socket, fd);
        /* /proc is listed at most so often; a second later it is again, however long that takes */
        assert_int_equal(owner_lookup_confirm(lookup, &(struct owner_question){.key = &key}, &owner,
                                              now() + USEC_PER_SEC),
                         0);
        fresh = new_lookup();
        assert_status(fresh, key, OWNER_SHARED);
        owner_lookup_free(fresh);
        close(fd);
        assert_int_equal(find(lookup, &key, &owner), OWNER_FOUND);
        assert_int_equal(owner.process.pid, child);
        end_child(child);
        assert_status(lookup, key, OWNER_NO_SOCKET);
}

static void bind_reuseport(int port) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t) port)};
        int fd = new_socket(AF_INET, SOCK_DGRAM), yes = 1;

        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes)), 0);
        assert_int_equal(bind(fd, (const struct sockaddr *) &address, sizeof(address)), 0);
}

/* Two processes on one port: the kernel's lookup names one by a hash, which did not send what the other one
 * did. */
static void test_reuseport_is_shared(void **state) {
        pid_t first = start_child(bind_reuseport, 5004), second = start_child(bind_reuseport, 5004);

        assert_status(*state, loopback_key(5004, 4321, IPPROTO_UDP, false), OWNER_SHARED);
        end_child(first);
        assert_status(*state, loopback_key(5004, 4321, IPPROTO_UDP, false), OWNER_FOUND);
        end_child(second);
}

static void bind_wildcard(int port) {
        (void) bound(AF_INET, SOCK_DGRAM, "0.0.0.0", (uint16_t) port);
}

/* As servers do that have a socket for each of their threads. */
static void test_many_of_one_process(void **state) {
        int fds[40], yes = 1;

        for (size_t i = 0; i < ELEMENTSOF(fds); i++) {
                struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(5007)};

                fds[i] = new_socket(AF_INET, SOCK_DGRAM);
                assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes)), 0);
                assert_int_equal(bind(fds[i], (const struct sockaddr *) &address, sizeof(address)), 0);
        }
        assert_ours(*state, loopback_key(5007, 4321, IPPROTO_UDP, false));
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                close(fds[i]);
}

/* A connected socket has what comes in; what goes out may be from the other one. */
static void test_connected_beside_unconnected_is_shared(void **state) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(5008)};
        pid_t child = start_child(bind_reuseport, 5008);
        int fd = new_socket(AF_INET, SOCK_DGRAM), yes = 1;

        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes)), 0);
        assert_int_equal(bind(fd, (const struct sockaddr *) &address, sizeof(address)), 0);
        connect_to(fd, 4321);
        assert_status(*state, loopback_key(5008, 4321, IPPROTO_UDP, false), OWNER_SHARED);
        end_child(child);
        assert_ours(*state, loopback_key(5008, 4321, IPPROTO_UDP, false));
        close(fd);
}

/* The lookup prefers the specific address; the wildcard socket may have sent all the same. */
static void test_wildcard_beside_specific_is_shared(void **state) {
        pid_t child = start_child(bind_wildcard, 5005);
        int specific = bound(AF_INET, SOCK_DGRAM, "127.0.0.1", 5005);

        assert_status(*state, loopback_key(5005, 4321, IPPROTO_UDP, false), OWNER_SHARED);
        end_child(child);
        assert_ours(*state, loopback_key(5005, 4321, IPPROTO_UDP, false));
        close(specific);
}

/* The same port, the same addresses, another socket: not confirmed. */
static void test_confirm_goes_by_cookie(void **state) {
        struct flow_key key = loopback_key(5006, 4321, IPPROTO_UDP, false);
        int fd = bound(AF_INET, SOCK_DGRAM, "0.0.0.0", 5006);
        struct owner owner;

        assert_int_equal(find(*state, &key, &owner), OWNER_FOUND);
        close(fd);
        fd = bound(AF_INET, SOCK_DGRAM, "0.0.0.0", 5006);
        assert_int_equal(owner_lookup_confirm(*state, &(struct owner_question){.key = &key}, &owner, now()),
                         0);
        assert_ours(*state, key);
        close(fd);
}

/* A device that another one is the only one to have, a connection to port 0: what is known of sockets from their list does
 * not say that the kernel gives them nothing of the flow. */
static void test_confirm_goes_by_what_it_has(void **state) {
        const struct flow_key key = loopback_key(5012, 4321, IPPROTO_UDP, false);
        const struct owner_question question = {.key = &key, .ifindex = 1};
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 8)};
        int fd = bound(AF_INET, SOCK_DGRAM, "0.0.0.0", 5012), other;
        struct owner owner, another;

        assert_int_equal(find(*state, &key, &owner), OWNER_FOUND);
        assert_int_equal(owner_lookup_confirm(*state, &question, &owner, now()), 1);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &(int){1000}, sizeof(int)), 0);
        assert_int_equal(owner_lookup_confirm(*state, &question, &owner, now()), 0);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &(int){1}, sizeof(int)), 0);
        assert_int_equal(owner_lookup_confirm(*state, &question, &owner, now()), 1);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &(int){0}, sizeof(int)), 0);
        assert_int_equal(connect(fd, (const struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(owner_lookup_confirm(*state, &question, &owner, now()), 0);
        close(fd);

        fd = bound(AF_INET, SOCK_DGRAM, "0.0.0.0", 5012);
        assert_int_equal(find(*state, &key, &owner), OWNER_FOUND);
        other = bound(AF_INET, SOCK_DGRAM, "0.0.0.0", 5012); /* the kernel prefers it once it is connected */
        connect_to(other, 4321);
        assert_int_equal(owner_lookup_confirm(*state, &question, &owner, now()), 0);
        assert_int_equal(find(*state, &key, &another), OWNER_FOUND);
        assert_int_not_equal(owner.inode, another.inode);
        assert_int_equal(owner_lookup_confirm(*state, &question, &another, now()), 1);
        close(fd);
        close(other);
}

static void bind_another(int fd) {
        close(fd);
        bind_wildcard(5011);
}

/* The same socket, where it could not have the flow any more, or where another one could too. */
static void test_confirm_goes_by_who_could_have_it(void **state) {
        const struct flow_key key = loopback_key(5011, 4321, IPPROTO_UDP, false);
        const struct owner_question question = {.key = &key};
        int fd = bound(AF_INET, SOCK_DGRAM, "0.0.0.0", 5011);
        struct owner owner;
        pid_t child;

        assert_int_equal(find(*state, &key, &owner), OWNER_FOUND);
        connect_to(fd, 4322);
        assert_int_equal(owner_lookup_confirm(*state, &question, &owner, now()), 0);
        connect_to(fd, 4321);
        assert_int_equal(owner_lookup_confirm(*state, &question, &owner, now()), 1);
        child = start_child(bind_another, fd);
        assert_int_equal(owner_lookup_confirm(*state, &question, &owner, now() + USEC_PER_SEC), 0);
        end_child(child);
        close(fd);
}

/* Listens, and says at which descriptor: the next that is free. */
static struct closed_sockets *new_closed(int *ret_fd) {
        struct closed_sockets *closed;

        *ret_fd = dup(STDERR_FILENO);
        assert_true(*ret_fd >= 0 && close(*ret_fd) == 0);
        assert_int_equal(closed_sockets_new(false, &closed), 0);
        return closed;
}

/* The kernel tells of a closed socket in its own time: waits for that, which is at usec then. */
static void await_closed(struct closed_sockets *closed, int fd, uint16_t port, uint64_t usec) {
        struct pollfd told = {.fd = fd, .events = POLLIN};

        while (!closed_sockets_since(closed, port, 0, usec)) {
                assert_int_equal(poll(&told, 1, 10000), 1);
                assert_int_equal(closed_sockets_update(closed, usec), 0);
        }
}

/* What came before a port was closed may be the other socket's; what came after is not. */
static void test_closed_sockets(void **state) {
        static const int families[] = {AF_INET, AF_INET6};
        struct owner owner;

        for (uint16_t i = 0; i < ELEMENTSOF(families); i++) {
                _cleanup_(closed_sockets_freep) struct closed_sockets *closed = NULL;
                uint16_t port = (uint16_t) (5010 + i);
                struct flow_key key = loopback_key(port, 4321, IPPROTO_UDP, families[i] == AF_INET6);
                int fd = bound(families[i], SOCK_DGRAM, families[i] == AF_INET6 ? "::1" : "127.0.0.1", port),
                    told;

                closed = new_closed(&told);
                assert_int_equal(find(*state, &key, &owner), OWNER_FOUND);
                close(fd);
                await_closed(closed, told, port, 1000);
                assert_false(closed_sockets_since(closed, port, owner.cookie, 1000)); /* its own end */
                assert_true(closed_sockets_since(closed, port, owner.cookie + 1, 1000));
                assert_false(closed_sockets_since(closed, port, owner.cookie + 1, 1001)); /* before that */
                assert_false(closed_sockets_since(closed, (uint16_t) (port + 1), 0, 1));

                /* a second one on that port: the first is still remembered for it */
                fd = bound(families[i], SOCK_DGRAM, families[i] == AF_INET6 ? "::1" : "127.0.0.1", port);
                assert_int_equal(find(*state, &key, &owner), OWNER_FOUND);
                close(fd);
                await_closed(closed, told, port, 2000);
                assert_true(closed_sockets_since(closed, port, owner.cookie, 1000));
                assert_false(closed_sockets_since(closed, port, owner.cookie, 1001));
        }
}

/* Broadcasts that found no room, of all sockets of this kind in the namespace: the 9th column. */
static unsigned long dropped(void) {
        _cleanup_fclose_ FILE *file = fopen("/proc/net/netlink", "re");
        unsigned long sum = 0, drops;
        char line[256];
        int protocol;

        assert_non_null(file);
        while (fgets(line, sizeof(line), file))
                if (sscanf(line, "%*s %d %*s %*s %*s %*s %*s %*s %lu", &protocol, &drops) == 2 &&
                    protocol == NETLINK_SOCK_DIAG)
                        sum += drops;
        return sum;
}

/* More than fits between two readings: then nothing is known of any port. */
static void test_closed_sockets_lost(void **state) {
        _cleanup_(closed_sockets_freep) struct closed_sockets *closed = NULL;

        (void) state;
        assert_int_equal(closed_sockets_new(false, &closed), 0);
        for (unsigned i = 0; i < 10000000 && dropped() == 0; i += 1000)
                for (unsigned j = 0; j < 1000; j++)
                        close(bound(AF_INET, SOCK_DGRAM, "127.0.0.1", 5020));
        assert_int_equal(closed_sockets_update(closed, 1000), -ENOBUFS);
        assert_true(closed_sockets_since(closed, 5021, 0, 1000));
        assert_false(closed_sockets_since(closed, 5021, 0, 1001));
}

static void test_unknown_implementation(void **state) {
        struct owner_lookup *lookup;
        char why[OWNER_WHY_MAX];

        (void) state;
        assert_int_equal(owner_lookup_new("nonsense", &config, &lookup, why), -ENOENT);
        assert_string_equal(why, "");
        assert_int_equal(owner_lookup_new("procfs", &config, &lookup, why), 0);
        assert_string_equal(why, "");
        owner_lookup_free(lookup);
}

/* The best there is, or the next one, and why. */
static void test_best_implementation(void **state) {
        struct owner_lookup *lookup;
        char why[OWNER_WHY_MAX];

        (void) state;
        assert_int_equal(owner_lookup_new(NULL, &config, &lookup, why), 0);
        if (*why) {
                assert_string_equal(owner_lookup_name(lookup), "procfs");
                assert_memory_equal(why, "bpf: ", 5);
        } else
                assert_string_equal(owner_lookup_name(lookup), "bpf");
        owner_lookup_free(lookup);
}

/* Every prefix of an answer, in a block of just its size. */
static void test_answer_prefixes(void **state) {
        uint8_t answer[72 + 16] = {[0] = AF_INET6};
        struct socket_info socket;

        (void) state;
        for (size_t length = 0; length <= sizeof(answer); length++) {
                uint32_t *block = malloc(length ?: 1);

                memcpy(block, answer, length);
                assert_int_equal(parse_inet_diag(block, length, &socket), length < 72 ? -EBADMSG : 0);
                free(block);
        }
        answer[0] = AF_UNIX;
        assert_int_equal(parse_inet_diag(answer, sizeof(answer), &socket), -EBADMSG);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_tcp),
                TEST(test_udp),
                TEST(test_no_lookup),
                TEST(test_inherited_is_shared),
                TEST(test_reuseport_is_shared),
                TEST(test_many_of_one_process),
                TEST(test_connected_beside_unconnected_is_shared),
                TEST(test_wildcard_beside_specific_is_shared),
                TEST(test_confirm_goes_by_cookie),
                TEST(test_confirm_goes_by_what_it_has),
                TEST(test_confirm_goes_by_who_could_have_it),
                TEST(test_closed_sockets),
                TEST(test_closed_sockets_lost),
                cmocka_unit_test(test_unknown_implementation),
                cmocka_unit_test(test_best_implementation),
                cmocka_unit_test(test_answer_prefixes),
        };

        return cmocka_run_group_tests_name("owner-lookup", tests, NULL, NULL);
}
