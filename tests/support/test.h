/* SPDX-License-Identifier: MIT */
#pragma once

/* What every unit test includes, in the order cmocka wants it. */
#include <setjmp.h> /* IWYU pragma: keep */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/sample.h"

/* A whole second that tests count from, CLOCK_REALTIME. */
#define T0      UINT64_C(1700000000)
#define T0_USEC (T0 * 1000000)

/* An address of 192.0.2.0/24, v4-mapped. */
struct in6_addr test_ipv4(uint8_t last);

/* 192.0.2.LOCAL:local_port ↔ 192.0.2.REMOTE:remote_port */
struct flow_key test_key(uint8_t local, uint16_t local_port, uint8_t remote, uint16_t remote_port,
                         uint8_t protocol);

/* One packet of that flow, sent or received second seconds after T0. */
struct sample test_sample(struct flow_key key, enum direction direction, uint64_t bytes, uint64_t second);

/* Is an environment as root given? Skips the test, saying so, where it is not. */
#define SKIP_UNLESS_ROOT()                                                                         \
        do {                                                                                       \
                if (geteuid() != 0) {                                                              \
                        print_message("skipped: needs root for a network namespace of its own\n"); \
                        skip();                                                                    \
                }                                                                                  \
        } while (0)

/* Moves the test into a new network namespace whose loopback interface is up. */
void test_enter_namespace(void);

/* A directory of its own, to be taken away with test_remove(). */
char *test_directory(void);
void test_remove(char *directory);

/* Writes a file below a directory, making the folders on the way. */
void test_write(const char *directory, const char *path, const char *text);

/* Makes a symbolic link likewise. */
void test_link(const char *directory, const char *path, const char *target);
