/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "decode/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* First byte: link type; second: how much the snaplen cut off. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const int link_types[] = {0, 1, 9, 12, 50, 51, 101, 108, 113, 228, 229, 276};
        enum unattributed reason;
        struct packet packet;

        if (size < 2)
                return 0;
        (void) decode_packet(link_types[data[0] % 12], data + 2, size - 2, size - 2 + data[1], &packet,
                             &reason);
        if (packet.bytes > size - 2 + data[1])
                abort();
        return 0;
}
