/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

/* Reads the first `size` bytes of a file below an open directory (AT_FDCWD: the current one, or an absolute
 * path). Returns how many there were, or a negative errno. */
ssize_t read_file_at(int directory, const char *path, char *buffer, size_t size);

/* Likewise, what an open file still has. */
ssize_t read_fd(int fd, char *buffer, size_t size);

/* As read_file_at(), of a file that the kernel makes as a whole and gives with one read(2), as those of one record in
 * /proc (single_open() of fs/seq_file.c), of sysctl and of cgroups are: to ask for its end would cost as much again. */
ssize_t read_record_at(int directory, const char *path, char *buffer, size_t size);
