/* SPDX-License-Identifier: MIT */
#include "bus/options.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "util/macros.h"

/* Far more than any method has. */
#define OPTIONS_MAX 32

static int find(const char *name, const struct option_slot *slots, size_t n, size_t *ret_index,
                sd_bus_error *ret_error) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(slots[i].name, name) == 0) {
                        *ret_index = i;
                        return 0;
                }
        return sd_bus_error_setf(ret_error, SD_BUS_ERROR_INVALID_ARGS, "Unknown option \"%s\"", name);
}

static int read_value(sd_bus_message *call, const struct option_slot *slot, sd_bus_error *ret_error) {
        const char *contents;
        char type;
        int r;

        r = sd_bus_message_peek_type(call, &type, &contents);
        if (r < 0)
                return r;
        if (strcmp(contents, slot->type) != 0)
                return sd_bus_error_setf(ret_error, SD_BUS_ERROR_INVALID_ARGS,
                                         "Option \"%s\" has the type %s, but must have %s", slot->name,
                                         contents, slot->type);
        r = sd_bus_message_enter_container(call, 'v', slot->type);
        if (r < 0)
                return r;
        r = strcmp(slot->type, "as") == 0 ? sd_bus_message_read_strv(call, slot->value)
                                          : sd_bus_message_read_basic(call, slot->type[0], slot->value);
        return r < 0 ? r : sd_bus_message_exit_container(call);
}

static int read_option(sd_bus_message *call, const struct option_slot *slots, size_t n, uint32_t *seen,
                       sd_bus_error *ret_error) {
        const char *name;
        size_t i = 0;
        int r;

        r = sd_bus_message_read(call, "s", &name);
        if (r < 0)
                return r;
        r = find(name, slots, n, &i, ret_error);
        if (r < 0)
                return r;
        if (*seen & 1u << i)
                return sd_bus_error_setf(ret_error, SD_BUS_ERROR_INVALID_ARGS, "Option \"%s\" is there twice",
                                         name);
        *seen |= 1u << i;
        r = read_value(call, &slots[i], ret_error);
        if (r >= 0 && slots[i].given)
                *slots[i].given = true;
        return r;
}

int options_read(sd_bus_message *call, const struct option_slot *slots, size_t n, sd_bus_error *ret_error) {
        uint32_t seen = 0;
        int r;

        if (n > OPTIONS_MAX)
                return -EINVAL;
        r = sd_bus_message_enter_container(call, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(call, 'e', "sv")) > 0) {
                r = read_option(call, slots, n, &seen, ret_error);
                if (r >= 0)
                        r = sd_bus_message_exit_container(call);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(call);
}
