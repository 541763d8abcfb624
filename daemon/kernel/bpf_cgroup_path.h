/* SPDX-License-Identifier: MIT */
#pragma once

#include "source/bpf/account.h"

/* The path that its names make, the outermost first: "nginx.service\0system.slice\0" → "/system.slice/
 * nginx.service". Returns 0, -EAGAIN when it has not been written yet, -ENAMETOOLONG, -EBADMSG, -ENOMEM. The
 * caller frees *ret_path. */
int bpf_cgroup_path(const struct account_cgroup *cgroup, char **ret_path);
