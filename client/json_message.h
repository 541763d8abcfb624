/* SPDX-License-Identifier: MIT */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>

/* An answer, which must be one value of that type, as JSON: whatever netflowd is, it may be another one. Returns 0
 * with *ret_json, which the caller puts, or a negative errno: -EBADMSG for another type. */
int json_from_reply(sd_bus_message *reply, const char *type, struct json_object **ret_json);

/* The next value of a message as JSON, whatever its type: dictionaries become objects, (xtt) of a ring
 * becomes {"timestamp", "in", "out"}, other structures arrays. The caller puts *ret_json. Returns 0 or a negative
 * errno of sd-bus. */
int json_from_message(sd_bus_message *message, struct json_object **ret_json);

/* How many elements an array has: none, where it is something else. */
size_t json_array_size(struct json_object *json);

/* Prints a value on the line under way. */
void json_print_value(struct json_object *json);

/* Prints one document and a newline: on several lines where `pretty`. */
void json_print(struct json_object *json, bool pretty);
