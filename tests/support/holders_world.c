/* SPDX-License-Identifier: MIT */
#include "support/holders_world.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/test.h"

#define STAT_TAIL "0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0"

int world_set_up(void **state) {
        struct world *world = calloc(1, sizeof(*world));
        struct owner_config config = {.scan_interval_usec = 250000, .max_sockets = 100};

        world->root = test_directory();
        world->now_usec = 1000000;
        config.proc_root = world->root;
        assert_int_equal(socket_holders_new(&config, &world->holders), 0);
        *state = world;
        return 0;
}

int world_tear_down(void **state) {
        struct world *world = *state;

        socket_holders_free(world->holders);
        test_remove(world->root);
        free(world);
        return 0;
}

void add_process(const struct world *world, uint32_t pid, uint32_t parent, uint64_t start) {
        char path[64], text[128];

        (void) snprintf(path, sizeof(path), "%u/stat", pid);
        (void) snprintf(text, sizeof(text), "%u (p) S %u " STAT_TAIL " %lu 0 0", pid, parent,
                        (unsigned long) start);
        test_write(world->root, path, text);
        (void) snprintf(path, sizeof(path), "%u/fd/0", pid);
        test_link(world->root, path, "/dev/null");
}

void end_process(const struct world *world, uint32_t pid) {
        char *path;

        assert_true(asprintf(&path, "%s/%u", world->root, pid) > 0);
        test_remove(path);
}

void set_fd(const struct world *world, uint32_t pid, uint32_t fd, uint64_t inode) {
        char path[64], target[64];

        (void) snprintf(path, sizeof(path), "%u/fd/%u", pid, fd);
        (void) snprintf(target, sizeof(target), "socket:[%lu]", (unsigned long) inode);
        test_link(world->root, path, target);
}

void close_fd(const struct world *world, uint32_t pid, uint32_t fd) {
        char path[512];

        (void) snprintf(path, sizeof(path), "%s/%u/fd/%u", world->root, pid, fd);
        assert_int_equal(unlink(path), 0);
}

void set_status(const struct world *world, uint32_t pid, uint32_t leader) {
        char path[64], text[128];

        (void) snprintf(path, sizeof(path), "%u/status", pid);
        (void) snprintf(text, sizeof(text), "Name:\tp\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t%u\n", leader);
        test_write(world->root, path, text);
}

void set_last_pid(const struct world *world, uint32_t pid) {
        char text[64];

        (void) snprintf(text, sizeof(text), "0.00 0.00 0.00 1/100 %u\n", pid);
        test_write(world->root, "loadavg", text);
}

static void *let_go(void *userdata) {
        const struct letting_go *letting_go = userdata;
        int fifo = open(letting_go->path, O_WRONLY);

        close_fd(letting_go->world, letting_go->pid, letting_go->fd);
        assert_int_equal(write(fifo, "\n", 1), 1);
        close(fifo);
        return NULL;
}

void begin_to_let_go(const struct world *world, uint32_t pid, uint32_t fd, struct letting_go *ret_letting_go) {
        char path[64];

        *ret_letting_go = (struct letting_go){.world = world, .pid = pid, .fd = fd};
        (void) snprintf(path, sizeof(path), "%u/task/%u/children", pid, pid);
        test_write(world->root, path, "");
        (void) snprintf(ret_letting_go->path, sizeof(ret_letting_go->path), "%s/%s", world->root, path);
        assert_int_equal(unlink(ret_letting_go->path), 0);
        assert_int_equal(mkfifo(ret_letting_go->path, 0600), 0);
        assert_int_equal(pthread_create(&ret_letting_go->thread, NULL, let_go, ret_letting_go), 0);
}

void have_child(const struct world *world) {
        add_process(world, 40, 1, 5);
        set_status(world, 40, 40);
        set_fd(world, 40, 3, 100);
        add_process(world, 41, 40, 6);
        set_status(world, 41, 41);
        set_fd(world, 41, 3, 100);
        set_last_pid(world, 41);
}
