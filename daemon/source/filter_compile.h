/* SPDX-License-Identifier: MIT */
#pragma once

#include <pcap/pcap.h>
#include <stddef.h>
#include <stdint.h>

/* The kernel takes no more: BPF_MAXINSNS of linux/bpf_common.h. */
#define FILTER_INSNS_MAX 4096u

/* What a filter and ours come to for one link type. */
struct filter_program {
        int32_t link_type;
        uint32_t n;      /* instructions; 0: it does not compile, error says why */
        char error[224]; /* in libpcap's own words, with where in the text */
        struct bpf_insn insns[FILTER_INSNS_MAX];
};

/* Compiles text (NULL: none), joined with our own `ip or ip6`, for program->link_type, and fills in the rest
 * of *program. Names are resolved, so that this may take as long as a name server does, and with long texts
 * as long as libpcap's optimizer does, which is forever. */
void filter_compile(const char *text, struct filter_program *program);
