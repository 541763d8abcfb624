/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "account/process_table.h"
#include "account/rank.h"
#include "account/traffic.h"
#include "util/macros.h"

/* What processes have in common. */
enum group_by {
        GROUP_BY_APP,  /* the desktop application, where the unit names one, or else the executable */
        GROUP_BY_UNIT, /* the innermost systemd unit */
        GROUP_BY_USER, /* the effective user */
};

struct group_member;

/* The processes that have it in common. */
struct group {
        const struct process *first; /* the one with the most traffic in the window: it stands for them */
        const char *app;             /* GROUP_BY_APP: name of a desktop application, or NULL */
        uint32_t processes;          /* exited ones included */
        bool one_user;               /* all are the same user's */
        bool known;                  /* false: what they have in common is that it is not known */
        struct window window;
        const struct group_member *members;
        size_t n_members;
};

struct groups {
        struct group *groups;
        size_t n;
        struct group_member *members; /* of all groups */
        size_t n_members;
};

/* Groups the processes that rank_processes() ranks. Groups point into the table and are good until it
 * changes. The caller does groups_done(). Returns 0 or -ENOMEM. */
int group_processes(const struct process_table *table, enum group_by by, const struct rank_query *query,
                    struct groups *ret_groups);
void groups_done(struct groups *groups);

/* All traffic of a group: made when it is asked for, since it may be as large as that of all its processes. The
 * caller does traffic_done(). Returns 0 or -ENOMEM. */
int group_traffic(const struct group *group, struct traffic *ret_traffic);

/* The application in the name of a unit that a desktop environment made for one, "app-gnome-firefox-1234.scope" or
 * "app-org.kde.konsole@12ab.service" → "firefox", "org.kde.konsole" (systemd, Desktop Environment Integration).
 * The caller frees *ret_app. Returns 0, -ENODATA for another unit, or -ENOMEM. */
int app_from_unit(const char *unit, char **ret_app);
