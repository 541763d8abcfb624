/* SPDX-License-Identifier: MIT */
#include "account/dimension.h"

#include <errno.h>
#include <string.h>

#include "util/clock.h"
#include "util/hash_table.h"

struct value {
        struct dimension_key key; /* key */
        struct split_traffic traffic;
};

struct dimensions {
        struct hash_table *values[DIMENSION_MAX];
        struct split_traffic others[DIMENSION_MAX];
};

int dimensions_new(uint32_t max_values, struct dimensions **ret_dimensions) {
        _cleanup_(dimensions_freep) struct dimensions *dimensions = calloc(1, sizeof(*dimensions));
        int r;

        if (!dimensions)
                return -ENOMEM;
        for (size_t i = 0; i < DIMENSION_MAX; i++) {
                r = hash_table_new(sizeof(struct value), sizeof(struct dimension_key), max_values,
                                   &dimensions->values[i]);
                if (r < 0)
                        return r;
        }
        *ret_dimensions = TAKE_PTR(dimensions);
        return 0;
}

void dimensions_free(struct dimensions *dimensions) {
        if (!dimensions)
                return;
        for (size_t i = 0; i < DIMENSION_MAX; i++) {
                struct value *value;
                uint32_t cursor = 0;

                while (dimensions->values[i] && (value = hash_table_next(dimensions->values[i], &cursor)))
                        split_traffic_done(&value->traffic);
                hash_table_free(dimensions->values[i]);
                split_traffic_done(&dimensions->others[i]);
        }
        free(dimensions);
}

static struct split_traffic *traffic_of(struct dimensions *dimensions, enum dimension dimension,
                                        const struct dimension_values *values) {
        struct hash_table *table = dimensions->values[dimension];
        struct dimension_key key = {};
        struct value *value;
        void *entry;

        switch (dimension) {
        case DIMENSION_INTERFACE:
                key.number = values->ifindex;
                break;
        case DIMENSION_REMOTE:
                key.remote = values->remote;
                break;
        case DIMENSION_PROTOCOL:
                key.number = values->protocol;
                break;
        case DIMENSION_MAX:
                break;
        }
        value = hash_table_find(table, &key);
        if (!value && hash_table_add(table, &key, &entry) >= 0)
                value = entry;
        return value ? &value->traffic : &dimensions->others[dimension];
}

int dimensions_add(struct dimensions *dimensions, const struct dimension_values *values,
                   const struct sample *sample, bool out) {
        int r = 0;

        for (enum dimension i = 0; i < DIMENSION_MAX; i++) {
                int added = split_traffic_add(traffic_of(dimensions, i, values), out, sample);

                r = MIN(r, added);
        }
        return r;
}

int dimensions_merge(struct dimensions *dimensions, const struct dimension_values *values,
                     const struct traffic *traffic) {
        int r = 0;

        for (enum dimension i = 0; i < DIMENSION_MAX; i++) {
                int merged =
                        split_traffic_merge(traffic_of(dimensions, i, values), values->loopback, traffic);

                r = MIN(r, merged);
        }
        return r;
}

void dimensions_expire(struct dimensions *dimensions, uint64_t now_usec) {
        const uint64_t now = now_usec / USEC_PER_SEC, first = now > RING_SECONDS ? now - RING_SECONDS : 0;

        for (size_t i = 0; i < DIMENSION_MAX; i++) {
                struct value *value;
                uint32_t cursor = 0;

                while ((value = hash_table_next(dimensions->values[i], &cursor))) {
                        split_traffic_trim(&value->traffic, first, now + 2);
                        if (value->traffic.all.ring.n > 0)
                                continue;
                        /* its bytes stay in the sum of all, which is the ledger's */
                        split_traffic_done(&value->traffic);
                        hash_table_remove(dimensions->values[i], value);
                }
                split_traffic_trim(&dimensions->others[i], first, now + 2);
        }
}

static int compare_rows(const void *a, const void *b, void *userdata) {
        const struct dimension_row *x = a, *y = b;
        const enum rank_sort *sort = userdata;
        int c = rank_compare_windows(&x->window, &y->window, *sort);

        if (c != 0)
                return c;
        if (x->others != y->others)
                return x->others ? 1 : -1;
        return memcmp(&x->key, &y->key, sizeof(x->key));
}

int dimensions_rank(const struct dimensions *dimensions, enum dimension dimension,
                    const struct rank_query *query, struct dimension_row **ret_rows, size_t *ret_n) {
        const struct hash_table *values = dimensions->values[dimension];
        const struct traffic *others =
                split_traffic_part(&dimensions->others[dimension], query->without_loopback);
        struct dimension_row *rows = calloc((size_t) hash_table_size(values) + 1, sizeof(*rows));
        enum rank_sort sort = query->sort;
        struct value *value;
        uint32_t cursor = 0;
        size_t n = 0;

        if (!rows)
                return -ENOMEM;
        while ((value = hash_table_next(values, &cursor))) {
                const struct traffic *traffic = split_traffic_part(&value->traffic, query->without_loopback);

                if (traffic->ring.n > 0 || !query->without_loopback)
                        rows[n++] = (struct dimension_row){.key = value->key, .traffic = traffic};
        }
        if (others->ring.n > 0)
                rows[n++] = (struct dimension_row){.others = true, .traffic = others};
        for (size_t i = 0; i < n; i++)
                traffic_window(rows[i].traffic, query->now_usec, query->recent, &rows[i].window);
        qsort_r(rows, n, sizeof(*rows), compare_rows, &sort);
        *ret_rows = rows;
        *ret_n = query->limit > 0 ? MIN(n, (size_t) query->limit) : n;
        return 0;
}
