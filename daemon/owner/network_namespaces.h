/* SPDX-License-Identifier: MIT */
#pragma once

#include <netinet/in.h>
#include <stdint.h>

#include "owner/sock_diag.h"
#include "util/macros.h"

/* The sockets of other network namespaces, where a process that can be seen lives in one. None is held on
 * to: what is opened there is closed again when all that was to be asked at one time has been. */
struct network_namespaces;

/* Returns 0; -EPERM where they cannot be entered (CAP_SYS_ADMIN); another negative errno. */
int network_namespaces_new(const char *proc_root, struct network_namespaces **ret_namespaces);
void network_namespaces_free(struct network_namespaces *namespaces);
DEFINE_CLEANUP(struct network_namespaces *, network_namespaces_free)

/* Whom to ask about the sockets of one (numbered as flow_key.netns) that has this address. Returns 1 with
 * *ret_diag, good until network_namespaces_leave(); 0: no such namespace is seen, it has no such address or
 * cannot be entered; -EAGAIN: ask later. now_usec: CLOCK_MONOTONIC. */
int network_namespaces_enter(struct network_namespaces *namespaces, uint16_t netns,
                             const struct in6_addr *address, uint64_t now_usec, struct sock_diag **ret_diag);

/* Closes all that was opened. */
void network_namespaces_leave(struct network_namespaces *namespaces);
