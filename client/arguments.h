/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct verb;

/* Names and patterns that one command line can have. */
#define DEVICES_MAX 64

/* What the command line asks for. */
struct arguments {
        const struct verb *verb;
        uint32_t pid;    /* of `show`, `flows` and `pcap`; 0: none named */
        uint32_t limit;  /* rows of the rank; 0: all */
        uint32_t recent; /* window, seconds */
        uint32_t watch;  /* seconds between repetitions; 0: once */
        const char *by;        /* NETFLOWD_BY_…; NULL: process */
        const char *sort;      /* NETFLOWD_SORT_…; NULL: total */
        const char *filter;    /* pcap-filter(7); NULL: none */
        const char *write;     /* where `pcap` writes to; "-": standard output */
        const char *unit;      /* of `pcap`; NULL: any */
        uint64_t timeout_usec; /* 0: none */
        uint64_t max_bytes;    /* of `pcap`; 0: no limit */
        bool has_timeout;
        const char *devices[DEVICES_MAX]; /* of `start`: names and patterns */
        size_t n_devices;                 /* 0: none named */
        const char *format;               /* of `monitor`: BAR_FORMAT_…; NULL: none */
        bool no_loopback; /* rows of `rank` and `top` are without what went over loopback */
        bool json, csv, standalone;
        bool no_legend, no_pager;
};

/* Reads the command line, and answers --help and --version itself. Returns true with *ret_arguments set, or
 * false with *ret_status: how to exit, what is wrong having been said. */
bool arguments_read(int argc, char **argv, struct arguments *ret_arguments, int *ret_status);
