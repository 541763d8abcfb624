/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/owner.h"
#include "owner/owner_lookup.h"
#include "owner/socket_event.h"
#include "util/macros.h"

/* Which process used which socket, from when to when: out of what the kernel tells, for packets of a moment ago.
 * A tuple alone says nothing, as it goes from hand to hand within milliseconds. A connection is told by the stamp
 * of its SYN, or by all of its packets lying behind its beginning and before the next one on that tuple; a
 * datagram by all sockets that had its port at that time.
 *
 * Pure, and bounded: of more than that, those that were closed first are forgotten. Times are CLOCK_REALTIME. */
struct owner_history;

/* max_records: sockets, and changes of who uses one. Returns 0, -EINVAL or -ENOMEM. */
int owner_history_new(uint32_t max_records, struct owner_history **ret_history);
void owner_history_free(struct owner_history *history);
DEFINE_CLEANUP(struct owner_history *, owner_history_free)

/* What the kernel told, in its order. */
void owner_history_take(struct owner_history *history, const struct socket_event *event);

/* Forgets all, and knows nothing of packets from before since_usec; UINT64_MAX: of none. */
void owner_history_clear(struct owner_history *history);
void owner_history_trust(struct owner_history *history, uint64_t since_usec);

/* Whose are the packets in question? Sets *ret_owner with OWNER_RECALL_FOUND. */
enum owner_recall owner_history_find(const struct owner_history *history, const struct owner_question *question,
                                     struct owner *ret_owner);

/* Has the end of the flow that is here come to another process, or another socket, after after_usec and up to
 * until_usec? Of connections only the former: their sockets are told by a SYN. Sockets that bear its port are
 * rarely anything but still, which costs one look into an array. */
bool owner_history_changed(const struct owner_history *history, const struct flow_key *key, uint64_t after_usec,
                           uint64_t until_usec);

/* Forgets what was closed before that time. */
void owner_history_expire(struct owner_history *history, uint64_t before_usec);

uint32_t owner_history_size(const struct owner_history *history); /* records */
