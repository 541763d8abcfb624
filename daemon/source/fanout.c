/* SPDX-License-Identifier: MIT */
#include "source/fanout.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <stdint.h>
#include <sys/socket.h>

/* The number of the group in the lower 16 bits, how they share above: packet(7), PACKET_FANOUT. */
static uint32_t argument(uint32_t group, uint32_t flags) {
        return group | (PACKET_FANOUT_HASH | flags) << 16;
}

int fanout_join(int fd, int *group) {
        /* a number that nobody else in this network namespace has, which may be many: the kernel's to choose */
        uint32_t wanted = *group < 0 ? argument(0, PACKET_FANOUT_FLAG_UNIQUEID) : argument((uint32_t) *group, 0), got;
        socklen_t size = sizeof(got);

        if (setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &wanted, sizeof(wanted)) < 0 ||
            getsockopt(fd, SOL_PACKET, PACKET_FANOUT, &got, &size) < 0)
                return -errno;
        *group = (int) (got & 0xffff);
        return 0;
}
