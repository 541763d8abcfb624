/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "decode/decode.h"
#include "decode/repeat.h"
#include "support.h"

/* LINKTYPE_LINUX_SLL2, the largest value there is */
#define LINK_TYPES 277

/* Of the packet's second half, what the first half tells is what it is decoded to. */
static void check_repeat(int link_type, const uint8_t *data, size_t size) {
        struct repeat repeat = {};
        enum unattributed reason;
        struct packet packet;
        uint32_t bytes;

        if (decode_packet(link_type, data, size / 2, size / 2, &packet, &reason) < 0 ||
            !repeat_set(&repeat, link_type, data, size / 2, &packet) ||
            !repeat_is(&repeat, data + size / 2, size - size / 2, size - size / 2, &bytes))
                return;
        expect(decode_packet(link_type, data + size / 2, size - size / 2, size - size / 2, &packet, &reason) == 0);
        expect(packet.bytes == bytes && !packet.connection_start);
}

/* Two bytes: link type. One: the square root of half of what the snaplen cut off, so that super-packets can
 * be had too. The rest is the packet. `make.py --corpus` in tests/golden writes inputs to start with. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const struct flow_key none;
        enum unattributed reason = UNATTRIBUTED_MAX;
        struct packet packet, nothing;
        size_t wire_length;
        int link_type, r;

        if (size < 3)
                return 0;
        link_type = (data[0] << 8 | data[1]) % LINK_TYPES;
        wire_length = size - 3 + (size_t) 2 * data[2] * data[2];
        check_repeat(link_type, data + 3, size - 3);

        r = decode_packet(link_type, data + 3, size - 3, wire_length, &packet, &reason);
        expect(packet.bytes <= wire_length);
        if (r < 0) {
                expect(r == -EBADMSG && reason < UNATTRIBUTED_MAX);
                expect(memcmp(&packet.key, &none, sizeof(none)) == 0 && packet.fragment == FRAGMENT_NONE);
                return 0;
        }
        expect(r == 0);
        (void) decode_packet(link_type, data, 0, 0, &nothing, &reason); /* of one that is decoded */
        expect(reason != UNATTRIBUTED_LINK_TYPE);
        expect(packet.bytes >= (flow_key_is_ipv4(&packet.key) ? 20 : 40));
        expect(packet.fragment != FRAGMENT_LATER ||
               (packet.key.local_port == 0 && packet.key.remote_port == 0));
        return 0;
}
