/* SPDX-License-Identifier: MIT */
#include "top_model.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dbus/org.netflowd1.h"
#include "json_message.h"
#include "top_row.h"
#include "util.h"

static const char *const group_names[] = {
        [TOP_BY_PROCESS] = NETFLOWD_BY_PROCESS,
        [TOP_BY_APP] = NETFLOWD_BY_APP,
        [TOP_BY_UNIT] = NETFLOWD_BY_UNIT,
        [TOP_BY_USER] = NETFLOWD_BY_USER,
};
static const char *const sort_names[] = {
        [TOP_SORT_TOTAL] = NETFLOWD_SORT_TOTAL,
        [TOP_SORT_IN] = NETFLOWD_SORT_IN,
        [TOP_SORT_OUT] = NETFLOWD_SORT_OUT,
        [TOP_SORT_NAME] = "name",
};

const char *top_group_name(enum top_group group) {
        return group_names[group];
}

const char *top_sort_name(enum top_sort sort) {
        return sort_names[sort];
}

static bool find_name(const char *name, const char *const *names, size_t n, size_t *ret_index) {
        for (size_t i = 0; i < n; i++)
                if (!name || strcmp(name, names[i]) == 0) {
                        *ret_index = i;
                        return true;
                }
        return false;
}

bool top_group_find(const char *name, enum top_group *ret_group) {
        size_t index;

        if (!find_name(name, group_names, TOP_BY_MAX, &index))
                return false;
        *ret_group = (enum top_group) index;
        return true;
}

bool top_sort_find(const char *name, enum top_sort *ret_sort) {
        size_t index;

        if (!find_name(name, sort_names, TOP_SORT_MAX, &index))
                return false;
        *ret_sort = (enum top_sort) index;
        return true;
}

/* --- history --------------------------------------------------------------------------------------------
 */

void top_history_set(struct top_history *history, int64_t second, uint64_t bytes) {
        if (second <= 0 || second <= history->last_second - TOP_SECONDS)
                return;
        if (second > history->last_second) {
                int64_t first = second - TOP_SECONDS > history->last_second ? second - TOP_SECONDS
                                                                            : history->last_second;

                for (int64_t skipped = first + 1; skipped < second; skipped++)
                        history->bytes[skipped % TOP_SECONDS] = 0;
                history->last_second = second;
        }
        history->bytes[second % TOP_SECONDS] = bytes;
}

void top_history_read(const struct top_history *history, int64_t last_second,
                      uint64_t ret_bytes[static TOP_SECONDS]) {
        for (int i = 0; i < TOP_SECONDS; i++) {
                int64_t second = last_second - TOP_SECONDS + 1 + i;
                bool known = second > 0 && second <= history->last_second &&
                             second > history->last_second - TOP_SECONDS;

                ret_bytes[i] = known ? history->bytes[second % TOP_SECONDS] : 0;
        }
}

/* --- order ----------------------------------------------------------------------------------------------
 */

static uint64_t weight(const struct top_row *row, enum top_sort sort, bool total) {
        uint64_t in = total ? row->total_in : row->in, out = total ? row->total_out : row->out;

        switch (sort) {
        case TOP_SORT_IN:
                return in;
        case TOP_SORT_OUT:
                return out;
        case TOP_SORT_TOTAL:
                return in + out;
        case TOP_SORT_NAME:
        case TOP_SORT_MAX:
                break;
        }
        return 0;
}

static int by_name(const struct top_row *a, const struct top_row *b) {
        int order = strcasecmp(a->name, b->name);

        return order != 0 ? order : strcmp(a->name, b->name);
}

/* What moves most in the window, then what moved most in all; at last by identity, so that nothing changes
 * its place by itself. */
static int in_order(const void *a, const void *b, void *sort) {
        const struct top_row *x = *(struct top_row *const *) a, *y = *(struct top_row *const *) b;
        int order = *(enum top_sort *) sort == TOP_SORT_NAME ? by_name(x, y) : 0;

        for (int total = 0; total < 2 && order == 0; total++) {
                uint64_t x_weight = weight(x, *(enum top_sort *) sort, total != 0),
                         y_weight = weight(y, *(enum top_sort *) sort, total != 0);

                order = x_weight > y_weight ? -1 : x_weight < y_weight;
        }
        return order != 0 ? order : top_identity_order(&x->id, &y->id);
}

/* `shown` has room for all rows. */
static void show(struct top_model *model) {
        model->n_shown = 0;
        for (size_t i = 0; i < model->n; i++)
                if (top_row_matches(&model->rows[i], model->filter))
                        model->shown[model->n_shown++] = &model->rows[i];
        if (model->n_shown > 1)
                qsort_r(model->shown, model->n_shown, sizeof(struct top_row *), in_order, &model->sort);
}

/* --- answers --------------------------------------------------------------------------------------------
 */

void top_model_init(struct top_model *model) {
        *model = (struct top_model){.recent = 3};
}

static void drop_rows(struct top_model *model) {
        top_rows_free(model->rows, model->n);
        free(model->shown);
        model->rows = NULL;
        model->shown = NULL;
        model->n = model->n_shown = 0;
}

void top_model_done(struct top_model *model) {
        drop_rows(model);
        free(model->selected.label);
        model->selected = (struct top_identity){};
}

static void add_history(struct top_history *history, const struct top_history *told) {
        for (int64_t ago = TOP_SECONDS - 1; ago >= 0; ago--) {
                int64_t second = told->last_second - ago;

                if (second > 0 && told->bytes[second % TOP_SECONDS] > 0)
                        top_history_set(history, second, told->bytes[second % TOP_SECONDS]);
        }
}

/* Has each row go on from what is known of it, or, the other way round, learn what is told. Both are in the
 * order of their identities. */
static void join_histories(struct top_row *rows, size_t n, const struct top_row *others, size_t n_others,
                           bool go_on) {
        size_t j = 0;

        for (size_t i = 0; i < n; i++) {
                struct top_history own = rows[i].history;
                int order = -1;

                while (j < n_others && (order = top_identity_order(&others[j].id, &rows[i].id)) < 0)
                        j++;
                if (j == n_others || order != 0)
                        continue;
                if (go_on)
                        rows[i].history = others[j].history;
                add_history(&rows[i].history, go_on ? &own : &others[j].history);
        }
}

int top_model_read_rank(struct top_model *model, struct json_object *rank, int64_t last_second,
                        uint32_t limit, enum top_sort sort) {
        size_t n = json_array_size(rank);
        struct top_row *rows, **shown;
        int r;

        r = top_rows_read(rank, model->group, &rows);
        if (r < 0)
                return r;
        shown = calloc(n + 1, sizeof(struct top_row *));
        if (!shown) {
                top_rows_free(rows, n);
                return -ENOMEM;
        }
        join_histories(rows, n, model->rows, model->n, true);
        drop_rows(model);
        model->rows = rows;
        model->shown = shown;
        model->n = n;
        model->cut = limit > 0 && n >= limit;
        model->cut_sort = sort;
        for (size_t i = 0; i < n; i++) /* a second may have closed between the question and the answer */
                last_second = rows[i].history.last_second > last_second ? rows[i].history.last_second
                                                                        : last_second;
        model->last_second = last_second > model->last_second ? last_second : model->last_second;
        show(model);
        return 0;
}

int top_model_read_minute(struct top_model *model, struct json_object *rank) {
        size_t n = json_array_size(rank);
        struct top_row *rows;
        int r;

        r = top_rows_read(rank, model->group, &rows);
        if (r < 0)
                return r;
        join_histories(model->rows, model->n, rows, n, false);
        top_rows_free(rows, n);
        return 0;
}

bool top_model_pass(struct top_model *model, int64_t last_second) {
        int64_t newest = 0;

        for (size_t i = 0; i < model->n; i++)
                if (model->rows[i].history.last_second > newest)
                        newest = model->rows[i].history.last_second;
        if (model->whole.rows.in + model->whole.rows.out > 0 || newest == 0 ||
            newest <= model->last_second - TOP_SECONDS)
                return false;
        if (last_second > model->last_second)
                model->last_second = last_second;
        return true;
}

static struct json_object *value_of(struct json_object *object, const char *key) {
        struct json_object *value = NULL;

        (void) json_object_object_get_ex(object, key, &value);
        return value;
}

static void add_bytes(struct top_bytes *sum, struct json_object *row) {
        struct json_object *stats = value_of(row, NETFLOWD_KEY_TRAFFIC_STATS);

        sum->in += json_object_get_uint64(value_of(stats, NETFLOWD_KEY_IN));
        sum->out += json_object_get_uint64(value_of(stats, NETFLOWD_KEY_OUT));
}

void top_model_read_users(struct top_model *model, struct json_object *rank) {
        size_t n = json_array_size(rank);
        struct top_bytes sum = {};
        uint64_t processes = 0;

        for (size_t i = 0; i < n; i++) {
                struct json_object *row = json_object_array_get_idx(rank, i);

                add_bytes(&sum, row);
                processes += json_object_get_uint64(value_of(row, NETFLOWD_KEY_PROCESSES));
        }
        model->whole.rows = sum;
        model->whole.processes = processes;
}

void top_model_read_interfaces(struct top_model *model, struct json_object *rank) {
        struct top_bytes all = {}, loopback = {};
        size_t n = json_array_size(rank);

        for (size_t i = 0; i < n; i++) {
                struct json_object *row = json_object_array_get_idx(rank, i);
                const char *name = json_object_get_string(value_of(row, NETFLOWD_KEY_INTERFACE));

                add_bytes(&all, row);
                if (name &&
                    strcmp(name, "lo") == 0) /* the kernel's name for it in every network namespace */
                        add_bytes(&loopback, row);
        }
        model->whole.interfaces = all;
        model->whole.loopback = loopback;
        model->whole.has_interfaces = true;
}

static int by_bytes(const void *a, const void *b) {
        const struct top_reason *x = a, *y = b;

        return x->bytes > y->bytes ? -1 : x->bytes < y->bytes ? 1 : strcmp(x->name, y->name);
}

static void read_ledger(struct top_whole *whole, struct json_object *ledger) {
        const size_t prefix = strlen(NETFLOWD_LEDGER_UNATTRIBUTED);

        whole->seen = json_object_get_uint64(value_of(ledger, NETFLOWD_LEDGER_SEEN));
        whole->attributed = json_object_get_uint64(value_of(ledger, NETFLOWD_LEDGER_ATTRIBUTED));
        whole->n_reasons = 0;
        json_object_object_foreach(ledger, key, value) {
                struct top_reason reason = {.bytes = json_object_get_uint64(value)};

                if (strncmp(key, NETFLOWD_LEDGER_UNATTRIBUTED, prefix) != 0 || reason.bytes == 0)
                        continue;
                (void) snprintf(reason.name, sizeof(reason.name), "%s", key + prefix);
                if (whole->n_reasons == TOP_REASONS_MAX) {
                        if (whole->reasons[TOP_REASONS_MAX - 1].bytes >= reason.bytes)
                                continue;
                        whole->n_reasons--;
                }
                whole->reasons[whole->n_reasons++] = reason;
                qsort(whole->reasons, whole->n_reasons, sizeof(reason), by_bytes);
        }
}

void top_model_read_properties(struct top_model *model, struct json_object *properties) {
        struct json_object *ledger = value_of(properties, NETFLOWD_PROPERTY_LEDGER),
                           *backend = value_of(properties, NETFLOWD_PROPERTY_BACKEND);
        struct top_whole *whole = &model->whole;

        whole->has_ledger = json_object_is_type(ledger, json_type_object);
        if (whole->has_ledger)
                read_ledger(whole, ledger);
        whole->dropped = json_object_get_uint64(value_of(properties, NETFLOWD_PROPERTY_PACKETS_DROPPED));
        whole->capturing = json_object_get_boolean(value_of(properties, NETFLOWD_PROPERTY_CAPTURING));
        (void) snprintf(whole->backend, sizeof(whole->backend), "%s",
                        backend ? json_object_get_string(backend) : "-");
}

/* --- what is shown --------------------------------------------------------------------------------------
 */

void top_model_set_group(struct top_model *model, enum top_group group) {
        model->group = group;
        top_model_select(model, 0);
        drop_rows(model);
        model->cut = false;
}

void top_model_set_loopback(struct top_model *model, bool without) {
        model->without_loopback = without;
        drop_rows(model);
        model->cut = false;
}

void top_model_set_sort(struct top_model *model, enum top_sort sort) {
        model->sort = sort;
        show(model);
}

void top_model_set_filter(struct top_model *model, const char *filter) {
        (void) snprintf(model->filter, sizeof(model->filter), "%s", filter);
        show(model);
}

size_t top_model_selected(const struct top_model *model) {
        for (size_t i = 0; model->selected.label && i < model->n_shown; i++)
                if (top_identity_order(&model->shown[i]->id, &model->selected) == 0)
                        return i;
        return 0;
}

void top_model_select(struct top_model *model, size_t index) {
        struct top_identity selected = {};

        if (model->n_shown > 0 && index >= model->n_shown)
                index = model->n_shown - 1;
        if (index > 0 && model->n_shown > 0) {
                selected = model->shown[index]->id;
                selected.label = strdup(selected.label);
        }
        free(model->selected.label);
        model->selected = selected;
}

/* Who goes down the list is on the way to the end of it. */
bool top_model_wants_all(const struct top_model *model) {
        return *model->filter || model->sort == TOP_SORT_NAME ||
               top_model_selected(model) >= TOP_ROWS_ASKED / 2;
}

bool top_model_lacks(const struct top_model *model) {
        return model->cut && (top_model_wants_all(model) || model->sort != model->cut_sort);
}
