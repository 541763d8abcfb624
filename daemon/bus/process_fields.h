/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/group.h"
#include "account/process_table.h"
#include "account/rank.h"
#include "bus/caller.h"
#include "owner/users.h"

/* One key and its value, whatever it is written to. The type is D-Bus's: 's', 't' or 'u'. */
struct field {
        const char *key;
        char type;
        uint64_t number;  /* 't', 'u' */
        const char *text; /* 's' */
};

/* Which keys whoever asks may see. */
enum detail {
        DETAIL_BROADCAST, /* what signals tell everyone */
        DETAIL_PUBLIC,    /* what an answer tells everyone */
        DETAIL_PRIVATE,   /* and exe, cgroup, inodes: for the process's own user and root */
};

#define FIELDS_MAX 16

/* A row of the rank, as the contract names its parts; a key that is not known is not there. Points into the
 * process and into users. */
struct process_fields {
        struct field own[FIELDS_MAX], traffic_stats[FIELDS_MAX], total[FIELDS_MAX];
        size_t n_own, n_traffic_stats, n_total;
        char state[2];
};

/* now_usec is the end of the window, see engine_now(). */
void process_fields_set(struct process_fields *fields, const struct rank_row *row, uint64_t now_usec,
                        enum detail detail, struct users *users);

/* A row of processes that have something in common, and their traffic; is_private: its private keys are shown
 * too. */
void group_fields_set(struct process_fields *fields, const struct group *group, enum group_by by,
                      const struct traffic *traffic, bool is_private, uint64_t now_usec, struct users *users);

/* A row of traffic that has one value in common: key is its key; NULL as its text leaves it out. */
void value_fields_set(struct process_fields *fields, const char *key, const char *text,
                      const struct traffic *traffic, const struct window *window, uint64_t now_usec);

/* May this caller see the private keys of this process, and its flows? */
bool process_is_visible_to(const struct process *process, const struct caller *caller);
