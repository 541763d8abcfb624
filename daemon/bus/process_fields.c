/* SPDX-License-Identifier: MIT */
#include "bus/process_fields.h"

#include "dbus/org.netflowd1.h"
#include "util/clock.h"

static void add_number(struct field *fields, size_t *n, const char *key, char type, uint64_t number) {
        fields[(*n)++] = (struct field){.key = key, .type = type, .number = number};
}

static void add_text(struct field *fields, size_t *n, const char *key, const char *text) {
        if (text && *text)
                fields[(*n)++] = (struct field){.key = key, .type = 's', .text = text};
}

static void set_traffic(struct process_fields *fields, const struct traffic *traffic,
                        const struct window *window, uint64_t now_usec) {
        struct field *stats = fields->traffic_stats, *total = fields->total;
        uint64_t in_ewma, out_ewma;

        ring_ewma(&traffic->ring, now_usec / USEC_PER_SEC, &in_ewma, &out_ewma);
        add_number(stats, &fields->n_traffic_stats, NETFLOWD_KEY_IN, 't', window->in);
        add_number(stats, &fields->n_traffic_stats, NETFLOWD_KEY_OUT, 't', window->out);
        add_number(stats, &fields->n_traffic_stats, NETFLOWD_KEY_IN_RATE, 't', window->in_rate);
        add_number(stats, &fields->n_traffic_stats, NETFLOWD_KEY_OUT_RATE, 't', window->out_rate);
        add_number(stats, &fields->n_traffic_stats, NETFLOWD_KEY_INPUT_EWMA, 't', in_ewma);
        add_number(stats, &fields->n_traffic_stats, NETFLOWD_KEY_OUTPUT_EWMA, 't', out_ewma);

        add_number(total, &fields->n_total, NETFLOWD_KEY_IN, 't', traffic->in);
        add_number(total, &fields->n_total, NETFLOWD_KEY_OUT, 't', traffic->out);
        add_number(total, &fields->n_total, NETFLOWD_KEY_PACKETS_IN, 't', traffic->packets_in);
        add_number(total, &fields->n_total, NETFLOWD_KEY_PACKETS_OUT, 't', traffic->packets_out);
        add_number(total, &fields->n_total, NETFLOWD_KEY_SINCE, 't', traffic->since_usec);
}

static const char *state_text(struct process_fields *fields, const struct process *process) {
        if (process_exited(process))
                return NETFLOWD_STATE_EXITED;
        fields->state[0] = process->info.state; /* "" while it is not known */
        return fields->state;
}

static void add_user(struct process_fields *fields, const struct process_info *info, struct users *users) {
        if (!info->uid_known)
                return;
        add_number(fields->own, &fields->n_own, NETFLOWD_KEY_UID, 'u', info->uid);
        add_text(fields->own, &fields->n_own, NETFLOWD_KEY_USER,
                 users_name(users, info->uid, clock_usec(CLOCK_MONOTONIC_COARSE)));
}

void process_fields_set(struct process_fields *fields, const struct rank_row *row, uint64_t now_usec,
                        enum detail detail, struct users *users) {
        const struct process *process = row->process;
        const struct process_info *info = &process->info;
        struct field *own;
        size_t *n;

        *fields = (struct process_fields){};
        own = fields->own;
        n = &fields->n_own;
        if (process->id.pid != 0)
                add_number(own, n, NETFLOWD_KEY_PID, 'u', process->id.pid);
        add_text(own, n, NETFLOWD_KEY_NAME, info->name);
        if (detail == DETAIL_PRIVATE)
                add_text(own, n, NETFLOWD_KEY_EXE, info->exe);
        if (detail != DETAIL_BROADCAST) {
                add_text(own, n, NETFLOWD_KEY_STATE, state_text(fields, process));
                if (info->start_time_usec != 0)
                        add_number(own, n, NETFLOWD_KEY_START_TIME, 't', info->start_time_usec);
        }
        add_user(fields, info, users);
        add_text(own, n, NETFLOWD_KEY_UNIT, info->unit);
        if (detail == DETAIL_PRIVATE)
                add_text(own, n, NETFLOWD_KEY_CGROUP, info->cgroup);
        if (row->processes > 0)
                add_number(own, n, NETFLOWD_KEY_PROCESSES, 'u', row->processes);
        else
                add_number(own, n, NETFLOWD_KEY_INODE_COUNT, 'u', process->n_inodes);

        set_traffic(fields, row->traffic, &row->window, now_usec);
}

void group_fields_set(struct process_fields *fields, const struct group *group, enum group_by by,
                      const struct traffic *traffic, bool is_private, uint64_t now_usec, struct users *users) {
        const struct process_info *info = &group->first->info;
        struct field *own;
        size_t *n;

        *fields = (struct process_fields){};
        own = fields->own;
        n = &fields->n_own;
        switch (by) {
        case GROUP_BY_APP:
                add_text(own, n, NETFLOWD_KEY_NAME, group->app ?: info->name);
                if (is_private && !group->app)
                        add_text(own, n, NETFLOWD_KEY_EXE, info->exe);
                if (group->one_user)
                        add_user(fields, info, users);
                break;
        case GROUP_BY_UNIT:
                add_text(own, n, NETFLOWD_KEY_UNIT, info->unit);
                if (group->one_user)
                        add_user(fields, info, users);
                break;
        case GROUP_BY_USER:
                add_user(fields, info, users);
                break;
        }
        add_number(own, n, NETFLOWD_KEY_PROCESSES, 'u', group->processes);
        set_traffic(fields, traffic, &group->window, now_usec);
}

void value_fields_set(struct process_fields *fields, const char *key, const char *text,
                      const struct traffic *traffic, const struct window *window, uint64_t now_usec) {
        *fields = (struct process_fields){};
        add_text(fields->own, &fields->n_own, key, text);
        set_traffic(fields, traffic, window, now_usec);
}

bool process_is_visible_to(const struct process *process, const struct caller *caller) {
        return caller->granted || (process->info.uid_known && process->info.uid == caller->uid);
}
