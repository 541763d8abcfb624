/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "model/sample.h"
#include "source/interfaces.h"
#include "source/source.h"
#include "util/macros.h"

/* Whole packets, for whoever wants to keep them: a handle of its own, so that counting goes on with headers
 * only, whatever is kept. */
struct packet_tap;

/* One packet of it. */
struct tapped_packet {
        const uint8_t *data;      /* captured bytes, link header first; good until the handler returns */
        uint32_t captured;        /* bytes there */
        uint32_t length;          /* bytes on the wire */
        uint64_t time_usec;       /* CLOCK_REALTIME */
        struct sample sample;     /* what the books would enter */
};

typedef void (*packet_handler)(const struct tapped_packet *packet, void *userdata);

/* filter: pcap-filter(7) on top of "ip or ip6", NULL: none. interfaces outlive the tap. Returns 0 or a
 * negative errno with *ret_error, as source_new(). */
int packet_tap_new(const char *filter, const struct interfaces *interfaces, struct packet_tap **ret_tap,
                   struct source_error *ret_error);
void packet_tap_free(struct packet_tap *tap);
DEFINE_CLEANUP(struct packet_tap *, packet_tap_free)

/* LINKTYPE_ of its packets and the most bytes of one, as a savefile's header names them. */
int packet_tap_link_type(const struct packet_tap *tap);
uint32_t packet_tap_snaplen(const struct packet_tap *tap);

/* Hands over what is there, at most about max_packets, without waiting; packets that do not count here (see
 * orient.h) are left out. Returns how many were read or a negative errno with *ret_error. */
int packet_tap_drain(struct packet_tap *tap, int max_packets, packet_handler handler, void *userdata,
                     struct source_error *ret_error);

/* Packets that the kernel had no room for. */
uint64_t packet_tap_dropped(struct packet_tap *tap);
