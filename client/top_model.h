/* SPDX-License-Identifier: MIT */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What `top` knows: pure, the clock is passed in. */

/* The seconds of a row that are remembered, and shown as its last minute. */
#define TOP_SECONDS 60

/* So many rows are asked for, unless more are looked for: of thousands of processes only some are ever seen,
 * and all of them once a second is more than netflowd has time for. */
#define TOP_ROWS_ASKED 250

enum top_group {
        TOP_BY_PROCESS,
        TOP_BY_APP,
        TOP_BY_UNIT,
        TOP_BY_USER,
        TOP_BY_MAX,
};

enum top_sort {
        TOP_SORT_TOTAL,
        TOP_SORT_IN,
        TOP_SORT_OUT,
        TOP_SORT_NAME,
        TOP_SORT_MAX,
};

/* Their names: NETFLOWD_BY_…; NETFLOWD_SORT_… and "name". */
const char *top_group_name(enum top_group group);
const char *top_sort_name(enum top_sort sort);

/* The one of that name; NULL is the first. Returns false where there is none. */
bool top_group_find(const char *name, enum top_group *ret_group);
bool top_sort_find(const char *name, enum top_sort *ret_sort);

/* Bytes both ways by second, the newest of them last_second. */
struct top_history {
        int64_t last_second;         /* UNIX time; 0: none yet */
        uint64_t bytes[TOP_SECONDS]; /* by second % TOP_SECONDS */
};

/* Counts bytes for a second; what is older than the newest by TOP_SECONDS is left out. */
void top_history_set(struct top_history *history, int64_t second, uint64_t bytes);

/* The TOP_SECONDS up to and including last_second, oldest first. */
void top_history_read(const struct top_history *history, int64_t last_second,
                      uint64_t ret_bytes[static TOP_SECONDS]);

/* Which process or group it is, in each answer. A start is known but to some microseconds: the daemon takes
 * it from two clocks, and may do so anew. */
struct top_identity {
        char *label;              /* of what has no pid; else "" */
        uint32_t pid;             /* 0: it has none */
        uint64_t start_time_usec; /* 0: not known */
};

/* A process, or all of an app, unit or user. */
struct top_row {
        struct top_identity id;
        char *name;              /* of the process or the group; never NULL */
        char *exe, *user, *unit; /* NULL: not told */
        uint32_t processes;      /* 0: it is one */
        bool exited;
        uint64_t in, out;             /* bytes in the window */
        uint64_t in_rate, out_rate;   /* bytes per second over it */
        uint64_t total_in, total_out; /* bytes in all */
        struct top_history history;
};

/* Bytes both ways. */
struct top_bytes {
        uint64_t in, out;
};

/* Why bytes have no process; the ones with the most are kept. */
#define TOP_REASONS_MAX 12
struct top_reason {
        char name[32];
        uint64_t bytes;
};

/* What is told of the whole. */
struct top_whole {
        struct top_bytes rows;       /* in the window: of all processes, */
        struct top_bytes interfaces; /* of all interfaces, */
        struct top_bytes loopback;   /* of the loopback interface, which is among them */
        bool has_interfaces;
        uint64_t processes;                 /* that are in the rank */
        uint64_t seen, attributed, dropped; /* since netflowd started: bytes, bytes, packets */
        struct top_reason reasons[TOP_REASONS_MAX];
        size_t n_reasons;
        bool has_ledger, capturing;
        char backend[16];
};

struct top_model {
        enum top_group group;
        enum top_sort sort;
        char filter[64];        /* shown are rows that have it in their texts; "": all */
        bool without_loopback;  /* rows are without what went over loopback, as is whole.rows */
        uint32_t recent;        /* the window, seconds */
        int64_t last_second;    /* the last one that is told of; UNIX time, 0: none yet */
        struct top_row *rows;   /* n, by identity */
        struct top_row **shown; /* n_shown of them, as sorted and filtered */
        size_t n, n_shown;
        bool cut; /* there may be more rows: these are the first TOP_ROWS_ASKED by cut_sort */
        enum top_sort cut_sort;
        struct top_identity selected; /* label NULL: the first one */
        struct top_whole whole;
};

void top_model_init(struct top_model *model);
void top_model_done(struct top_model *model);

/* Takes an answer of GetRank() by what the model is grouped by, with loopback or without as it has it, asked
 * when last_second was the last closed one; limit and sort are what it was asked with, limit 0 being none. What
 * rows are known already keep their history. Returns 0, or -ENOMEM with the model as it was. */
int top_model_read_rank(struct top_model *model, struct json_object *rank, int64_t last_second,
                        uint32_t limit, enum top_sort sort);

/* Takes of such an answer, over a longer window, only what the known rows did in it. Returns 0 or -ENOMEM.
 */
int top_model_read_minute(struct top_model *model, struct json_object *rank);

/* Takes an answer of GetRank() by user: the sum of all processes, with loopback or without. */
void top_model_read_users(struct top_model *model, struct json_object *rank);

/* Takes an answer of GetRank() by interface, with loopback. */
void top_model_read_interfaces(struct top_model *model, struct json_object *rank);

/* Takes the properties. */
void top_model_read_properties(struct top_model *model, struct json_object *properties);

/* Time has passed in which nothing was told. Where nothing had traffic, that is because nothing has; else it
 * is not known what was, and the last minute stays the last one that is known. Returns whether the last
 * minute is another, and may become yet another. */
bool top_model_pass(struct top_model *model, int64_t last_second);

/* From another grouping on, the rows are others: there are none until they are told. */
void top_model_set_group(struct top_model *model, enum top_group group);

/* The same with loopback or without, but for who is selected. */
void top_model_set_loopback(struct top_model *model, bool without);

void top_model_set_sort(struct top_model *model, enum top_sort sort);

/* What is longer than there is room for is cut. */
void top_model_set_filter(struct top_model *model, const char *filter);

/* Where the selected row is among those shown; 0 where it is not among them. */
size_t top_model_selected(const struct top_model *model);

/* Selects one of those shown, or the last one; the first one is whoever is first. */
void top_model_select(struct top_model *model, size_t index);

/* Are all rows needed to show what is to be shown? */
bool top_model_wants_all(const struct top_model *model);

/* Are the rows not those that are to be shown, so that they have to be asked for again? */
bool top_model_lacks(const struct top_model *model);
