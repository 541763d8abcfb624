/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <pcap/pcap.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/engine.h"
#include "source/device_list.h"
#include "source/interfaces.h"
#include "source/orient.h"
#include "source/source.h"
#include "support/test.h"
#include "util/clock.h"

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

/* A datagram of one byte, at the IP layer. */
#define DATAGRAM 29

/* 32 of libpcap's blocks of 256 kB, each of which the kernel closes after 40 ms however little is in it: more than a
 * second in which nobody reads, on a slow machine. */
#define RING_BYTES (8u << 20)

struct host {
        struct interfaces *interfaces;
        struct device_list *devices;
        struct source *source;
        int fd; /* sends to itself, over loopback */
        uint64_t packets, bytes;
};

static void on_sample(const struct sample *sample, void *userdata) {
        struct host *host = userdata;

        host->packets += sample->packets;
        host->bytes += sample->bytes;
}

static int udp_to_itself(void) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof(address);
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        assert_int_equal(bind(fd, (struct sockaddr *) &address, size), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *) &address, &size), 0);
        assert_int_equal(connect(fd, (struct sockaddr *) &address, size), 0);
        return fd;
}

static void host_open(struct host *host, const struct source_choice *choice) {
        struct source_config config = {.choice = *choice, .ring_bytes = RING_BYTES};
        struct source_error error = {};

        *host = (struct host){};
        test_enter_namespace();
        assert_int_equal(interfaces_new(&host->interfaces), 0);
        assert_int_equal(device_list_new(&host->devices), 0);
        config.interfaces = host->interfaces;
        config.devices = host->devices;
        assert_int_equal(source_new("pcap", &config, &host->source, &error), 0);
        host->fd = udp_to_itself();
}

static void host_close(struct host *host) {
        close(host->fd);
        source_free(host->source);
        device_list_free(host->devices);
        interfaces_free(host->interfaces);
}

static void say_hello(struct host *host) {
        char byte;

        assert_int_equal(send(host->fd, "x", 1, 0), 1);
        assert_int_equal(recv(host->fd, &byte, 1, 0), 1);
}

static void drain(struct host *host) {
        struct source_error error;

        assert_true(interfaces_update(host->interfaces) >= 0);
        assert_true(source_drain(host->source, 1000, on_sample, host, &error) >= 0);
}

/* Until that many have come, and whatever else may still come has: three times as long as the kernel holds a
 * packet back at most. */
static void expect_packets(struct host *host, uint64_t packets) {
        struct pollfd ready = {.fd = source_fd(host->source), .events = POLLIN};

        while (host->packets < packets) {
                bool busy = source_busy(host->source);

                assert_true(poll(&ready, 1, busy ? 10 : 10000) > 0 || busy); /* else they are lost */
                drain(host);
        }
        do
                drain(host);
        while (poll(&ready, 1, 120) > 0 || source_busy(host->source));
        assert_int_equal(host->packets, packets);
        assert_int_equal(host->bytes, packets * DATAGRAM);
}

static const struct device *device_of(const struct host *host, const char *name) {
        const struct device *device;

        for (size_t cursor = 0; (device = device_list_next(host->devices, &cursor));)
                if (strcmp(device->name, name) == 0)
                        return device;
        return NULL;
}

static size_t count_descriptors(void) {
        DIR *directory = opendir("/proc/self/fd");
        size_t n = 0;

        assert_non_null(directory);
        while (readdir(directory))
                n++;
        closedir(directory);
        return n;
}

static int choose(struct host *host, const char *const *devices, const char *filter,
                  struct source_error *ret_error) {
        *ret_error = (struct source_error){};
        return source_choose(host->source, &(struct source_choice){.devices = devices, .filter = filter},
                             NULL, ret_error);
}

/* What cannot be done is refused, and what runs goes on. */
static void test_refused(void **state) {
        struct source_error error;
        struct host host;

        (void) state;
        SKIP_UNLESS_ROOT();
        host_open(&host, &(struct source_choice){});
        say_hello(&host);
        assert_int_equal(choose(&host, NULL, "udp and nonsense", &error), -EINVAL);
        assert_non_null(strstr(error.text, "syntax error in filter expression, at character 9"));
        assert_int_equal(choose(&host, LIST("lo"), "tcp) or (udp", &error), -EINVAL);
        assert_int_equal(choose(&host, LIST("a b"), NULL, &error), -EINVAL);
        say_hello(&host);
        assert_int_equal(choose(&host, LIST("lo"), NULL, &error), 0);
        say_hello(&host);
        assert_int_equal(choose(&host, LIST("lo"), "udp and", &error), -EINVAL);
        assert_int_equal(choose(&host, LIST("!"), NULL, &error), -EINVAL);
        assert_int_equal(choose(&host, NULL, "ether host 2:0:0:0:0:1", &error), -EINVAL); /* not on `any` */
        say_hello(&host);
        expect_packets(&host, 4);
        host_close(&host);
}

/* All devices, some, all again, with a filter and without, under traffic: each packet counts once. */
static void test_each_packet_once(void **state) {
        static const char *const filters[] = {NULL, "udp", "ip or tcp"};
        const char *const *const devices[] = {NULL, LIST("lo"), LIST("l*", "!eth*"), NULL, LIST("!nothing")};
        struct source_error error;
        size_t descriptors = 0;
        struct host host;
        uint64_t sent = 0;

        (void) state;
        SKIP_UNLESS_ROOT();
        host_open(&host, &(struct source_choice){});
        for (size_t i = 0; i < 30; i++) { /* each with each, twice */
                for (int k = 0; k < 20; k++, sent++)
                        say_hello(&host);
                if (i % 3 == 0) /* now and then before what was there before is read to its end */
                        expect_packets(&host, sent);
                drain(&host);
                assert_int_equal(choose(&host, devices[i % ELEMENTSOF(devices)],
                                        filters[i % ELEMENTSOF(filters)], &error),
                                 0);
                for (int k = 0; k < 20; k++, sent++)
                        say_hello(&host);
                if (i == 9)
                        descriptors = count_descriptors();
        }
        expect_packets(&host, sent);
        assert_true(count_descriptors() <= descriptors);
        host_close(&host);
}

/* A filter takes effect with the next packet, on the handles that are open. */
static void test_filter_changes(void **state) {
        struct source_error error;
        struct host host;

        (void) state;
        SKIP_UNLESS_ROOT();
        host_open(&host, &(struct source_choice){.devices = LIST("lo"), .filter = "tcp"});
        say_hello(&host);
        expect_packets(&host, 0);
        assert_int_equal(choose(&host, LIST("lo"), "udp", &error), 0);
        say_hello(&host);
        expect_packets(&host, 1);
        assert_int_equal(choose(&host, LIST("lo"), "tcp", &error), 0);
        say_hello(&host);
        expect_packets(&host, 1);
        assert_int_equal(device_of(&host, "lo")->received, 1);
        host_close(&host);
}

/* Devices are seen to when rtnetlink tells of them, which wakes the descriptor that is waited on. */
static void test_wakes_for_devices(void **state) {
        struct pollfd ready = {.events = POLLIN};
        struct host host;

        (void) state;
        SKIP_UNLESS_ROOT();
        host_open(&host, &(struct source_choice){.devices = LIST("d*")});
        ready.fd = source_fd(host.source);
        drain(&host);
        assert_int_equal(poll(&ready, 1, 0), 0);
        assert_int_equal(device_of(&host, "d*")->state, DEVICE_WAITING);

        assert_int_equal(system("ip link add d0 type ifb"), 0);
        assert_int_equal(poll(&ready, 1, 10000), 1);
        drain(&host);
        assert_null(device_of(&host, "d*"));
        assert_int_equal(device_of(&host, "d0")->state, DEVICE_DOWN);
        assert_int_equal(poll(&ready, 1, 0), 0);

        assert_int_equal(system("ip link set d0 up"), 0);
        assert_int_equal(poll(&ready, 1, 10000), 1);
        drain(&host);
        assert_int_equal(device_of(&host, "d0")->state, DEVICE_CAPTURING);
        assert_string_equal(device_of(&host, "d0")->link_type, "EN10MB");

        assert_int_equal(system("ip link del d0"), 0);
        assert_int_equal(poll(&ready, 1, 10000), 1);
        drain(&host);
        assert_int_equal(device_of(&host, "d0")->state, DEVICE_GONE);
        assert_non_null(device_of(&host, "d*"));
        host_close(&host);
}

/* Stopped, an engine checks what it will do; its strings need not outlive the call. */
static void test_engine_choose(void **state) {
        _cleanup_free_ struct engine_device *devices = NULL;
        struct engine_config config;
        struct source_error error = {};
        struct engine *engine;
        char filter[16] = "udp";
        size_t n;

        (void) state;
        SKIP_UNLESS_ROOT();
        test_enter_namespace();
        engine_config_init(&config);
        config.choice = (struct source_choice){.devices = LIST("lo"), .filter = filter};
        config.backend = "pcap";
        assert_int_equal(engine_new(&config, &engine, &error), 0);
        strcpy(filter, "nonsense");
        assert_string_equal(engine_filter(engine), "udp");
        assert_int_equal(engine_choose(engine, &(struct source_choice){.filter = filter}, &error), -EINVAL);
        assert_string_equal(engine_filter(engine), "udp");
        assert_true(engine_capturing(engine));

        engine_stop(engine);
        assert_int_equal(engine_devices(engine, &devices, &n), 0);
        assert_int_equal(n, 1);
        assert_string_equal(devices[0].state, "stopped");
        assert_int_equal(engine_choose(engine, &(struct source_choice){.filter = filter}, &error), -EINVAL);
        strcpy(filter, "tcp");
        assert_int_equal(engine_choose(engine, &(struct source_choice){.filter = filter}, &error), 0);
        strcpy(filter, "gone");
        assert_false(engine_capturing(engine));
        assert_int_equal(engine_reopen(engine, &error), 0);
        assert_string_equal(engine_filter(engine), "tcp");
        free(devices);
        assert_int_equal(engine_devices(engine, &devices, &n), 0);
        assert_int_equal(n, 2);
        assert_string_equal(devices[0].state, "gone");
        assert_string_equal(devices[1].name, "any");
        assert_string_equal(devices[1].state, "capturing");
        engine_free(engine);
}

/* Is one counted that was sent on that device? LINUX_SLL2; UDP from 10.7.0.1 to 10.7.0.2. */
static bool counts_on(struct orient *orient, uint8_t ifindex, uint64_t time_usec, struct sample *ret_sample) {
        const uint8_t packet[] = {0x08, 0, 0, 0, 0,    0, 0, ifindex, 0, 1, 4, 6, 2,  0,  0, 0,
                                  0,    1, 0, 0, 0x45, 0, 0, 28,      0, 0, 0, 0, 64, 17, 0, 0,
                                  10,   7, 0, 1, 10,   7, 0, 2,       0, 7, 0, 9, 0,  8,  0, 0};

        return orient_packet(orient, packet, sizeof(packet), sizeof(packet), time_usec, ret_sample);
}

static struct sample sample_on(struct orient *orient, uint8_t ifindex, uint64_t time_usec) {
        struct sample sample;

        assert_true(counts_on(orient, ifindex, time_usec, &sample));
        assert_int_equal(sample.bytes, 28);
        assert_int_equal(sample.time_usec, time_usec);
        return sample;
}

static enum direction direction_at(struct orient *orient, uint64_t time_usec) {
        return sample_on(orient, 7, time_usec).direction;
}

/* What became of the last packet holds for the next one, unless something changed in between. */
static void test_remembered(void **state) {
        _cleanup_(interfaces_freep) struct interfaces *interfaces = NULL;
        struct orient orient = {.link_type = DLT_LINUX_SLL2};
        struct addresses others = {};
        struct source_error error;
        struct sample sample;
        uint64_t before, after;

        (void) state;
        SKIP_UNLESS_ROOT();
        test_enter_namespace();
        assert_int_equal(system("ip link add d0 index 7 type veth && ip addr add 10.7.0.1/24 dev d0"), 0);
        assert_int_equal(interfaces_new(&interfaces), 0);
        orient.interfaces = interfaces;
        before = interfaces_changed_usec(interfaces) + 1;
        assert_int_equal(direction_at(&orient, before), DIRECTION_OUT);
        assert_int_equal(orient.oldest_memo, 1);
        assert_int_equal(direction_at(&orient, before), DIRECTION_OUT);
        assert_int_equal(orient.oldest_memo, 1);
        for (int i = 0; i < 2; i++) { /* that it went over loopback, too */
                sample = sample_on(&orient, 1, before);
                assert_true(sample.loopback);
                assert_int_equal(orient.oldest_memo, 0);
                assert_int_equal(sample.direction, DIRECTION_LOCAL);
        }
        assert_false(sample_on(&orient, 7, before).loopback);

        assert_int_equal(addresses_parse((const char *const[]){"192.0.2.1", NULL}, &others, &error), 0);
        orient.addresses = &others; /* which is all that is asked for from now on */
        assert_false(counts_on(&orient, 7, before, &sample));
        assert_int_equal(orient.counts.skipped_address, 28);
        orient.addresses = NULL;

        assert_int_equal(system("ip addr del 10.7.0.1/24 dev d0"), 0);
        assert_int_equal(interfaces_update(interfaces), 1);
        after = interfaces_changed_usec(interfaces) + 1;
        assert_int_equal(direction_at(&orient, after), DIRECTION_FORWARDED);
        assert_int_equal(direction_at(&orient, before), DIRECTION_OUT); /* it was there when that was sent */
        assert_int_equal(direction_at(&orient, after), DIRECTION_FORWARDED);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_refused),        cmocka_unit_test(test_each_packet_once),
                cmocka_unit_test(test_filter_changes), cmocka_unit_test(test_wakes_for_devices),
                cmocka_unit_test(test_engine_choose),
                cmocka_unit_test(test_remembered),
        };

        return cmocka_run_group_tests_name("choose", tests, NULL, NULL);
}
