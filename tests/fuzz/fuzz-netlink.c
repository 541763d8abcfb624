/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "kernel/bpf_cgroup_path.h"
#include "owner/sock_diag.h"
#include "source/bpf_deltas.h"
#include "source/orient.h"
#include "support.h"

/* What the kernel says in binary: answers of sock_diag(7), dumps of rtnetlink(7), entries of the bpf maps. */

static void read_socket(const uint8_t *data, size_t size) {
        struct socket_info socket;
        int r;

        r = parse_inet_diag(data, size, &socket);
        expect(r == 0 || r == -EBADMSG);
}

/* Does each list of devices above another one end? */
static void follow_uppers(const struct interfaces *interfaces, const struct interface *interface, size_t n) {
        size_t length = 0;

        for (uint32_t i = interface->first_upper; i != 0;) {
                const struct interface *upper = interfaces_get(interfaces, i);

                expect(upper && upper->lower == interface->ifindex && ++length <= n);
                i = upper->next_upper;
        }
}

/* An UDP datagram in a frame of VLAN 100 is what is asked about with each of them. */
static void orient_on(const struct interfaces *interfaces, uint32_t ifindex) {
        static const uint8_t frame[] = {
                2, 0,    0,    0, 0, 2,  2, 0, 0,  0,  0,   1, 0x81, 0, 0,   100,       /* Ethernet, 802.1Q */
                8, 0,    0x45, 0, 0, 28, 0, 1, 0,  0,  64,  17, 0,   0, 192, 0,    2, 1, /* IPv4 */
                198, 51, 100,  2, 0x9c, 0x40, 0, 53, 0, 8, 0, 0,                         /* UDP */
        };
        struct orient orient = {.link_type = 1 /* LINKTYPE_ETHERNET */, .ifindex = ifindex, .interfaces = interfaces};
        struct sample sample;

        if (orient_packet(&orient, frame, sizeof(frame), sizeof(frame), 1, &sample))
                expect(sample.bytes == 28 && sample.ifindex == ifindex);
        else
                expect(orient.counts.skipped_enslaved + orient.counts.skipped_stacked == 28);
}

static void read_interfaces(const uint8_t *data, size_t size) {
        _cleanup_(interfaces_freep) struct interfaces *interfaces = NULL;
        const struct interface *interface;
        uint32_t cursor = 0;
        size_t n = 0;
        int r;

        r = interfaces_new_from(data, size, &interfaces);
        expect(r == 0 || r == -EBADMSG);
        if (r < 0)
                return;
        while (interfaces_next(interfaces, &cursor))
                n++;
        cursor = 0;
        while ((interface = interfaces_next(interfaces, &cursor))) {
                expect(interface->ifindex != 0 && memchr(interface->name, '\0', sizeof(interface->name)));
                follow_uppers(interfaces, interface, n);
                orient_on(interfaces, interface->ifindex);
        }
}

static void on_sample(const struct sample *sample, void *userdata) {
        struct bpf_sums *sums = userdata;

        expect(!sample->owner != !sample->keyless);
        expect(!sample->owner || memchr(sample->owner->name, '\0', sizeof(sample->owner->name)));
        sums->bytes += sample->bytes;
        sums->packets += sample->packets;
}

/* As many entries, each behind its key, as there are; a last one may be cut off. */
static void read_entries(const uint8_t *data, size_t size) {
        static const uint64_t times[2] = {1000000, 2000000};
        _cleanup_(bpf_deltas_freep) struct bpf_deltas *deltas = NULL;
        struct bpf_sums told = {}, handed = {};
        struct {
                uint64_t key;
                struct account_process process;
        } entry;
        struct account_handshake handshake = {};

        expect(bpf_deltas_new(4, &deltas) == 0);
        memcpy(&handshake, data, size < sizeof(handshake) ? size : sizeof(handshake));
        bpf_deltas_handshake(&handshake, times[0], on_sample, &handed, &told);
        for (size_t n; size > 0; data += n, size -= n) {
                n = size < sizeof(entry) ? size : sizeof(entry);
                memset(&entry, 0, sizeof(entry));
                memcpy(&entry, data, n);
                if (bpf_deltas_take(deltas, entry.key, &entry.process, NULL, times, on_sample, &handed, &told) == 1)
                        bpf_deltas_forget(deltas, entry.key);
        }
        expect(told.bytes == handed.bytes && told.packets == handed.packets);
}

static void read_path(const uint8_t *data, size_t size) {
        struct account_cgroup cgroup = {};
        char *path = NULL;

        memcpy(&cgroup, data, size < sizeof(cgroup) ? size : sizeof(cgroup));
        if (bpf_cgroup_path(&cgroup, &path) == 0)
                expect(*path == '/');
        free(path);
}

/* One byte says what it is, and three more keep the rest aligned. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static void (*const readers[])(const uint8_t *, size_t) = {read_socket, read_interfaces, read_entries,
                                                                    read_path};
        uint8_t *copy;

        if (size < 4)
                return 0;
        copy = fuzz_copy(data + 4, size - 4);
        readers[data[0] % ELEMENTSOF(readers)](copy, size - 4);
        free(copy);
        return 0;
}
