/* SPDX-License-Identifier: MIT */
#include "util/thread.h"

#include <signal.h>
#include <stddef.h>

/* Address space, which RLIMIT_DATA counts. By default it would be 8 MB, of which no thread of ours takes 100 kB. */
#define STACK_BYTES ((size_t) 1 << 20)

int thread_start(pthread_t *ret_thread, void *(*function)(void *), void *userdata) {
        pthread_attr_t attributes;
        sigset_t all, before;
        int r;

        /* these fail on no Linux, for this size: pthread_attr_init(3), pthread_attr_setstacksize(3) */
        (void) pthread_attr_init(&attributes);
        (void) pthread_attr_setstacksize(&attributes, STACK_BYTES);
        sigfillset(&all);
        (void) pthread_sigmask(SIG_SETMASK, &all, &before); /* a thread has it from who starts it: pthread_create(3) */
        r = -pthread_create(ret_thread, &attributes, function, userdata);
        (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
        (void) pthread_attr_destroy(&attributes);
        return r;
}
