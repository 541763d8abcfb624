/* SPDX-License-Identifier: MIT */
#include "owner/users.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include "util/clock.h"
#include "util/hash_table.h"
#include "util/utf8.h"

#define MAX_USERS 65536

/* An answer may name a thousand: each look at the file costs as much as a fifth of a row. */
#define LOOK_USEC (1 * USEC_PER_SEC)

struct user {
        uint32_t uid;  /* key */
        char name[64]; /* 32 is the longest that useradd(8) makes */
};

struct users {
        char *path;
        struct timespec mtime; /* of the file as it was read */
        uint64_t look_usec;    /* CLOCK_MONOTONIC, when it is to be looked at again */
        struct hash_table *table;
};

int users_new(const char *path, struct users **ret_users) {
        _cleanup_(users_freep) struct users *users = calloc(1, sizeof(*users));

        if (!users)
                return -ENOMEM;
        users->path = strdup(path);
        if (!users->path)
                return -ENOMEM;

        *ret_users = TAKE_PTR(users);
        return 0;
}

void users_free(struct users *users) {
        if (!users)
                return;
        hash_table_free(users->table);
        free(users->path);
        free(users);
}

static int read_users(FILE *file, struct hash_table *table) {
        struct passwd *entry;
        char buffer[4096];
        struct passwd space;

        while (fgetpwent_r(file, &space, buffer, sizeof(buffer), &entry) == 0) {
                uint32_t uid = entry->pw_uid;
                struct user *user;
                void *added;
                int r;

                if (hash_table_find(table, &uid)) /* the first name of a uid counts, as for getpwuid(3) */
                        continue;
                r = hash_table_add(table, &uid, &added);
                if (r < 0)
                        return r;
                user = added;
                (void) snprintf(user->name, sizeof(user->name), "%s", entry->pw_name);
                utf8_make_valid(user->name);
        }
        return 0;
}

static int refresh(struct users *users) {
        _cleanup_(hash_table_freep) struct hash_table *table = NULL;
        _cleanup_fclose_ FILE *file = NULL;
        struct stat status;
        int r;

        if (stat(users->path, &status) < 0)
                return -errno;
        if (users->table && memcmp(&status.st_mtim, &users->mtime, sizeof(users->mtime)) == 0)
                return 0;
        file = fopen(users->path, "re");
        if (!file)
                return -errno;
        r = hash_table_new(sizeof(struct user), sizeof(uint32_t), MAX_USERS, &table);
        if (r < 0)
                return r;
        r = read_users(file, table);
        if (r < 0)
                return r;

        hash_table_free(users->table);
        users->table = TAKE_PTR(table);
        users->mtime = status.st_mtim;
        return 0;
}

const char *users_name(struct users *users, uid_t uid, uint64_t now_usec) {
        const uint32_t key = uid;
        const struct user *user;

        if (now_usec >= users->look_usec) {
                (void) refresh(users); /* a file that cannot be read leaves the names as they were */
                users->look_usec = now_usec + LOOK_USEC;
        }
        user = users->table ? hash_table_find(users->table, &key) : NULL;
        return user ? user->name : NULL;
}
