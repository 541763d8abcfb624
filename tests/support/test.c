/* SPDX-License-Identifier: MIT */
#include "support/test.h"

#include <fcntl.h>
#include <ftw.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct in6_addr test_ipv4(uint8_t last) {
        return (struct in6_addr){.s6_addr = {[10] = 0xff, 0xff, 192, 0, 2, last}};
}

struct flow_key test_key(uint8_t local, uint16_t local_port, uint8_t remote, uint16_t remote_port,
                         uint8_t protocol) {
        return (struct flow_key){
                .local = test_ipv4(local),
                .remote = test_ipv4(remote),
                .local_port = local_port,
                .remote_port = remote_port,
                .protocol = protocol,
        };
}

struct sample test_sample(struct flow_key key, enum direction direction, uint64_t bytes, uint64_t second) {
        return (struct sample){.key = key,
                               .direction = direction,
                               .bytes = bytes,
                               .packets = 1,
                               .time_usec = T0_USEC + second * 1000000};
}

void test_enter_namespace(void) {
        struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
        int fd;

        assert_int_equal(unshare(CLONE_NEWNET), 0);
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
        close(fd);
}

char *test_directory(void) {
        char *directory = strdup("/tmp/netflowd-test-XXXXXX");

        assert_non_null(mkdtemp(directory));
        return directory;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk) {
        (void) status;
        (void) type;
        (void) walk;
        return remove(path);
}

void test_remove(char *directory) {
        assert_int_equal(nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
        free(directory);
}

static void make_way(const char *directory, const char *path, char full[512]) {
        (void) snprintf(full, 512, "%s/%s", directory, path);
        for (char *slash = full + strlen(directory) + 1; (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                (void) mkdir(full, 0755);
                *slash = '/';
        }
}

void test_write(const char *directory, const char *path, const char *text) {
        char full[512];
        FILE *file;

        make_way(directory, path, full);
        file = fopen(full, "we");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
}

void test_link(const char *directory, const char *path, const char *target) {
        char full[512];

        make_way(directory, path, full);
        (void) unlink(full);
        assert_int_equal(symlink(target, full), 0);
}
