/* SPDX-License-Identifier: MIT */
#pragma once

#include <json-c/json.h>

#include "top_model.h"

/* The rows of an answer of GetRank(), in the order of top_identity_order(). Returns 0 or -ENOMEM; the caller
 * frees *ret_rows, as many as the answer has, with top_rows_free(). */
int top_rows_read(struct json_object *rank, enum top_group group, struct top_row **ret_rows);

/* Orders them, and finds those equal that are the same. */
int top_identity_order(const struct top_identity *a, const struct top_identity *b);

/* Are these starts of one process? */
bool top_same_start(uint64_t a_usec, uint64_t b_usec);

void top_rows_free(struct top_row *rows, size_t n);

/* Has it that text in its name, executable, user, unit or pid, in capitals or not? */
bool top_row_matches(const struct top_row *row, const char *text);
