/* SPDX-License-Identifier: MIT */
#include "account/group.h"

#include <errno.h>
#include <string.h>

/* A process and what it is grouped by. */
struct group_member {
        struct rank_row row;
        const char *text; /* identity as text; NULL: not known */
        char *app;        /* what text is, when it had to be made */
        uid_t uid;        /* identity as a number, with GROUP_BY_USER */
};

/* --- desktop applications ------------------------------------------------------------------------------- */

static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return -1;
}

/* "\x2d" is "-": systemd-escape(1). */
static void unescape(char *text) {
        char *to = text;

        for (const char *from = text; *from; to++) {
                int high, low;

                if (from[0] == '\\' && from[1] == 'x' && (high = hex_digit(from[2])) >= 0 &&
                    (low = hex_digit(from[3])) >= 0 && (high > 0 || low > 0)) {
                        *to = (char) (high << 4 | low);
                        from += 4;
                } else
                        *to = *from++;
        }
        *to = '\0';
}

static bool ends_with(const char *text, const char *end) {
        size_t n = strlen(text), m = strlen(end);

        return n > m && strcmp(text + n - m, end) == 0;
}

int app_from_unit(const char *unit, char **ret_app) {
        _cleanup_free_ char *text = NULL;
        bool scope = ends_with(unit, ".scope");
        char *end, *name;

        if (strncmp(unit, "app-", 4) != 0 || !(scope || ends_with(unit, ".service")))
                return -ENODATA;
        text = strdup(unit + 4);
        if (!text)
                return -ENOMEM;
        *strrchr(text, '.') = '\0';

        /* app[-LAUNCHER]-APPLICATION-RANDOM.scope, app[-LAUNCHER]-APPLICATION[@RANDOM].service */
        end = strrchr(text, scope ? '-' : '@');
        if (end)
                *end = '\0';
        else if (scope)
                return -ENODATA;
        name = strrchr(text, '-');
        name = name ? name + 1 : text;
        if (*name == '\0')
                return -ENODATA;
        unescape(name);
        name = strdup(name);
        if (!name)
                return -ENOMEM;
        *ret_app = name;
        return 0;
}

/* --- identities ----------------------------------------------------------------------------------------- */

static int identify(struct group_member *member, enum group_by by) {
        const struct process_info *info = &member->row.process->info;
        int r;

        switch (by) {
        case GROUP_BY_APP:
                member->text = info->exe ?: info->name[0] ? info->name : NULL;
                if (!info->unit)
                        return 0;
                r = app_from_unit(info->unit, &member->app);
                if (r == -ENOMEM)
                        return r;
                if (r >= 0)
                        member->text = member->app;
                return 0;
        case GROUP_BY_UNIT:
                member->text = info->unit;
                return 0;
        case GROUP_BY_USER:
                member->uid = info->uid;
                member->text = info->uid_known ? "" : NULL;
                return 0;
        }
        return 0;
}

static int compare_identities(const struct group_member *x, const struct group_member *y) {
        if (!x->text || !y->text)
                return !x->text - !y->text;
        if (x->uid != y->uid)
                return x->uid < y->uid ? -1 : 1;
        return strcmp(x->text, y->text);
}

/* The most traffic first within a group, so that its first member can stand for it; then as in the rank. */
static int compare_members(const void *a, const void *b) {
        const struct group_member *x = a, *y = b;
        int c = compare_identities(x, y);

        if (c != 0)
                return c;
        return rank_compare(&x->row, &y->row, RANK_BY_TOTAL);
}

static void members_free(struct group_member *members, size_t n) {
        for (size_t i = 0; i < n; i++)
                free(members[i].app);
        free(members);
}

static int collect(const struct process_table *table, enum group_by by, const struct rank_query *query,
                   struct group_member **ret_members, size_t *ret_n) {
        struct group_member *members = calloc(MAX(process_table_size(table), 1u), sizeof(*members));
        struct process *process;
        uint32_t cursor = 0;
        size_t n = 0;

        if (!members)
                return -ENOMEM;
        while ((process = process_table_next(table, &cursor))) {
                if (!rank_row_of(process, query, &members[n].row))
                        continue;
                if (identify(&members[n++], by) < 0) {
                        members_free(members, n);
                        return -ENOMEM;
                }
        }
        qsort(members, n, sizeof(*members), compare_members);
        *ret_members = members;
        *ret_n = n;
        return 0;
}

/* --- groups --------------------------------------------------------------------------------------------- */

static void join_group(struct group *group, const struct group_member *member) {
        const struct process_info *info = &member->row.process->info, *first = &group->first->info;

        group->processes += MAX(member->row.processes, 1u);
        group->one_user &= info->uid_known && first->uid_known && info->uid == first->uid;
        group->window.in += member->row.window.in;
        group->window.out += member->row.window.out;
}

/* Members are sorted: those of a group stand side by side. Returns how many groups they are. */
static size_t make_groups(const struct groups *all, uint32_t recent) {
        size_t n = 0;

        for (size_t i = 0; i < all->n_members;) {
                const struct group_member *first = &all->members[i];
                struct group *group = &all->groups[n++];

                *group = (struct group){.first = first->row.process,
                                        .app = first->app,
                                        .known = first->text,
                                        .one_user = true,
                                        .members = first};
                while (i < all->n_members && compare_identities(first, &all->members[i]) == 0)
                        join_group(group, &all->members[i++]);
                group->n_members = (size_t) (&all->members[i] - first);
                group->window.in_rate = group->window.in / recent;
                group->window.out_rate = group->window.out / recent;
        }
        return n;
}

static int compare_groups(const void *a, const void *b, void *userdata) {
        const struct group *x = a, *y = b;
        const enum rank_sort *sort = userdata;

        return rank_compare(&(struct rank_row){.process = x->first, .window = x->window},
                            &(struct rank_row){.process = y->first, .window = y->window}, *sort);
}

int group_processes(const struct process_table *table, enum group_by by, const struct rank_query *query,
                    struct groups *ret_groups) {
        enum rank_sort sort = query->sort;
        struct groups all = {};
        int r;

        r = collect(table, by, query, &all.members, &all.n_members);
        if (r < 0)
                return r;
        all.groups = calloc(MAX(all.n_members, (size_t) 1), sizeof(*all.groups));
        if (!all.groups) {
                groups_done(&all);
                return -ENOMEM;
        }
        all.n = make_groups(&all, query->recent);
        qsort_r(all.groups, all.n, sizeof(*all.groups), compare_groups, &sort);
        if (query->limit > 0)
                all.n = MIN(all.n, (size_t) query->limit);
        *ret_groups = all;
        return 0;
}

void groups_done(struct groups *groups) {
        members_free(groups->members, groups->n_members);
        free(groups->groups);
        *groups = (struct groups){};
}

int group_traffic(const struct group *group, struct traffic *ret_traffic) {
        struct traffic traffic = {};

        for (size_t i = 0; i < group->n_members; i++)
                if (traffic_merge(&traffic, group->members[i].row.traffic) < 0) {
                        traffic_done(&traffic);
                        return -ENOMEM;
                }
        *ret_traffic = traffic;
        return 0;
}
