/* SPDX-License-Identifier: MIT */
#include "source/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "source/filter_compile.h"
#include "util/clock.h"

/* How often the caller gets its turn while we wait. */
#define TURN_MSEC 20

static const struct {
        int link_type;
        unsigned use;
} link_types_of_linux[] = {
        {DLT_EN10MB, FILTER_DEVICES},
        {DLT_RAW, FILTER_DEVICES},
        {DLT_LINUX_SLL, FILTER_DEVICES}, /* PPP, and what libpcap does not know */
        {DLT_LINUX_SLL2, FILTER_ANY},
};

struct filter {
        char *text; /* NULL: none */
        size_t n;
        struct filter_program programs[ELEMENTSOF(link_types_of_linux)];
};

void filter_free(struct filter *filter) {
        if (!filter)
                return;
        free(filter->text);
        free(filter);
}

static void say(const char *text, const char *what, struct source_error *ret_error) {
        (void) snprintf(ret_error->text, sizeof(ret_error->text), "filter \"%.160s%s\": %s", text ?: "",
                        text && strlen(text) > 160 ? "…" : "", what);
}

/* Compiles, and hands over the programs. The process that does it may not outlive ours, nor eat its memory,
 * nor leave a core. */
_Noreturn static void compile_in_child(struct filter *filter, int fd) {
        const struct rlimit no_core = {}, cpu = {FILTER_SECONDS + 1, FILTER_SECONDS + 1};
        int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) setrlimit(RLIMIT_CORE, &no_core);
        (void) setrlimit(RLIMIT_CPU, &cpu);
        if (score >= 0 && write(score, "1000", 4) < 0)
                close(score); /* then it is no likelier than we are */
        for (size_t i = 0; i < filter->n; i++) {
                const char *bytes = (const char *) &filter->programs[i];
                size_t left = sizeof(filter->programs[i]);

                filter_compile(filter->text, &filter->programs[i]);
                while (left > 0) {
                        ssize_t n = write(fd, bytes, left);

                        if (n <= 0)
                                _exit(1);
                        bytes += n;
                        left -= (size_t) n;
                }
        }
        _exit(0);
}

/* Reads all that comes. Returns 0 at its end, -ETIMEDOUT, or another negative errno. */
static int read_programs(struct filter *filter, int fd, const struct source_waiting *waiting) {
        const uint64_t deadline = clock_usec(CLOCK_MONOTONIC) + FILTER_SECONDS * USEC_PER_SEC;
        const size_t size = filter->n * sizeof(filter->programs[0]);
        char *bytes = (char *) filter->programs;
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        size_t got = 0;

        while (got < size) {
                ssize_t n;

                if (clock_usec(CLOCK_MONOTONIC) >= deadline)
                        return -ETIMEDOUT;
                if (poll(&ready, 1, TURN_MSEC) <= 0) {
                        if (waiting && waiting->call)
                                waiting->call(waiting->userdata);
                        continue;
                }
                n = read(fd, bytes + got, size - got);
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n == 0)
                        return -EIO; /* it has ended, and not as it should */
                if (n > 0)
                        got += (size_t) n;
        }
        return 0;
}

static int compile_apart(struct filter *filter, const struct source_waiting *waiting) {
        _cleanup_close_ int read_end = -1, write_end = -1;
        int ends[2], r;
        pid_t pid;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        read_end = ends[0];
        write_end = ends[1];
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                compile_in_child(filter, write_end);
        write_end = safe_close(write_end);
        r = read_programs(filter, read_end, waiting);
        (void) kill(pid, SIGKILL);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        return r;
}

/* libpcap has put there what it thinks is one. */
static void set_snaplen(struct filter_program *program, uint32_t snaplen) {
        for (uint32_t i = 0; i < program->n; i++)
                if (program->insns[i].code == (BPF_RET | BPF_K) && program->insns[i].k != 0)
                        program->insns[i].k = snaplen;
}

/* A filter that the kernel does not take would be run by libpcap, on whole packets: it is tried on a socket
 * that nothing comes from. */
static void try_in_kernel(struct filter_program *program) {
        const struct sock_fprog code = {.len = (unsigned short) program->n,
                                        .filter = (struct sock_filter *) program->insns};
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (program->n == 0 || fd < 0)
                return;
        if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &code, sizeof(code)) >= 0)
                return;
        (void) snprintf(program->error, sizeof(program->error), "the kernel does not take it: %s%s",
                        strerror(errno),
                        errno == ENOMEM ? " (it is too long for net.core.optmem_max, see sysctl(8))" : "");
        program->n = 0;
}

static int compile(struct filter *filter, const struct source_waiting *waiting,
                   struct source_error *ret_error) {
        int r = 0;

        if (filter->text)
                r = compile_apart(filter, waiting);
        else
                for (size_t i = 0; i < filter->n; i++)
                        filter_compile(NULL, &filter->programs[i]);
        if (r == -ETIMEDOUT)
                say(filter->text,
                    "its names could not be resolved, or it could not be compiled, within 2 seconds",
                    ret_error);
        else if (r < 0)
                say(filter->text, r == -EIO ? "libpcap failed on it" : strerror(-r), ret_error);
        return r;
}

bool filter_is_blank(const char *text) {
        return !text || !text[strspn(text, " \t\r\n")];
}

int filter_new(const char *text, uint32_t snaplen, unsigned link_types, const struct source_waiting *waiting,
               struct filter **ret_filter, struct source_error *ret_error) {
        _cleanup_(filter_freep) struct filter *filter = calloc(1, sizeof(*filter));
        bool any = false;
        int r;

        if (!filter)
                return -ENOMEM;
        if (!filter_is_blank(text)) {
                if (strlen(text) > FILTER_BYTES_MAX) {
                        say(text, "it is longer than 65535 bytes", ret_error);
                        return -EINVAL;
                }
                filter->text = strdup(text);
                if (!filter->text)
                        return -ENOMEM;
        }
        for (size_t i = 0; i < ELEMENTSOF(link_types_of_linux); i++)
                if (link_types_of_linux[i].use & link_types)
                        filter->programs[filter->n++].link_type = link_types_of_linux[i].link_type;
        r = compile(filter, waiting, ret_error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < filter->n; i++) {
                set_snaplen(&filter->programs[i], snaplen);
                try_in_kernel(&filter->programs[i]);
                any = any || filter->programs[i].n > 0;
        }
        if (!any) {
                say(filter->text, filter->programs[0].error, ret_error);
                return -EINVAL;
        }

        *ret_filter = TAKE_PTR(filter);
        return 0;
}

int filter_program(const struct filter *filter, int link_type, struct bpf_program *ret_program,
                   struct source_error *ret_error) {
        for (size_t i = 0; i < filter->n; i++) {
                const struct filter_program *program = &filter->programs[i];

                if (program->link_type != link_type)
                        continue;
                if (program->n == 0) {
                        say(filter->text, program->error, ret_error);
                        return -EINVAL;
                }
                *ret_program = (struct bpf_program){.bf_len = program->n,
                                                    .bf_insns = (struct bpf_insn *) program->insns};
                return 0;
        }
        (void) snprintf(ret_error->text, sizeof(ret_error->text), "link type %d (%s) is not supported",
                        link_type, pcap_datalink_val_to_name(link_type) ?: "unknown");
        return -EPROTONOSUPPORT;
}
