/* SPDX-License-Identifier: MIT */
#include "standalone.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util.h"

#define REAP_MSEC 5000

/* $NETFLOWD_PATH, what lies beside this program (a build tree), what is installed. */
static void find_netflowd(char path[PATH_MAX]) {
        const char *chosen = secure_getenv("NETFLOWD_PATH");
        char self[PATH_MAX];
        ssize_t n;
        char *slash;

        if (chosen) {
                (void) snprintf(path, PATH_MAX, "%s", chosen);
                return;
        }
        n = readlink("/proc/self/exe", self, sizeof(self) - 1);
        if (n > 0) {
                self[n] = '\0';
                slash = strrchr(self, '/');
                if (slash && (size_t) (slash - self) + sizeof("/netflowd") <= PATH_MAX) {
                        *slash = '\0';
                        strcpy(path, self);
                        strcat(path, "/netflowd");
                        if (access(path, X_OK) == 0)
                                return;
                }
        }
        (void) snprintf(path, PATH_MAX, "%s/netflowd", SBINDIR);
}

static void run_child(const char *path, int fd, int errors, pid_t parent) {
        char option[32];

        /* goes when we go, however that is; unless we have gone already */
        if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent || fcntl(fd, F_SETFD, 0) < 0 ||
            (errors >= 0 && dup2(errors, STDERR_FILENO) < 0))
                _exit(EXIT_FAILURE);
        (void) snprintf(option, sizeof(option), "--bus-fd=%d", fd);
        execl(path, path, option, NULL);
        (void) fail("cannot start %s: %s", path, strerror(errno));
        _exit(EXIT_FAILURE);
}

static int start(int fd, sd_bus **ret_bus) {
        _cleanup_(sd_bus_unrefp) sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_fd(bus, fd, fd);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0)
                return r;
        *ret_bus = sd_bus_ref(bus);
        return 0;
}

int standalone_open(struct connection *ret_connection, bool quiet) {
        struct connection connection = {};
        int fds[2], said[2] = {0, -1}, r;
        pid_t self = getpid();
        char path[PATH_MAX];

        find_netflowd(path);
        /* it never waits for room in it */
        if (quiet && pipe2(said, O_CLOEXEC | O_NONBLOCK) < 0)
                return fail("cannot make a pipe: %s", strerror(errno));
        connection.said = said[0];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                return fail("cannot make a socket pair: %s", strerror(errno));
        connection.child = fork();
        if (connection.child < 0)
                return fail("cannot start %s: %s", path, strerror(errno));
        if (connection.child == 0)
                run_child(path, fds[1], said[1], self);
        close(fds[1]);
        if (said[1] >= 0)
                close(said[1]);

        r = start(fds[0], &connection.bus);
        if (r < 0) {
                standalone_reap(connection.child);
                return fail("cannot talk to %s: %s", path, strerror(-r));
        }
        *ret_connection = connection;
        return 0;
}

void standalone_reap(pid_t child) {
        int pidfd = (int) syscall(SYS_pidfd_open, child, 0);
        struct pollfd ended = {.fd = pidfd, .events = POLLIN};

        if (pidfd < 0 || poll(&ended, 1, REAP_MSEC) <= 0)
                (void) kill(child, SIGKILL);
        if (pidfd >= 0)
                close(pidfd);
        (void) waitpid(child, NULL, 0);
}

void standalone_relay(int said) {
        char text[4096];
        ssize_t n;

        while ((n = read(said, text, sizeof(text))) > 0)
                (void) fwrite(text, 1, (size_t) n, stderr);
        close(said);
}

bool standalone_has_failed(pid_t child) {
        siginfo_t info = {};

        /* left for standalone_reap(): the pid stays ours */
        return waitid(P_PID, (id_t) child, &info, WEXITED | WNOWAIT) == 0 && info.si_pid == child &&
               (info.si_code != CLD_EXITED || info.si_status != EXIT_SUCCESS);
}

int standalone_measure(struct connection *connection, unsigned seconds) {
        /* a window is whole seconds that have closed: the one under way at the start is not among them, and
         * one that has just ended takes a moment to close */
        uint64_t end = now_usec() + (seconds + 1) * UINT64_C(1000000) + 500000, now;
        bool terminal = isatty(STDERR_FILENO);
        int r = 0;

        while (r == 0 && (now = now_usec()) < end) {
                uint64_t left = end - now, step = left % 1000000 ? left % 1000000 : 1000000;

                if (terminal)
                        (void) fprintf(stderr, "\rmeasuring for %u s: %u s left \b", seconds,
                                       (unsigned) ((left + 999999) / 1000000));
                r = connection_wait(connection, step);
        }
        if (terminal)
                (void) fputs("\r\033[K", stderr);
        return r;
}
