/* SPDX-License-Identifier: MIT */
#pragma once

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/macros.h"

/* One network interface, as rtnetlink(7) shows it. */
struct interface {
        uint32_t ifindex; /* key */
        uint32_t flags;   /* IFF_*, netdevice(7) */
        uint32_t master;  /* ifindex of the bridge or bond it is a port of; 0: none */
        char name[IF_NAMESIZE];
};

/* The interfaces and addresses of this network namespace, kept up to date. */
struct interfaces;

/* Reads them and subscribes to changes. Returns 0 or a negative errno. */
int interfaces_new(struct interfaces **ret_interfaces);
void interfaces_free(struct interfaces *interfaces);
DEFINE_CLEANUP(struct interfaces *, interfaces_free)

/* Takes in what changed since: costs one recv(2) when nothing did. An overrun of the notifications only
 * means that all is read anew. Returns 1 when something changed, 0 when not, a negative errno when it could
 * not be read: then what was known before stands, and the next call tries again. */
int interfaces_update(struct interfaces *interfaces);

/* NULL: none of that index. Good until the next interfaces_update(). */
const struct interface *interfaces_get(const struct interfaces *interfaces, uint32_t ifindex);

/* Is this (v4-mapped) address one that packets to this host carry: its own, a broadcast address of its
 * networks, or multicast? */
bool interfaces_is_ours(const struct interfaces *interfaces, const struct in6_addr *address);
