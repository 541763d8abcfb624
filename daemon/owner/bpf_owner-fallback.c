/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>

#include "owner/owner_lookup.h"

/* In place of bpf_owner.c where it is built without BPF: there is nothing but to say so. */
static int bpf_owner_open(const struct owner_config *config, void **ret_state,
                          char ret_why[static OWNER_WHY_MAX]) {
        (void) config;
        (void) ret_state;
        (void) snprintf(ret_why, OWNER_WHY_MAX, "this netflowd was built without BPF");
        return -EOPNOTSUPP;
}

const struct owner_ops owner_bpf = {.name = "bpf", .open = bpf_owner_open};
