/* SPDX-License-Identifier: MIT */
#pragma once

#include <pthread.h>

/* Starts a thread that gets no signals, with a stack of a size that no limit on our memory minds. Returns 0 or a negative
 * errno; the caller joins *ret_thread. */
int thread_start(pthread_t *ret_thread, void *(*function)(void *), void *userdata);
