/* SPDX-License-Identifier: MIT */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>

/* The next value of a message as JSON, whatever its type: dictionaries become objects, (xtt) of a ring
 * becomes
 * {"timestamp", "in", "out"}, other structures arrays. The caller puts *ret_json. Returns 0 or a negative
 * errno of sd-bus. */
int json_from_message(sd_bus_message *message, struct json_object **ret_json);

/* Prints one document and a newline: on several lines where `pretty`. */
void json_print(struct json_object *json, bool pretty);
