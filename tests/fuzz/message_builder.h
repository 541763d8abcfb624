/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

/* Input of a fuzzer, taken from its beginning; what is beyond its end reads as 0. */
struct fuzz_input {
        const uint8_t *data;
        size_t size;
};

/* The next bytes as a number, the lowest first; at most 8. */
uint64_t fuzz_number(struct fuzz_input *input, size_t bytes);

/* Words that the reader knows: they are likelier to be in the messages than by chance. */
struct fuzz_words {
        const char *const *words;
        size_t n; /* < 200 */
};

/* Appends values of these types, whatever the input says they are: values in variants are of any type. Messages are
 * well-formed, since sd-bus refuses others before anybody reads them. A descriptor ('h') is one of /dev/null. Returns
 * 0, or a negative errno of sd-bus, such as that the message has become too large. */
int fuzz_append(sd_bus_message *message, struct fuzz_input *input, const struct fuzz_words *words,
                const char *types);
