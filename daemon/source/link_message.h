/* SPDX-License-Identifier: MIT */
#pragma once

#include <linux/netlink.h>

#include "source/interfaces.h"

/* Reads an RTM_NEWLINK message, whole as libmnl hands it over. Returns 0 with *ret_interface set but for the
 * list of what lies above it, or -EBADMSG when it is none. */
int link_message_parse(const struct nlmsghdr *message, struct interface *ret_interface);
