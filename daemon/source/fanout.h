/* SPDX-License-Identifier: MIT */
#pragma once

/* Joins a packet(7) socket that is bound into a group whose members share the packets by the hash of their flow, the
 * same in both directions: what belongs together, fragments included, comes to the same member. *group: -1 for a
 * new group, whose number it then is. Returns 0 or a negative errno. */
int fanout_join(int fd, int *group);
