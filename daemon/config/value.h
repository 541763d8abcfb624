/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What of a type's values is allowed. */
struct value_range {
        uint64_t min, max;        /* of numbers, spans and sizes; max UINT64_MAX: up to infinity */
        const char *const *words; /* that it may be; ended by NULL */
};

/* A kind of value: how it is read, written, compared and freed. The field is a part of struct config. */
struct value_type {
        size_t size;  /* of the field */
        bool is_list; /* reading appends */

        /* Returns 0; -EINVAL: no such value; -ERANGE: outside of the range; -E2BIG: a list grew too long;
         * -ENOMEM. The field is untouched on failure. text is not empty. */
        int (*read)(void *field, const char *text, const struct value_range *range);
        void (*write)(const void *field, FILE *out);
        bool (*equal)(const void *a, const void *b);
        void (*clear)(void *field); /* frees it and makes it zero */

        const char *what; /* "a whole number": what messages call it; NULL where the range says it all */

        /* What of them is allowed, such as "1..64" or "auto|pcap"; NULL where `what` says it all. */
        void (*describe)(const struct value_range *range, char *text, size_t size);
};

extern const struct value_type value_number;    /* uint32_t */
extern const struct value_type value_span;      /* uint64_t, µs */
extern const struct value_type value_size;      /* uint64_t, bytes */
extern const struct value_type value_word;      /* const char *, static */
extern const struct value_type value_level;     /* int, of syslog(3) */
extern const struct value_type value_text;      /* char *: one line of anything */
extern const struct value_type value_path;      /* char *: absolute */
extern const struct value_type value_devices;   /* char **: names and patterns */
extern const struct value_type value_addresses; /* char **: IPv4 and IPv6 */

/* No setting is a longer list. */
#define VALUE_LIST_MAX 256u
