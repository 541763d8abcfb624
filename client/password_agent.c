/* SPDX-License-Identifier: MIT */
#include "password_agent.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define AGENT "/usr/bin/pkttyagent"

/* It says that it is ready, or goes, within moments. */
#define READY_MSEC 10000

static void run_agent(int notify, pid_t parent) {
        char notify_text[16];

        (void) snprintf(notify_text, sizeof(notify_text), "%d", notify);
        if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
                _exit(EXIT_FAILURE);
        /* --fallback: where the session has an agent, that one asks */
        execl(AGENT, AGENT, "--fallback", "--notify-fd", notify_text, NULL);
        _exit(EXIT_FAILURE);
}

pid_t password_agent_start(void) {
        struct pollfd ready = {.events = POLLIN};
        pid_t self = getpid(), agent;
        int fds[2];

        if (geteuid() == 0 || !isatty(STDIN_FILENO) || access(AGENT, X_OK) < 0 || pipe(fds) < 0)
                return 0;
        agent = fork();
        if (agent == 0) {
                close(fds[0]);
                run_agent(fds[1], self);
        }
        close(fds[1]);
        if (agent > 0) { /* its end of the pipe closes when it is registered, or has failed */
                ready.fd = fds[0];
                (void) poll(&ready, 1, READY_MSEC);
        }
        close(fds[0]);
        return agent > 0 ? agent : 0;
}

void password_agent_stop(pid_t agent) {
        if (agent <= 0)
                return;
        (void) kill(agent, SIGTERM);
        (void) kill(agent, SIGCONT); /* it stops itself when it is in the background of its terminal */
        (void) waitpid(agent, NULL, 0);
}
