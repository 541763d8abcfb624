/* SPDX-License-Identifier: MIT */
#include "bus/call_copy.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "util/macros.h"

/* Deeper than any argument of any method: an option that is a list of strings is a{sv}, v, as. */
#define DEPTH_MAX 8u

/* What is counted for anything, so that walking through many that are empty ends soon, too. */
#define ITEM_BYTES 8u

static int measure_basic(sd_bus_message *call, char type, bool first, size_t *bytes_left) {
        union {
                const char *text;
                int fd;
                uint64_t number;
        } value;
        size_t bytes = ITEM_BYTES;
        int r;

        if (type == SD_BUS_TYPE_UNIX_FD && !first)
                return -E2BIG;
        r = sd_bus_message_read_basic(call, type, &value);
        if (r < 0)
                return r;
        if (type == SD_BUS_TYPE_STRING || type == SD_BUS_TYPE_OBJECT_PATH || type == SD_BUS_TYPE_SIGNATURE)
                bytes += strlen(value.text);
        if (bytes > *bytes_left)
                return -E2BIG;
        *bytes_left -= bytes;
        return 0;
}

static int measure(sd_bus_message *call, unsigned depth, size_t *bytes_left) {
        const char *contents;
        bool first = depth == 0;
        char type;
        int r;

        while ((r = sd_bus_message_peek_type(call, &type, &contents)) > 0) {
                bool is_container = type == SD_BUS_TYPE_ARRAY || type == SD_BUS_TYPE_VARIANT ||
                                    type == SD_BUS_TYPE_STRUCT || type == SD_BUS_TYPE_DICT_ENTRY;

                if (!is_container)
                        r = measure_basic(call, type, first, bytes_left);
                else if (depth == DEPTH_MAX || *bytes_left < ITEM_BYTES)
                        r = -E2BIG;
                else {
                        *bytes_left -= ITEM_BYTES;
                        r = sd_bus_message_enter_container(call, type, contents);
                        if (r >= 0)
                                r = measure(call, depth + 1, bytes_left);
                        if (r >= 0)
                                r = sd_bus_message_exit_container(call);
                }
                if (r < 0)
                        return r;
                first = false;
        }
        return r;
}

static int copy(sd_bus_message *call, sd_bus_message **ret_copy) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        uint64_t cookie;
        int r;

        r = sd_bus_message_new_method_call(sd_bus_message_get_bus(call), &message, NULL,
                                           sd_bus_message_get_path(call), sd_bus_message_get_interface(call),
                                           sd_bus_message_get_member(call));
        if (r < 0)
                return r;
        if (sd_bus_message_get_sender(call))
                r = sd_bus_message_set_sender(message, sd_bus_message_get_sender(call));
        if (r >= 0)
                r = sd_bus_message_set_expect_reply(message, sd_bus_message_get_expect_reply(call) > 0);
        if (r >= 0)
                r = sd_bus_message_set_allow_interactive_authorization(
                        message, sd_bus_message_get_allow_interactive_authorization(call) > 0);
        if (r >= 0)
                r = sd_bus_message_copy(message, call, true);
        if (r >= 0)
                r = sd_bus_message_get_cookie(call, &cookie);
        if (r >= 0)
                r = sd_bus_message_seal(message, cookie, 0);
        if (r >= 0)
                r = sd_bus_message_rewind(message, true);
        if (r < 0)
                return r;

        *ret_copy = TAKE_PTR(message);
        return 0;
}

int call_copy(sd_bus_message *call, size_t max_bytes, sd_bus_error *ret_error, sd_bus_message **ret_copy,
              size_t *ret_bytes) {
        size_t bytes_left = max_bytes;
        int r;

        r = sd_bus_message_rewind(call, true);
        if (r >= 0)
                r = measure(call, 0, &bytes_left);
        if (r == -E2BIG)
                return sd_bus_error_setf(
                        ret_error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                        "The arguments of this call are more than the %zu bytes that it can need",
                        max_bytes);
        if (r >= 0)
                r = sd_bus_message_rewind(call, true);
        if (r >= 0)
                r = copy(call, ret_copy);
        if (r < 0)
                return r;

        *ret_bytes = max_bytes - bytes_left;
        return 0;
}
