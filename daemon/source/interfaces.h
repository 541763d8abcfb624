/* SPDX-License-Identifier: MIT */
#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/macros.h"

/* What a device does with packets, as far as it matters to counting each of them once. */
enum interface_kind {
        INTERFACE_PLAIN,   /* none of these */
        INTERFACE_VLAN,    /* takes the frames with its tag from the device below it */
        INTERFACE_MACVLAN, /* takes those with its MAC address (macvlan, macvtap) */
        INTERFACE_IPVLAN,  /* takes those with its IP addresses (ipvlan, ipvtap) */
        INTERFACE_IFB,     /* shows packets of other devices that tc(8) redirects to it, on their way */
        INTERFACE_VRF,     /* a master whose ports go on showing what is theirs */
        INTERFACE_TUNNEL,  /* its packets travel inside packets of another device */
};

/* One network interface, as rtnetlink(7) shows it. */
struct interface {
        uint32_t ifindex; /* key */
        uint32_t flags;   /* IFF_*, netdevice(7) */
        uint32_t master;  /* ifindex of the bridge or bond it is a port of; 0: none */
        uint32_t lower;   /* ifindex of the device below it, in this namespace; 0: none */

        /* those that take packets from this one: a list through next_upper, of ifindexes, ended by 0 */
        uint32_t first_upper, next_upper;

        enum interface_kind kind;
        uint16_t arp_type; /* ARPHRD_*, linux/if_arp.h */
        uint16_t peer_netns; /* of a veth: the network namespace of its other end, which is 1 + the id that
                              * this one has for it (ip-netns(8), list-id); 0: this one, or none of that */
        uint16_t vlan_id;  /* INTERFACE_VLAN */
        bool has_mac;
        uint8_t mac[6];
        char name[IF_NAMESIZE];
        bool gone; /* it was there a moment ago: what it captured is still to be read */
};

/* The interfaces and addresses of this network namespace, kept up to date. */
struct interfaces;

/* Reads them and subscribes to changes. Returns 0 or a negative errno. */
int interfaces_new(struct interfaces **ret_interfaces);

/* Those that a dump of links and one of addresses tell of, as rtnetlink(7) sent them, and never others: for
 * hosts that have what this one cannot. Returns 0, -EBADMSG for what is no such dump, or -ENOMEM. */
int interfaces_new_from(const void *dump, size_t size, struct interfaces **ret_interfaces);

void interfaces_free(struct interfaces *interfaces);
DEFINE_CLEANUP(struct interfaces *, interfaces_free)

/* Takes in what changed since: costs one recv(2) when nothing did. An overrun of the notifications only
 * means that all is read anew. Returns 1 when something changed, 0 when not, a negative errno when it could
 * not be read: then what was known before stands, and the next call tries again. */
int interfaces_update(struct interfaces *interfaces);

/* Becomes readable when there is something for interfaces_update(); -1: never. */
int interfaces_fd(const struct interfaces *interfaces);

/* Is it known that something changed, without its having been read? Then interfaces_update() is due. */
bool interfaces_are_stale(const struct interfaces *interfaces);

/* Another number after each change. */
uint64_t interfaces_generation(const struct interfaces *interfaces);

/* When the last change was read, CLOCK_REALTIME: for packets with later stamps, all that there is to ask gives the same
 * answer until the next change. 0: nothing ever changes. */
uint64_t interfaces_changed_usec(const struct interfaces *interfaces);

/* NULL: none of that index. Good until the next interfaces_update(). */
const struct interface *interfaces_get(const struct interfaces *interfaces, uint32_t ifindex);

/* The same, or one that is gone: for packets, which are read a moment after they passed. */
const struct interface *interfaces_get_recent(const struct interfaces *interfaces, uint32_t ifindex);

/* Walks all that are there in no particular order: start with *cursor = 0, ends with NULL. */
const struct interface *interfaces_next(const struct interfaces *interfaces, uint32_t *cursor);

/* Is this (v4-mapped) address one that packets to this host carry: its own, a broadcast address of its
 * networks, or multicast? time_usec (CLOCK_REALTIME) is the packet's stamp: packets are read a moment after
 * they passed, and an address may have gone meanwhile. */
bool interfaces_is_ours(const struct interfaces *interfaces, const struct in6_addr *address,
                        uint64_t time_usec);

/* Has, or had then, just this interface that address? */
bool interfaces_address_is_on(const struct interfaces *interfaces, const struct in6_addr *address,
                              uint32_t ifindex, uint64_t time_usec);
