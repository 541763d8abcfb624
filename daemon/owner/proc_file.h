/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reading below /proc, or what a test put in its place. Processes may vanish at any moment: -ESRCH says so.
 */

/* The directory of a process, opened; the caller closes it. A negative errno: -ESRCH when there is none. */
int proc_open_process(const char *proc_root, uint32_t pid);

/* Reads up to size bytes of a file in that directory. Returns how many, or a negative errno. */
ssize_t proc_read(int directory, const char *name, char *buffer, size_t size);

/* "socket:[12345]", what the link of a descriptor says of a socket. Returns 0, or -EBADMSG when it is none.
 */
int parse_socket_link(const char *text, size_t length, uint64_t *ret_inode);

/* The inode of the socket behind one descriptor of a process. Returns 0, -EBADMSG when it is no socket,
 * -ESRCH when process or descriptor are gone, or another negative errno. */
int proc_socket_at(const char *proc_root, uint32_t pid, uint32_t fd, uint64_t *ret_inode);

/* The same of the process whose directory that is. Once it is gone there is nothing there, whoever has its number. */
int proc_socket_in(int directory, uint32_t fd, uint64_t *ret_inode);

/* Calls handler for each descriptor that is a socket, until it returns a negative errno. n_races, unless
 * NULL, is counted up for descriptors that vanished meanwhile. Returns 0, the handler's errno, -ESRCH when
 * the process is gone, or another negative errno. */
typedef int (*socket_handler)(uint32_t fd, uint64_t inode, void *userdata);
int proc_for_each_socket(const char *proc_root, uint32_t pid, socket_handler handler, void *userdata,
                         uint64_t *n_races);

/* Which descriptors of a process are epoll(7) instances: the first `max` of them. Returns how many, or -E2BIG where the process
 * has more than max_fds descriptors, which are not read on then, or another negative errno. */
int proc_find_epolls(int directory, size_t max_fds, uint32_t *ret_fds, size_t max);

/* "tfd:        5 events: 2001 data: 5  pos:0 ino:1e4b8f sdev:8\n", a line of /proc/PID/fdinfo/FD of an epoll instance,
 * proc(5), which ends in NUL: what is waited for, by its descriptor as it was entered, and its inode. Returns 0 or
 * -EBADMSG. */
int parse_epoll_target(const char *line, uint32_t *ret_fd, uint64_t *ret_inode);

/* Calls handler for each target of an epoll instance: sockets, and whatever else. They need not be descriptors of that
 * process, or not under that number. Returns 0, the handler's errno, -E2BIG when these are more than a few hundred, -ESRCH,
 * or another negative errno. */
int proc_for_each_target(int directory, uint32_t epoll, socket_handler handler, void *userdata);

/* Calls handler for each process, until it returns a negative errno. Returns 0, or that, or why /proc cannot
 * be read. */
typedef int (*pid_handler)(uint32_t pid, void *userdata);
int proc_for_each_pid(const char *proc_root, pid_handler handler, void *userdata);

/* The UDP sockets that are bound in our own network namespace. Returns 0 or a negative errno. */
int proc_count_udp(const char *proc_root, uint32_t *ret_sockets);

/* "0.20 0.18 0.12 1/80 11206\n": the pid at the end of the line, proc_loadavg(5). Returns 0 or -EBADMSG. */
int parse_loadavg(const char *text, size_t length, uint32_t *ret_pid);

/* What proc_read_last_pid() reads, again and again; the caller closes it. A negative errno. */
int proc_open_last_pid(const char *proc_root);

/* The process or thread that was created last, in our own pid namespace: while it stays the same, nothing
 * has forked (proc_loadavg(5)). Returns 0, or a negative errno. */
int proc_read_last_pid(int fd, uint32_t *ret_pid);
