/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>

#include "source/source.h"

/* In place of bpf_source.c where it is built without BPF: there is nothing but to say so. */
static int bpf_source_open(const struct source_config *config, void **ret_state,
                           struct source_error *ret_error) {
        (void) config;
        (void) ret_state;
        (void) snprintf(ret_error->text, sizeof(ret_error->text), "this netflowd was built without BPF");
        return -EOPNOTSUPP;
}

const struct source_ops source_bpf = {.name = "bpf", .open = bpf_source_open, .knows_owners = true};
