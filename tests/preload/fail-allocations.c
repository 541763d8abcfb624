/* SPDX-License-Identifier: MIT */

/* Lets allocations fail in a program that was not made for it: LD_PRELOAD=fail-allocations.so.
 *
 * FAIL_ALLOCATIONS=each  runs the program again and again, each time in a process of its own that begins where main()
 *                        does, with the first, the second, … allocation failing, until one run needs no more. Each run
 *                        has to end well with the output of the run in which nothing fails, or with an exit status
 *                        and a line on standard error. Says what did not, and exits with 1 then. A run whose output
 *                        has the word FAIL_ALLOCATIONS_TOLD has told in it what was lost.
 * FAIL_ALLOCATIONS=ends  the same, but only looks whether it ends by itself, as tests do that expect memory.
 * FAIL_ALLOCATIONS=N     just the N-th one fails: for a look at what is wrong, under gdb(1).
 * FAIL_ALLOCATIONS=signal
 *                        SIGUSR2 has every third allocation fail, until SIGUSR1. */

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUNS_MAX    100000
#define RUN_SECONDS 20u /* one that takes longer hangs */
#define TEXT_MAX    65536

/* glibc's own, behind the names that programs use. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static atomic_long until_failure; /* allocations up to and with the one that fails; ≤ 0: none does */
static atomic_bool armed;         /* since SIGUSR2 */
static atomic_long n_armed;       /* allocations since */

static bool fails(void) {
        bool failing = atomic_fetch_sub(&until_failure, 1) == 1;

        if (atomic_load(&armed) && atomic_fetch_add(&n_armed, 1) % 3 == 2)
                failing = true;
        if (failing)
                errno = ENOMEM;
        return failing;
}

void *malloc(size_t size) {
        return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
        return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *memory, size_t size) {
        return fails() ? NULL : __libc_realloc(memory, size);
}

void *reallocarray(void *memory, size_t n, size_t size) {
        size_t bytes;

        if (__builtin_mul_overflow(n, size, &bytes)) {
                errno = ENOMEM;
                return NULL;
        }
        return realloc(memory, bytes);
}

void *memalign(size_t alignment, size_t size) {
        return fails() ? NULL : __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
        return memalign(alignment, size);
}

int posix_memalign(void **ret_memory, size_t alignment, size_t size) {
        void *memory = memalign(alignment, size);

        if (memory)
                *ret_memory = memory;
        return memory ? 0 : ENOMEM;
}

/* --- run after run ---------------------------------------------------------------------------------------- */

struct run {
        int status;      /* of waitpid(2) */
        int out, error;  /* files with what it wrote */
        long left;       /* of until_failure at its end: > 0 where nothing has failed */
};

static void fail(const char *what) {
        perror(what);
        _exit(EXIT_FAILURE);
}

/* Shared with the run under way: how many allocations it had left. */
static atomic_long *left_over;

static void tell_what_is_left(void) {
        atomic_store(left_over, atomic_load(&until_failure));
}

static int new_file(void) {
        int fd = memfd_create("output", MFD_CLOEXEC);

        if (fd < 0)
                fail("memfd_create");
        return fd;
}

/* Returns in the process that is to go on as the program, with allocation n failing. */
static bool begin(long n, struct run *run) {
        pid_t pid;

        *run = (struct run){.out = new_file(), .error = new_file()};
        atomic_store(left_over, 0);
        pid = fork();
        if (pid < 0)
                fail("fork");
        if (pid == 0) {
                if (dup2(run->out, STDOUT_FILENO) < 0 || dup2(run->error, STDERR_FILENO) < 0 ||
                    atexit(tell_what_is_left) != 0)
                        fail("dup2");
                (void) alarm(RUN_SECONDS);
                atomic_store(&until_failure, n);
                return true;
        }
        if (waitpid(pid, &run->status, 0) < 0)
                fail("waitpid");
        run->left = atomic_load(left_over);
        return false;
}

static void end(struct run *run) {
        close(run->out);
        close(run->error);
}

static size_t read_file(int fd, char text[TEXT_MAX]) {
        ssize_t n = pread(fd, text, TEXT_MAX - 1, 0);

        text[n > 0 ? n : 0] = '\0';
        return n > 0 ? (size_t) n : 0;
}

static bool same_file(int a, int b) {
        static char x[TEXT_MAX], y[TEXT_MAX];
        off_t at = 0;
        ssize_t n;

        do {
                n = pread(a, x, sizeof(x), at);
                if (n != pread(b, y, sizeof(y), at) || (n > 0 && memcmp(x, y, (size_t) n) != 0))
                        return false;
                at += n;
        } while (n > 0);
        return true;
}

static bool tells_loss(int out) {
        const char *word = getenv("FAIL_ALLOCATIONS_TOLD");
        char text[TEXT_MAX];

        (void) read_file(out, text);
        return word && strstr(text, word);
}

/* NULL: nothing is wrong with it. */
static const char *what_is_wrong(const struct run *run, const struct run *good, bool only_ends) {
        char error[TEXT_MAX];

        if (WIFSIGNALED(run->status))
                return strsignal(WTERMSIG(run->status));
        if (only_ends)
                return NULL;
        if (WEXITSTATUS(run->status) != 0)
                return read_file(run->error, error) > 0 ? NULL : "it fails without a word";
        if (!same_file(run->out, good->out) && read_file(run->error, error) == 0 && !tells_loss(run->out))
                return "another output, without a word";
        return NULL;
}

static bool run_all(bool only_ends) {
        struct run good, run;
        char error[TEXT_MAX];
        long n, wrong = 0, failed = 0;

        if (begin(LONG_MAX, &good))
                return true;
        for (n = 1; n < RUNS_MAX; n++) {
                const char *what;

                if (begin(n, &run))
                        return true;
                if (run.left > 0) /* it had no n-th allocation */
                        break;
                failed += WIFEXITED(run.status) && WEXITSTATUS(run.status) != 0;
                what = what_is_wrong(&run, &good, only_ends);
                if (what) {
                        wrong++;
                        (void) read_file(run.error, error);
                        printf("allocation %ld: %s %.200s\n", n, what, error);
                        (void) fflush(stdout); /* the next run is a copy of us */
                }
                end(&run);
        }
        printf("%ld allocations, each failed once: %ld runs ended with an error, %ld wrongly\n", n - 1, failed, wrong);
        (void) fflush(stdout);
        _exit(wrong > 0 || n < 2 || good.status != 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

static void on_signal(int signal_number) {
        atomic_store(&armed, signal_number == SIGUSR2);
}

__attribute__((constructor)) static void prepare(void) {
        const char *mode = getenv("FAIL_ALLOCATIONS");

        (void) unsetenv("LD_PRELOAD"); /* it is for this program, and not for those that it starts */
        if (!mode)
                return;
        if (strcmp(mode, "signal") == 0) {
                (void) signal(SIGUSR1, on_signal);
                (void) signal(SIGUSR2, on_signal);
                return;
        }
        if (*mode >= '0' && *mode <= '9') {
                atomic_store(&until_failure, strtol(mode, NULL, 10));
                return;
        }
        left_over = mmap(NULL, sizeof(*left_over), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (left_over == MAP_FAILED)
                fail("mmap");
        (void) run_all(strcmp(mode, "ends") == 0);
}
