/* SPDX-License-Identifier: MIT */
#include "manager/own_process.h"

#include <linux/capability.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "util/capability.h"
#include "util/log.h"

/* A pidfd for each process in the books. */
static void raise_descriptor_limit(void) {
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;
        limit.rlim_cur = limit.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE,
                         &limit); /* what cannot be raised is lived with: see engine_mark_exits() */
}

/* By default glibc raises its threshold to the size of what was freed last, mallopt(3): after one large
 * answer the next ones would come from the heap, and a small allocation behind them would keep all of it
 * there. */
static void give_back_large_memory(void) {
        (void) mallopt(M_MMAP_THRESHOLD, 128 << 10);
}

void own_process_set_up(void) {
        (void) signal(SIGPIPE, SIG_IGN); /* who reads a recording may go */
        raise_descriptor_limit();
        give_back_large_memory();
}

bool own_process_may_capture(const char *backend) {
        bool bpf = strcmp(backend, "pcap") != 0 && !missing_bpf_capability();
        bool pcap = strcmp(backend, "bpf") != 0 && have_capability(CAP_NET_RAW);

        if (bpf || pcap)
                return true;
        log_write(LOG_ERR, "backend %s needs %s: run it as root, or as its systemd service", backend,
                  strcmp(backend, "pcap") == 0 ? "CAP_NET_RAW"
                  : strcmp(backend, "bpf") == 0
                          ? "CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"
                          : "CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN, or CAP_NET_RAW");
        return false;
}

void own_process_warn_of_blindness(void) {
        if (!have_capability(CAP_SYS_PTRACE) || !have_capability(CAP_DAC_READ_SEARCH))
                log_write(LOG_WARNING,
                          "without CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH the sockets of other users' "
                          "processes stay unknown");
}
