/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>
#include <time.h>

#define USEC_PER_SEC  UINT64_C(1000000)
#define USEC_PER_MSEC UINT64_C(1000)
#define NSEC_PER_USEC UINT64_C(1000)
#define NSEC_PER_SEC  UINT64_C(1000000000)

/* The given clock in microseconds: CLOCK_REALTIME is what packets are stamped with, CLOCK_MONOTONIC is what
 * waits and intervals go by, CLOCK_BOOTTIME is what process start times count from. */
static inline uint64_t clock_usec(clockid_t clock) {
        struct timespec now;

        clock_gettime(clock, &now); /* cannot fail for these clocks: clock_gettime(2) */
        return (uint64_t) now.tv_sec * USEC_PER_SEC + (uint64_t) now.tv_nsec / NSEC_PER_USEC;
}

/* What is to be added to a CLOCK_MONOTONIC time for what CLOCK_REALTIME, as it is set now, calls it. */
static inline uint64_t clock_real_offset_usec(void) {
        return clock_usec(CLOCK_REALTIME) - clock_usec(CLOCK_MONOTONIC);
}
