/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "util/macros.h"

/* Writes a savefile (pcap-savefile(5)) to a descriptor that may be a file, a pipe or a socket, and never
 * waits for it: what it does not take at once is held in a bounded buffer. */
struct savefile_writer;

struct savefile_header {
        int link_type; /* LINKTYPE_… */
        uint32_t snaplen;
};

/* Takes fd, also where it fails. Returns 0; -EINVAL for a descriptor that nothing can be written to or that
 * is none of these; -ENOMEM. */
int savefile_writer_new(int fd, const struct savefile_header *header, struct savefile_writer **ret_writer);
void savefile_writer_free(struct savefile_writer *writer);
DEFINE_CLEANUP(struct savefile_writer *, savefile_writer_free)

/* One record. captured bytes at data of a packet that had `length` on the wire, at time_usec
 * (CLOCK_REALTIME). Returns 0, or -ENOBUFS when so much waits to be taken that it does not fit: then nothing
 * of it is written. */
int savefile_writer_append(struct savefile_writer *writer, uint64_t time_usec, const void *data,
                           uint32_t captured, uint32_t length);

/* Bytes of the file so far with what waits in the buffer; and with one more record of so many bytes. */
uint64_t savefile_writer_size(const struct savefile_writer *writer);
uint64_t savefile_writer_size_with(const struct savefile_writer *writer, uint32_t captured);

/* Hands over as much as is taken without waiting. Returns 0 or what write(2) failed with. */
int savefile_writer_flush(struct savefile_writer *writer);

/* Does something wait to be taken? */
bool savefile_writer_pending(const struct savefile_writer *writer);
