/* SPDX-License-Identifier: MIT */
#include "config/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "util/file.h"

#define MAIN_FILE "netflowd.conf"
#define DROP_INS  "netflowd.conf.d"

/* No more drop-ins are read. */
#define DROP_INS_MAX 256u

/* The administrator's, what is there until the next boot, and what packages bring: the first one wins. */
static const char *const folders[] = {"/etc/netflowd", "/run/netflowd", "/usr/local/lib/netflowd",
                                      "/usr/lib/netflowd"};

struct drop_in {
        const char *folder;
        char *name;
};

struct drop_ins {
        struct drop_in items[DROP_INS_MAX];
        size_t n;
};

static void drop_ins_done(struct drop_ins *drop_ins) {
        for (size_t i = 0; i < drop_ins->n; i++)
                free(drop_ins->items[i].name);
}

/* A link to /dev/null is how a file of the same name further down is masked. */
static bool is_dev_null(const struct stat *status) {
        return S_ISCHR(status->st_mode) && status->st_rdev == makedev(1, 3);
}

/* Returns how many bytes there are, or a negative errno. */
static ssize_t read_whole(const char *path, char **ret_text) {
        /* a FIFO with nobody at its other end must not be waited for */
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        _cleanup_free_ char *text = NULL;
        struct stat status;
        ssize_t n;

        if (fd < 0)
                return -errno;
        if (fstat(fd, &status) < 0)
                return -errno;
        if (is_dev_null(&status)) {
                *ret_text = NULL;
                return 0;
        }
        if (!S_ISREG(status.st_mode))
                return S_ISDIR(status.st_mode) ? -EISDIR : -EBADFD;
        text = malloc(CONFIG_FILE_MAX + 1);
        if (!text)
                return -ENOMEM;
        n = read_fd(fd, text, CONFIG_FILE_MAX + 1);
        if (n < 0)
                return n;
        if (n > (ssize_t) CONFIG_FILE_MAX)
                return -EFBIG;

        *ret_text = TAKE_PTR(text);
        return n;
}

static bool is_absent(int r) {
        return r == -ENOENT || r == -ENOTDIR;
}

/* `path` is what messages call what is at root/path. That it is not there is left to the caller to tell. */
static int load_file(const char *root, const char *path, const struct messages *messages,
                     struct config *config) {
        struct messages here = *messages;
        _cleanup_free_ char *text = NULL;
        char full[PATH_MAX];
        ssize_t n;

        here.path = path;
        if (snprintf(full, sizeof(full), "%s%s", root, path) >= (int) sizeof(full))
                n = -ENAMETOOLONG;
        else
                n = read_whole(full, &text);
        if (n == -ENOMEM || is_absent((int) n))
                return (int) n;
        if (n < 0) {
                messages_tell(&here, "cannot read it: %s",
                              n == -EBADFD ? "it is not a regular file" : strerror((int) -n));
                return (int) n;
        }
        return config_parse(config, path, text ?: "", (size_t) n, messages->handler, messages->userdata);
}

int files_load_one(const char *path, const struct messages *messages, struct config *config) {
        int r = load_file("", path, messages, config);

        if (is_absent(r))
                messages_tell(messages, "%s: cannot read it: %s", path, strerror(-r));
        return r;
}

static int load_main(const char *root, const struct messages *messages, struct config *config) {
        for (size_t i = 0; i < ELEMENTSOF(folders); i++) {
                char path[PATH_MAX];
                int r;

                (void) snprintf(path, sizeof(path), "%s/" MAIN_FILE, folders[i]);
                r = load_file(root, path, messages, config);
                if (r == -ENOMEM)
                        return r;
                if (!is_absent(r))
                        return 0; /* one that cannot be read is there all the same */
        }
        return 0;
}

static bool is_known(const struct drop_ins *drop_ins, const char *name) {
        for (size_t i = 0; i < drop_ins->n; i++)
                if (strcmp(drop_ins->items[i].name, name) == 0)
                        return true;
        return false;
}

static bool is_drop_in(const char *name) {
        size_t length = strlen(name);

        return name[0] != '.' && length > strlen(".conf") &&
               strcmp(name + length - strlen(".conf"), ".conf") == 0;
}

static void closedirp(DIR **directory) {
        if (*directory)
                closedir(*directory);
}

static int find_drop_ins(const char *root, const char *folder, const struct messages *messages,
                         struct drop_ins *drop_ins) {
        _cleanup_(closedirp) DIR *directory = NULL;
        struct messages here = *messages;
        const struct dirent *entry;
        char path[PATH_MAX];

        here.path = folder;
        (void) snprintf(path, sizeof(path), "%s%s/" DROP_INS, root, folder);
        directory = opendir(path);
        if (!directory) {
                if (errno != ENOENT)
                        messages_tell(&here, "cannot read " DROP_INS ": %s", strerror(errno));
                return 0;
        }
        while ((entry = readdir(directory))) {
                if (!is_drop_in(entry->d_name) || is_known(drop_ins, entry->d_name))
                        continue;
                if (drop_ins->n >= DROP_INS_MAX) {
                        messages_tell(&here, "more than %u files in all of " DROP_INS ": not all are read",
                                      DROP_INS_MAX);
                        return 0;
                }
                drop_ins->items[drop_ins->n].folder = folder;
                drop_ins->items[drop_ins->n].name = strdup(entry->d_name);
                if (!drop_ins->items[drop_ins->n].name)
                        return -ENOMEM;
                drop_ins->n++;
        }
        return 0;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(((const struct drop_in *) a)->name, ((const struct drop_in *) b)->name);
}

static int load_drop_ins(const char *root, const struct messages *messages, struct config *config) {
        _cleanup_(drop_ins_done) struct drop_ins drop_ins = {};
        int r;

        for (size_t i = 0; i < ELEMENTSOF(folders); i++) {
                r = find_drop_ins(root, folders[i], messages, &drop_ins);
                if (r < 0)
                        return r;
        }
        qsort(drop_ins.items, drop_ins.n, sizeof(drop_ins.items[0]), compare_names);
        for (size_t i = 0; i < drop_ins.n; i++) {
                char path[PATH_MAX];

                (void) snprintf(path, sizeof(path), "%s/" DROP_INS "/%s", drop_ins.items[i].folder,
                                drop_ins.items[i].name);
                r = load_file(root, path, messages, config);
                if (r == -ENOMEM)
                        return r;
        }
        return 0;
}

int files_load(const char *root, const struct messages *messages, struct config *config) {
        int r = load_main(root, messages, config);

        return r < 0 ? r : load_drop_ins(root, messages, config);
}
