/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

/* What loading programs into the kernel takes, whatever they do. The text of why something could not be done is
 * for whoever logs it; it is set with a negative errno only. */

#define BPF_WHY_MAX 512

/* What the kernel says of a program it refuses: the end of it is what counts. To be the kernel_log_buf with which
 * the object is opened. */
#define BPF_LOG_BYTES (64u << 10)

struct bpf_link;
struct bpf_program;

/* Does the kernel let us load programs, and tell them what they ask for? 0 or a negative errno. Also has libbpf
 * say nothing by itself from here on. */
int bpf_load_check(char ret_why[static BPF_WHY_MAX]);

/* Every socket is below the root cgroup, also those of containers. Returns a descriptor of its directory, which is
 * the caller's to close, or a negative errno. */
int bpf_load_root_cgroup(char ret_why[static BPF_WHY_MAX]);

/* Says why the kernel refused to load what was opened with that log; returns error, a negative errno. */
int bpf_load_refused(int error, char *log, char ret_why[static BPF_WHY_MAX]);

/* Attaches a program to where its section says, those of cgroups to that one. Returns 0 with *ret_link, which is
 * the caller's; *ret_link is untouched where the program was not loaded, as it is not for this kernel. Or a negative
 * errno. */
int bpf_load_attach(const struct bpf_program *program, int cgroup, struct bpf_link **ret_link,
                    char ret_why[static BPF_WHY_MAX]);

/* Lets an iterator do its work, and hands what it writes to handler (NULL: it writes nothing), record_bytes at a
 * time. Returns 0 or a negative errno. */
int bpf_load_iterate(const struct bpf_link *link, size_t record_bytes,
                     void (*handler)(const void *record, void *userdata), void *userdata);
