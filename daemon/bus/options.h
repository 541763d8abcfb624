/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-bus.h>

/* One option of a method, as its a{sv} may hold it. */
struct option_slot {
        const char *name;
        const char *type; /* of its value: "s", "t", "u", "b" or "as" */
        void *value; /* const char **, uint64_t *, uint32_t *, int * for "b", or char *** for "as": strv of
                      * the caller's to free; the others are good as long as the message */
        bool *given;      /* set where it is there; NULL: nobody asks */
};

/* Reads an a{sv}: what is not there stays untouched. An option that is not known, has another type or is
 * there twice is refused by name with InvalidArgs. Returns 0, or a negative errno with *ret_error set. */
int options_read(sd_bus_message *call, const struct option_slot *slots, size_t n, sd_bus_error *ret_error);
