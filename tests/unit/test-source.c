/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "source/interfaces.h"
#include "source/source.h"
#include "support/test.h"
#include "util/clock.h"

struct sums {
        uint64_t packets, bytes, keyless;
        uint64_t by_direction[4];
        enum unattributed reason; /* of the last one that was keyless */
};

static void on_sample(const struct sample *sample, void *userdata) {
        struct sums *sums = userdata;

        sums->packets += sample->packets;
        sums->bytes += sample->bytes;
        sums->keyless += sample->keyless;
        if (sample->keyless)
                sums->reason = sample->reason;
        sums->by_direction[sample->direction] += sample->packets;
}

/* state is the interfaces: who we are. */
static int set_up(void **state) {
        return interfaces_new((struct interfaces **) state);
}

static int tear_down(void **state) {
        interfaces_free(*state);
        return 0;
}

static int open_file(void **state, const char *path, struct source **ret_source,
                     struct source_error *ret_error) {
        const struct source_config config = {.path = path, .interfaces = *state};

        *ret_error = (struct source_error){};
        return source_new("file", &config, ret_source, ret_error);
}

static const char *golden(const char *name, char path[512]) {
        (void) snprintf(path, 512, "%s/golden/%s", getenv("NETFLOWD_TESTS") ?: "tests", name);
        return path;
}

static int drain_all(struct source *source, struct sums *sums, struct source_error *error) {
        int r;

        while ((r = source_drain(source, 3, on_sample, sums, error)) > 0)
                ;
        return r;
}

/* What the link header says of the way a packet went is taken from a savefile as it stands. */
static void test_savefile(void **state) {
        struct source_device device;
        struct source_stats stats;
        struct source_error error;
        struct source *source;
        struct sums sums = {};
        char path[512];

        assert_int_equal(open_file(state, golden("linux_sll2.pcap", path), &source, &error), 0);
        assert_int_equal(source_fd(source), -1);
        assert_int_equal(drain_all(source, &sums, &error), -ENODATA);
        assert_int_equal(sums.packets, 11);
        assert_int_equal(sums.keyless, 1);
        assert_int_equal(sums.by_direction[DIRECTION_OUT], 2); /* the ARP among them */
        assert_int_equal(sums.by_direction[DIRECTION_FORWARDED], 1);
        source_stats(source, &stats);
        assert_int_equal(stats.received, 11);
        source_device(source, &device);
        assert_string_equal(device.link_type, "LINUX_SLL2");
        source_free(source);
}

/* What was read before the file breaks off counts, and that it did is said. */
static void test_truncated_savefile(void **state) {
        char *directory = test_directory(), path[512], from[512];
        char content[4096];
        struct source_error error;
        struct source *source;
        struct sums sums = {};
        size_t n;
        FILE *file;

        file = fopen(golden("raw.pcap", from), "re");
        assert_non_null(file);
        n = fread(content, 1, sizeof(content), file);
        assert_true(n > 500);
        (void) fclose(file);
        (void) snprintf(path, sizeof(path), "%s/cut.pcap", directory);
        file = fopen(path, "we");
        assert_int_equal(fwrite(content, 1, 200, file), 200);
        (void) fclose(file);

        assert_int_equal(open_file(state, path, &source, &error), 0);
        assert_int_equal(drain_all(source, &sums, &error), -EBADMSG);
        assert_int_equal(sums.packets, 2);
        assert_non_null(strstr(error.text, "after 2 packets"));
        source_free(source);
        test_remove(directory);
}

static void test_what_is_no_savefile(void **state) {
        char *directory = test_directory(), path[512];
        struct source_error error;
        struct source *source;

        (void) snprintf(path, sizeof(path), "%s/file", directory);
        assert_int_equal(open_file(state, path, &source, &error), -ENOENT);
        test_write(directory, "file", "");
        assert_int_equal(open_file(state, path, &source, &error), -EBADMSG);
        test_write(directory, "file", "this is text, and long enough to hold a header of 24 bytes");
        assert_int_equal(open_file(state, path, &source, &error), -EBADMSG);
        assert_non_null(strstr(error.text, "not a savefile"));
        assert_int_equal(open_file(state, directory, &source, &error), -EBADMSG);
        assert_int_equal(source_new("nonsense", &(struct source_config){}, &source, &error), -ENOENT);
        test_remove(directory);
}

/* All that is told of its packets is how long they were, and why no more. */
static void test_unknown_link_type(void **state) {
        static const unsigned char content[24 + 16 + 10] = {
                0xd4, 0xc3,       0xb2,          0xa1,           2,          0, 4, [16] = 0xff,
                0xff, [20] = 105, [24 + 8] = 10, [24 + 12] = 60, [40] = 0x45};
        char *directory = test_directory(), path[512];
        struct source_error error;
        struct source *source;
        struct sums sums = {};
        FILE *file;

        (void) snprintf(path, sizeof(path), "%s/wlan.pcap", directory);
        file = fopen(path, "we");
        assert_int_equal(fwrite(content, 1, sizeof(content), file), sizeof(content));
        (void) fclose(file);
        assert_int_equal(open_file(state, path, &source, &error), 0);
        assert_int_equal(drain_all(source, &sums, &error), -ENODATA);
        assert_int_equal(sums.keyless, 1);
        assert_int_equal(sums.bytes, 60);
        assert_int_equal(sums.reason, UNATTRIBUTED_LINK_TYPE);
        source_free(source);
        test_remove(directory);
}

/* A datagram over loopback, captured live: one packet, to us from us. */
static void test_live(void **state) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(9)};
        struct source_config config = {.ring_bytes = 1u << 20};
        struct source_error error = {};
        struct source *source;
        struct sums sums = {};
        int fd;

        (void) state;
        SKIP_UNLESS_ROOT();
        test_enter_namespace();
        assert_int_equal(interfaces_new(&config.interfaces), 0);
        assert_int_equal(device_list_new(&config.devices), 0);
        assert_int_equal(source_new("pcap", &config, &source, &error), 0);
        assert_int_equal(source_drain(source, 100, on_sample, &sums, &error),
                         0); /* nothing there: does not wait */

        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        assert_int_equal(
                sendto(fd, "0123456789", 10, 0, (const struct sockaddr *) &address, sizeof(address)), 10);
        while (sums.packets < 2) { /* the datagram, and the ICMP error that nobody listens */
                fd_set ready;

                FD_ZERO(&ready);
                FD_SET(source_fd(source), &ready);
                assert_true(select(source_fd(source) + 1, &ready, NULL, NULL, NULL) > 0);
                assert_true(source_drain(source, 100, on_sample, &sums, &error) >= 0);
        }
        assert_int_equal(sums.by_direction[DIRECTION_LOCAL], 2);
        assert_int_equal(sums.bytes, (20 + 8 + 10) + (20 + 8 + 38));
        close(fd);
        source_free(source);

        config.choice.filter = "udp and nonsense";
        assert_int_equal(source_new("pcap", &config, &source, &error), -EINVAL);
        assert_non_null(strstr(error.text, "nonsense"));
        device_list_free(config.devices);
        interfaces_free(config.interfaces);
}

static void assert_is_ours(const struct interfaces *interfaces, const char *text, bool ours) {
        struct in6_addr address;

        assert_int_equal(inet_pton(AF_INET6, text, &address), 1);
        assert_int_equal(interfaces_is_ours(interfaces, &address, clock_usec(CLOCK_REALTIME)), ours);
}

/* Links and addresses are followed as they come and go. */
static void test_interfaces(void **state) {
        const struct interface *interface;
        struct interfaces *interfaces;
        struct in6_addr address;
        uint64_t before;
        uint32_t bridge;

        (void) state;
        SKIP_UNLESS_ROOT();
        test_enter_namespace();
        assert_int_equal(interfaces_new(&interfaces), 0);
        assert_true(interfaces_get(interfaces, 1)->flags & IFF_LOOPBACK);
        assert_null(interfaces_get(interfaces, 4242));
        assert_is_ours(interfaces, "::ffff:127.9.9.9", true);
        assert_is_ours(interfaces, "::ffff:224.0.0.251", true);
        assert_is_ours(interfaces, "ff02::fb", true);
        assert_is_ours(interfaces, "::ffff:192.0.2.1", false);
        assert_int_equal(interfaces_update(interfaces), 0);

        assert_int_equal(system("ip link add v0 type veth peer name v1 && ip link add b0 type bridge && "
                                "ip link set v1 master b0 && ip addr add 192.0.2.1/24 brd + dev v0 && "
                                "ip addr add 2001:db8::1/64 dev v0 nodad"),
                         0);
        assert_int_equal(interfaces_update(interfaces), 1);
        assert_is_ours(interfaces, "::ffff:192.0.2.1", true);
        assert_is_ours(interfaces, "::ffff:192.0.2.255", true);
        assert_is_ours(interfaces, "2001:db8::1", true);
        assert_int_equal(interfaces_get(interfaces, if_nametoindex("v1"))->master, if_nametoindex("b0"));
        assert_int_equal(interfaces_get(interfaces, if_nametoindex("v0"))->master, 0);
        assert_string_equal(interfaces_get(interfaces, if_nametoindex("b0"))->name, "b0");

        bridge = if_nametoindex("b0");
        before = clock_usec(CLOCK_REALTIME);
        assert_int_equal(system("ip addr del 192.0.2.1/24 dev v0 && ip link del b0"), 0);
        assert_int_equal(interfaces_update(interfaces), 1);
        assert_is_ours(interfaces, "::ffff:192.0.2.1", false);
        assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.1", &address), 1);
        assert_true(interfaces_is_ours(interfaces, &address, before)); /* for what was captured until then */
        assert_int_equal(interfaces_get(interfaces, if_nametoindex("v1"))->master, 0);
        assert_null(interfaces_get(interfaces, bridge));
        assert_string_equal(interfaces_get_recent(interfaces, bridge)->name, "b0");
        for (uint32_t cursor = 0; (interface = interfaces_next(interfaces, &cursor));)
                assert_int_not_equal(interface->ifindex, bridge);
        interfaces_free(interfaces);
}

#define FILE_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                FILE_TEST(test_savefile),
                FILE_TEST(test_truncated_savefile),
                FILE_TEST(test_what_is_no_savefile),
                FILE_TEST(test_unknown_link_type),
                cmocka_unit_test(test_live),
                cmocka_unit_test(test_interfaces),
        };

        return cmocka_run_group_tests_name("source", tests, NULL, NULL);
}
