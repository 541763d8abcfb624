/* SPDX-License-Identifier: MIT */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* A 5-tuple as this host sees it. Addresses are IPv6; IPv4 ones are v4-mapped (RFC 4291 section 2.5.5.2),
 * which is also how a dual-stack socket shows them. Compared and hashed as bytes, so padding is named and
 * zero. */
struct flow_key {
        struct in6_addr local;
        struct in6_addr remote;
        uint16_t local_port;  /* host order; for ICMP echo the identifier, on the side that asked; else 0 */
        uint16_t remote_port; /* host order */
        uint16_t netns; /* network namespace of the local end: 0 ours, else as struct interface has it */
        uint8_t protocol;     /* IPPROTO_*: the transport behind all extension headers */
        uint8_t padding;
};
_Static_assert(sizeof(struct flow_key) == 40, "flow keys are hashed as bytes: no hidden padding");

/* :: or 0.0.0.0. */
static inline bool address_is_unspecified(const struct in6_addr *address) {
        static const struct in6_addr any_ipv4 = {.s6_addr = {[10] = 0xff, 0xff}};

        return IN6_IS_ADDR_UNSPECIFIED(address) || memcmp(address, &any_ipv4, sizeof(any_ipv4)) == 0;
}

static inline bool flow_key_is_ipv4(const struct flow_key *key) {
        return IN6_IS_ADDR_V4MAPPED(&key->local);
}

/* The same packet seen from the other end. */
static inline struct flow_key flow_key_reverse(const struct flow_key *key) {
        return (struct flow_key){
                .local = key->remote,
                .remote = key->local,
                .local_port = key->remote_port,
                .remote_port = key->local_port,
                .netns = key->netns,
                .protocol = key->protocol,
        };
}
