/* SPDX-License-Identifier: MIT */
#include "json_message.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "dbus/json_text.h"
#include "dbus/org.netflowd1.h"
#include "util.h"

static int basic_json(sd_bus_message *message, char type, struct json_object **ret_json) {
        union {
                const char *text;
                uint8_t byte;
                int truth;
                int16_t i16;
                uint16_t u16;
                int32_t i32;
                uint32_t u32;
                int64_t i64;
                uint64_t u64;
                double real;
        } value;
        int r;

        r = sd_bus_message_read_basic(message, type, &value);
        if (r < 0)
                return r;
        switch (type) {
        case 's':
        case 'o':
        case 'g':
                *ret_json = json_object_new_string(value.text);
                break;
        case 'b':
                *ret_json = json_object_new_boolean(value.truth);
                break;
        case 'y':
                *ret_json = json_object_new_int(value.byte);
                break;
        case 'n':
                *ret_json = json_object_new_int(value.i16);
                break;
        case 'q':
                *ret_json = json_object_new_int(value.u16);
                break;
        case 'i':
                *ret_json = json_object_new_int(value.i32);
                break;
        case 'u':
                *ret_json = json_object_new_int64(value.u32);
                break;
        case 'x':
                *ret_json = json_object_new_int64(value.i64);
                break;
        case 't':
                *ret_json = json_object_new_uint64(value.u64);
                break;
        case 'd':
                *ret_json = json_object_new_double(value.real);
                break;
        default:
                return -EBADMSG;
        }
        return *ret_json ? 0 : -ENOMEM;
}

/* Take the value, which is NULL where there was no memory for it. */
static int object_add(struct json_object *object, const char *key, struct json_object *value) {
        if (value && json_object_object_add(object, key, value) == 0)
                return 0;
        json_object_put(value);
        return -ENOMEM;
}

static int array_add(struct json_object *array, struct json_object *value) {
        if (value && json_object_array_add(array, value) == 0)
                return 0;
        json_object_put(value);
        return -ENOMEM;
}

static int add_entry(sd_bus_message *message, struct json_object *object) {
        struct json_object *value = NULL;
        const char *key;
        int r;

        r = sd_bus_message_read_basic(message, 's', &key);
        if (r < 0)
                return r;
        r = json_from_message(message, &value);
        return r < 0 ? r : object_add(object, key, value);
}

static int add_bucket(sd_bus_message *message, struct json_object *array) {
        struct json_object *bucket;
        uint64_t in, out;
        int64_t second;
        int r;

        r = sd_bus_message_read(message, "xtt", &second, &in, &out);
        if (r < 0)
                return r;
        bucket = json_object_new_object();
        if (!bucket)
                return -ENOMEM;
        r = object_add(bucket, NETFLOWD_KEY_TIMESTAMP, json_object_new_int64(second));
        if (r >= 0)
                r = object_add(bucket, NETFLOWD_KEY_IN, json_object_new_uint64(in));
        if (r >= 0)
                r = object_add(bucket, NETFLOWD_KEY_OUT, json_object_new_uint64(out));
        if (r < 0) {
                json_object_put(bucket);
                return r;
        }
        return array_add(array, bucket);
}

static int add_item(sd_bus_message *message, struct json_object *array) {
        struct json_object *value = NULL;
        int r;

        r = json_from_message(message, &value);
        return r < 0 ? r : array_add(array, value);
}

/* Reads each element of the container that is about to be entered by `add`. */
static int container_json(sd_bus_message *message, char type, const char *contents, char element,
                          const char *element_contents, int (*add)(sd_bus_message *, struct json_object *),
                          struct json_object *json) {
        int r;

        r = sd_bus_message_enter_container(message, type, contents);
        if (r < 0)
                return r;
        while ((r = sd_bus_message_at_end(message, false)) == 0) {
                if (element) {
                        r = sd_bus_message_enter_container(message, element, element_contents);
                        if (r < 0)
                                return r;
                }
                r = add(message, json);
                if (r >= 0 && element)
                        r = sd_bus_message_exit_container(message);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

static int array_json(sd_bus_message *message, const char *contents, struct json_object *json) {
        if (contents[0] == '{') {
                _cleanup_free_ char *entry = strndup(contents + 1, strlen(contents) - 2);

                return entry ? container_json(message, 'a', contents, 'e', entry, add_entry, json) : -ENOMEM;
        }
        if (strcmp(contents, "(xtt)") == 0)
                return container_json(message, 'a', contents, 'r', "xtt", add_bucket, json);
        return container_json(message, 'a', contents, 0, NULL, add_item, json);
}

static int variant_json(sd_bus_message *message, const char *contents, struct json_object **ret_json) {
        int r;

        r = sd_bus_message_enter_container(message, 'v', contents);
        if (r >= 0)
                r = json_from_message(message, ret_json);
        return r < 0 ? r : sd_bus_message_exit_container(message);
}

int json_from_message(sd_bus_message *message, struct json_object **ret_json) {
        struct json_object *json = NULL;
        const char *contents;
        char type;
        int r;

        r = sd_bus_message_peek_type(message, &type, &contents);
        if (r < 0)
                return r;
        if (r == 0)
                return -ENXIO;
        if (type == 'v')
                return variant_json(message, contents, ret_json);
        if (type != 'a' && type != 'r')
                return basic_json(message, type, ret_json);

        json = type == 'a' && contents[0] == '{' ? json_object_new_object() : json_object_new_array();
        if (!json)
                return -ENOMEM;
        r = type == 'a' ? array_json(message, contents, json)
                        : container_json(message, 'r', contents, 0, NULL, add_item, json);
        if (r < 0) {
                json_object_put(json);
                return r;
        }
        *ret_json = json;
        return 0;
}

int json_from_reply(sd_bus_message *reply, const char *type, struct json_object **ret_json) {
        return sd_bus_message_has_signature(reply, type) > 0 ? json_from_message(reply, ret_json) : -EBADMSG;
}

size_t json_array_size(struct json_object *json) {
        return json_object_is_type(json, json_type_array) ? json_object_array_length(json) : 0;
}

/* Indented by so many levels; depth < 0: all on one line. */
static void new_line(int depth) {
        if (depth < 0)
                return;
        (void) putchar('\n');
        for (int i = 0; i < depth; i++)
                (void) fputs("  ", stdout);
}

static void write_value(struct json_object *json, int depth);

static void write_object(struct json_object *object, int depth) {
        int deeper = depth < 0 ? depth : depth + 1;
        const char *separator = "";

        (void) putchar('{');
        json_object_object_foreach(object, key, value) {
                (void) fputs(separator, stdout);
                new_line(deeper);
                json_write_text(stdout, key);
                (void) fputs(depth < 0 ? ":" : ": ", stdout);
                write_value(value, deeper);
                separator = ",";
        }
        if (*separator)
                new_line(depth);
        (void) putchar('}');
}

static void write_array(struct json_object *array, int depth) {
        int deeper = depth < 0 ? depth : depth + 1;
        size_t n = json_object_array_length(array);

        (void) putchar('[');
        for (size_t i = 0; i < n; i++) {
                (void) fputs(i > 0 ? "," : "", stdout);
                new_line(deeper);
                write_value(json_object_array_get_idx(array, i), deeper);
        }
        if (n > 0)
                new_line(depth);
        (void) putchar(']');
}

/* Not by json-c, which writes into memory first and, where there is none left, what fits as if it were all. */
static void write_value(struct json_object *json, int depth) {
        switch (json_object_get_type(json)) {
        case json_type_null:
                (void) fputs("null", stdout);
                return;
        case json_type_boolean:
                (void) fputs(json_object_get_boolean(json) ? "true" : "false", stdout);
                return;
        case json_type_double:
                if (isfinite(json_object_get_double(json)))
                        (void) printf("%.17g", json_object_get_double(json));
                else
                        (void) fputs("null", stdout); /* JSON has no other word for it */
                return;
        case json_type_int:
                if (json_object_get_int64(json) < 0)
                        (void) printf("%" PRId64, json_object_get_int64(json));
                else
                        (void) printf("%" PRIu64, json_object_get_uint64(json));
                return;
        case json_type_string:
                json_write_text(stdout, json_object_get_string(json));
                return;
        case json_type_object:
                write_object(json, depth);
                return;
        case json_type_array:
                write_array(json, depth);
                return;
        }
}

void json_print_value(struct json_object *json) {
        write_value(json, -1);
}

void json_print(struct json_object *json, bool pretty) {
        write_value(json, pretty ? 0 : -1);
        (void) putchar('\n');
}
