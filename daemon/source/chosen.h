/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

#include "source/interfaces.h"
#include "util/macros.h"

/* An interface that is chosen, and where its packets are captured if not on itself. */
struct chosen {
        const struct interface *interface;
        const struct interface *
                covered_by; /* NULL: by none; itself for an ifb, whose packets are everywhere else */
};

/* Those that the patterns mean, by ifindex. A port whose master is chosen too is covered by that; an ifb by
 * all others where there are others, as it only shows again what tc(8) takes from them. Returns 0 or
 * -ENOMEM; the caller frees *ret_chosen, whose interfaces are good until the next interfaces_update(). */
int choose_interfaces(const struct interfaces *interfaces, const char *const *patterns,
                      struct chosen **ret_chosen, size_t *ret_n);
