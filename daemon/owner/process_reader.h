/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "model/process.h"
#include "util/macros.h"

/* Reads /proc/PID below an injected root. Each file is a pure parser over a buffer and a reader around it.
 */

/* "4242 (a) b) S 1 4242 …": pid, name (may hold blanks and parentheses: it ends at the last one), state,
 * start time. The text need not end in NUL. Sets id, name and state of *ret_info. Returns 0 or -EBADMSG. */
int parse_proc_stat(const char *text, size_t length, struct process_info *ret_info);

/* The cgroup path out of /proc/PID/cgroup: "0::/user.slice/…" on cgroup v2; where that is "/" or missing,
 * the "name=systemd" line of a v1 or hybrid system. The caller frees *ret_path. Returns 0, -ENODATA when
 * there is no such line, -EBADMSG, -ENOMEM. */
int parse_proc_cgroup(const char *text, size_t length, char **ret_path);

/* The parent, out of the same text: field 4, 0 for none. Returns 0 or -EBADMSG. */
int parse_proc_parent(const char *text, size_t length, uint32_t *ret_parent);

/* "4243 4244 ": /proc/PID/task/TID/children, proc(5); a number that nothing follows was cut off, and is left
 * out. Returns how many there are, at most max. */
size_t parse_proc_children(const char *text, size_t length, uint32_t *ret_children, size_t max);

/* "Uid:\t1000\t1000\t1000\t1000\n" in /proc/PID/status: real, effective, saved, file system. Gives the effective
 * one. Returns 0, -ENODATA when there is no such line, or -EBADMSG. */
int parse_proc_uid(const char *text, size_t length, uid_t *ret_uid);

/* All that is known of a process. Returns 0, -ESRCH when it is gone (or is no thread group leader), or a
 * negative errno. Keys that cannot be read stay unset. The caller calls process_info_done(). */
int process_read(const char *proc_root, uint32_t pid, struct process_info *ret_info);

/* When a process started, CLOCK_REALTIME in µs, to 10 ms. */
uint64_t process_start_time_usec(const struct process_id *id);

/* Only pid, name, state and start time: one file, for the check whether a process is still the same one. */
int process_read_stat(const char *proc_root, uint32_t pid, struct process_info *ret_info);

/* Is this number a process, and not one of its threads, which /proc shows under their own numbers, too? Returns 1, 0,
 * -ESRCH when there is neither, or another negative errno. */
int process_is_leader(const char *proc_root, uint32_t pid);

/* As process_read_stat(), of the process whose directory that is, and its parent (0: none). */
int process_read_stat_at(int directory, struct process_info *ret_info, uint32_t *ret_parent);

/* Up to max of its children, as far as the kernel lists them. Returns how many. */
size_t process_read_children_at(int directory, uint32_t pid, uint32_t *ret_children, size_t max);

/* The socket inodes a process holds, each once, ascending. *ret_inodes is the caller's to free and NULL when
 * there are none. Returns 0, -ESRCH when the process is gone, -EACCES or -EPERM when we may not look,
 * -ENOMEM. */
int process_read_socket_inodes(const char *proc_root, uint32_t pid, uint64_t **ret_inodes, size_t *ret_n);
