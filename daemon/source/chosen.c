/* SPDX-License-Identifier: MIT */
#include "source/chosen.h"

#include <errno.h>

#include "source/pattern.h"

/* As deep as masters may be nested: net/core/dev.c, MAX_NEST_DEV. */
#define NEST_MAX 8

static int by_ifindex(const void *a, const void *b) {
        const struct chosen *x = a, *y = b;

        return x->interface->ifindex < y->interface->ifindex ? -1
                                                             : x->interface->ifindex > y->interface->ifindex;
}

static const struct interface *chosen_master(const struct interfaces *interfaces,
                                             const char *const *patterns, const struct interface *port) {
        const struct interface *master = port;

        for (int depth = 0; depth < NEST_MAX && master->master != 0; depth++) {
                master = interfaces_get(interfaces, master->master);
                if (!master || master->kind == INTERFACE_VRF)
                        return NULL;
                if (patterns_match(patterns, master->name))
                        return master;
        }
        return NULL;
}

int choose_interfaces(const struct interfaces *interfaces, const char *const *patterns,
                      struct chosen **ret_chosen, size_t *ret_n) {
        _cleanup_free_ struct chosen *chosen = NULL;
        const struct interface *interface;
        size_t n = 0, allocated = 0;
        bool only_ifb = true;

        for (uint32_t cursor = 0; (interface = interfaces_next(interfaces, &cursor));) {
                if (!patterns_match(patterns, interface->name))
                        continue;
                if (n == allocated) {
                        struct chosen *larger = reallocarray(
                                chosen, allocated = MAX(2 * allocated, (size_t) 16), sizeof(*chosen));

                        if (!larger)
                                return -ENOMEM;
                        chosen = larger;
                }
                only_ifb = only_ifb && interface->kind == INTERFACE_IFB;
                chosen[n++] = (struct chosen){
                        .interface = interface,
                        .covered_by = chosen_master(interfaces, patterns, interface),
                };
        }
        for (size_t i = 0; i < n && !only_ifb; i++)
                if (chosen[i].interface->kind == INTERFACE_IFB)
                        chosen[i].covered_by = chosen[i].interface;
        if (n > 1)
                qsort(chosen, n, sizeof(*chosen), by_ifindex);
        *ret_chosen = TAKE_PTR(chosen);
        *ret_n = n;
        return 0;
}
