/* SPDX-License-Identifier: MIT */
#pragma once

#include <pcap/pcap.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "source/source.h"
#include "util/macros.h"

/* A filter, compiled once for each link type that it is to be used with, so that neither names are asked for
 * nor time is spent when a device appears. */
struct filter;

/* The link types that chosen devices have, and that of `any`. */
#define FILTER_DEVICES 0x1u
#define FILTER_ANY     0x2u

/* Is it none? */
bool filter_is_blank(const char *text);

/* Compiles text, or with NULL only ours, to copy snaplen bytes of what matches. That is done in a process of
 * its own: looking names up may take long, compiling a long text may never end. It has FILTER_SECONDS; until
 * then, meanwhile (or NULL) is called every few milliseconds. Returns 0; -EINVAL with *ret_error in
 * libpcap's words when it compiles for none of these link types; -ETIMEDOUT; or another negative errno. */
#define FILTER_SECONDS   2
#define FILTER_BYTES_MAX 65535u
int filter_new(const char *text, uint32_t snaplen, unsigned link_types, const struct source_waiting *waiting,
               struct filter **ret_filter, struct source_error *ret_error);
void filter_free(struct filter *filter);
DEFINE_CLEANUP(struct filter *, filter_free)

/* For pcap_setfilter(3PCAP); belongs to the filter. Returns 0, -EINVAL with *ret_error when it does not
 * compile for that link type, or -EPROTONOSUPPORT for one it was not meant for. */
int filter_program(const struct filter *filter, int link_type, struct bpf_program *ret_program,
                   struct source_error *ret_error);
