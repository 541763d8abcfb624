/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "util/macros.h"

/* Names of users, from a passwd(5) file alone: asking the whole name service may wait for a network that is
 * down, and with it the daemon would. */
struct users;

/* path: "/etc/passwd", or a test's. Returns 0 or -ENOMEM. */
int users_new(const char *path, struct users **ret_users);
void users_free(struct users *users);
DEFINE_CLEANUP(struct users *, users_free)

/* The user's name, good until the next call; NULL when the file has none. The file is read anew when it
 * changed, which is looked at once a second; now_usec: CLOCK_MONOTONIC. */
const char *users_name(struct users *users, uid_t uid, uint64_t now_usec);
