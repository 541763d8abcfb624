/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct verb;

/* What the command line asks for. */
struct arguments {
        const struct verb *verb;
        uint32_t pid;    /* of `show` and `flows`; 0: none named */
        uint32_t limit;  /* rows of the rank; 0: all */
        uint32_t recent; /* window, seconds */
        uint32_t watch;  /* seconds between repetitions; 0: once */
        bool json, standalone;
        bool no_legend, no_pager;
};

/* Reads the command line, and answers --help and --version itself. Returns true with *ret_arguments set, or
 * false with *ret_status: how to exit, what is wrong having been said. */
bool arguments_read(int argc, char **argv, struct arguments *ret_arguments, int *ret_status);
