/* SPDX-License-Identifier: MIT */
#include "rank_csv.h"

#include <string.h>

#include "csv.h"
#include "dbus/org.netflowd1.h"
#include "util.h"

#define STATS(key) NETFLOWD_KEY_TRAFFIC_STATS "." key
#define TOTAL(key) NETFLOWD_KEY_TOTAL "." key

/* The most columns that tell rows apart, and those of the numbers. */
#define LABELS_MAX 11

static const struct {
        const char *by, *labels[LABELS_MAX + 1];
} groupings[] = {
        {NETFLOWD_BY_PROCESS,
         {NETFLOWD_KEY_PID, NETFLOWD_KEY_NAME, NETFLOWD_KEY_EXE, NETFLOWD_KEY_STATE, NETFLOWD_KEY_START_TIME,
          NETFLOWD_KEY_UID, NETFLOWD_KEY_USER, NETFLOWD_KEY_UNIT, NETFLOWD_KEY_CGROUP,
          NETFLOWD_KEY_PROCESSES, NETFLOWD_KEY_INODE_COUNT}},
        {NETFLOWD_BY_APP,
         {NETFLOWD_KEY_NAME, NETFLOWD_KEY_EXE, NETFLOWD_KEY_UID, NETFLOWD_KEY_USER, NETFLOWD_KEY_PROCESSES}},
        {NETFLOWD_BY_UNIT, {NETFLOWD_KEY_UNIT, NETFLOWD_KEY_UID, NETFLOWD_KEY_USER, NETFLOWD_KEY_PROCESSES}},
        {NETFLOWD_BY_USER, {NETFLOWD_KEY_UID, NETFLOWD_KEY_USER, NETFLOWD_KEY_PROCESSES}},
        {NETFLOWD_BY_INTERFACE, {NETFLOWD_KEY_INTERFACE}},
        {NETFLOWD_BY_REMOTE, {NETFLOWD_FLOW_REMOTE}},
        {NETFLOWD_BY_PROTOCOL, {NETFLOWD_FLOW_PROTOCOL}},
};
static const char *const numbers[] = {
        STATS(NETFLOWD_KEY_IN),          STATS(NETFLOWD_KEY_OUT),        STATS(NETFLOWD_KEY_IN_RATE),
        STATS(NETFLOWD_KEY_OUT_RATE),    STATS(NETFLOWD_KEY_INPUT_EWMA), STATS(NETFLOWD_KEY_OUTPUT_EWMA),
        TOTAL(NETFLOWD_KEY_IN),          TOTAL(NETFLOWD_KEY_OUT),        TOTAL(NETFLOWD_KEY_PACKETS_IN),
        TOTAL(NETFLOWD_KEY_PACKETS_OUT), TOTAL(NETFLOWD_KEY_SINCE),
};

void rank_print_csv(struct json_object *rank, const struct output *output,
                    const struct arguments *arguments) {
        const char *columns[LABELS_MAX + ELEMENTSOF(numbers)];
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(groupings); i++)
                if (strcmp(arguments->by ? arguments->by : NETFLOWD_BY_PROCESS, groupings[i].by) == 0)
                        for (const char *const *label = groupings[i].labels; *label; label++)
                                columns[n++] = *label;
        for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                columns[n++] = numbers[i];
        csv_print(output, arguments, rank, columns, n);
}
