/* SPDX-License-Identifier: MIT */
#include "source/device_list.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Entries of interfaces that are there, and of those that are gone: bounds for what one answer on the bus
 * holds. */
#define PRESENT_MAX 256
#define GONE_MAX    32
#define WAITING_MAX 64

/* Those that are gone and still captured on, to read what the kernel has left of them, are not forgotten
 * before that is done. */
#define ENTRIES_MAX (PRESENT_MAX + GONE_MAX + WAITING_MAX + 2 * (DEVICES_CAPTURED_MAX + 1))

struct device_list {
        struct device *devices[ENTRIES_MAX];
        size_t n;
        uint64_t gone_order;
        uint64_t n_forgotten;
        struct device forgotten; /* the sum of those */
        size_t n_excess;
        struct device excess;
};

const char *device_state_name(enum device_state state) {
        static const char *const names[] = {
#define DEVICE_STATE_NAME(name, text) [DEVICE_##name] = text,
                DEVICE_STATES(DEVICE_STATE_NAME)
#undef DEVICE_STATE_NAME
        };

        return names[state];
}

void device_set_state(struct device *device, enum device_state state, const char *format, ...) {
        va_list arguments;

        device->state = state;
        if (!format)
                return;
        va_start(arguments, format);
        (void) vsnprintf(device->last_error, sizeof(device->last_error), format, arguments);
        va_end(arguments);
}

int device_list_new(struct device_list **ret_list) {
        struct device_list *list = calloc(1, sizeof(*list));

        if (!list)
                return -ENOMEM;
        list->forgotten = (struct device){.state = DEVICE_GONE, .name = "(gone)"};
        list->excess = (struct device){.state = DEVICE_FAILED, .name = "(more)"};
        *ret_list = list;
        return 0;
}

void device_list_free(struct device_list *list) {
        if (!list)
                return;
        for (size_t i = 0; i < list->n; i++)
                free(list->devices[i]);
        free(list);
}

static void take_out(struct device_list *list, size_t i) {
        free(list->devices[i]);
        list->n--;
        memmove(list->devices + i, list->devices + i + 1, (list->n - i) * sizeof(*list->devices));
}

static bool is_present(const struct device *device) {
        return device->state != DEVICE_GONE && device->state != DEVICE_WAITING;
}

static size_t count(const struct device_list *list, bool (*is)(const struct device *)) {
        size_t n = 0;

        for (size_t i = 0; i < list->n; i++)
                n += is(list->devices[i]);
        return n;
}

static bool is_gone(const struct device *device) {
        return device->state == DEVICE_GONE;
}

static bool is_waiting(const struct device *device) {
        return device->state == DEVICE_WAITING;
}

struct device *device_list_find(const struct device_list *list, uint32_t ifindex) {
        for (size_t i = 0; i < list->n; i++)
                if (list->devices[i]->ifindex == ifindex && is_present(list->devices[i]))
                        return list->devices[i];
        return NULL;
}

static struct device *find_gone(const struct device_list *list, const char *name) {
        for (size_t i = 0; i < list->n; i++)
                if (is_gone(list->devices[i]) && strcmp(list->devices[i]->name, name) == 0)
                        return list->devices[i];
        return NULL;
}

static int add(struct device_list *list, const char *name, enum device_state state,
               struct device **ret_device) {
        struct device *device;

        if (list->n == ENTRIES_MAX)
                return -ENOSPC;
        device = calloc(1, sizeof(*device));
        if (!device)
                return -ENOMEM;
        device->state = state;
        (void) snprintf(device->name, sizeof(device->name), "%s", name);
        list->devices[list->n++] = device;
        *ret_device = device;
        return 0;
}

int device_list_get(struct device_list *list, uint32_t ifindex, const char *name,
                    struct device **ret_device) {
        struct device *device = device_list_find(list, ifindex);
        int r;

        if (!device) {
                if (count(list, is_present) >= PRESENT_MAX)
                        return -ENOSPC;
                device = find_gone(list, name);
        }
        if (!device) {
                r = add(list, name, DEVICE_STOPPED, &device);
                if (r < 0)
                        return r;
        }
        if (is_gone(device)) /* it is back */
                device->state = DEVICE_STOPPED;
        device->ifindex = ifindex;
        *ret_device = device;
        return 0;
}

static bool may_be_forgotten(const struct device *device) {
        return is_gone(device) && device->handles == 0;
}

static void forget_oldest(struct device_list *list) {
        size_t oldest = list->n;

        for (size_t i = 0; i < list->n; i++)
                if (may_be_forgotten(list->devices[i]) &&
                    (oldest == list->n || list->devices[i]->gone_order < list->devices[oldest]->gone_order))
                        oldest = i;
        list->forgotten.received += list->devices[oldest]->received;
        list->forgotten.dropped += list->devices[oldest]->dropped;
        list->n_forgotten++;
        device_set_state(&list->forgotten, DEVICE_GONE,
                         "the sum of %" PRIu64 " devices that were there before", list->n_forgotten);
        take_out(list, oldest);
}

void device_list_forget(struct device_list *list) {
        while (count(list, may_be_forgotten) > GONE_MAX)
                forget_oldest(list);
}

void device_list_set_gone(struct device_list *list, struct device *device, const char *why) {
        device->ifindex = 0;
        device->gone_order = ++list->gone_order;
        device_set_state(device, DEVICE_GONE, "%s", why);
}

void device_list_clear_waiting(struct device_list *list) {
        for (size_t i = list->n; i-- > 0;)
                if (is_waiting(list->devices[i]))
                        take_out(list, i);
}

void device_list_add_waiting(struct device_list *list, const char *pattern, const char *why) {
        struct device *device;

        if (find_gone(list, pattern) || count(list, is_waiting) >= WAITING_MAX ||
            add(list, pattern, DEVICE_WAITING, &device) < 0)
                return;
        device_set_state(device, DEVICE_WAITING, "%s", why);
}

void device_list_set_excess(struct device_list *list, size_t n, size_t most) {
        list->n_excess = n;
        device_set_state(&list->excess, DEVICE_FAILED,
                         "%zu more devices match than the %zu that are captured on", n, most);
}

void device_list_stop(struct device_list *list) {
        device_list_clear_waiting(list);
        for (size_t i = 0; i < list->n; i++)
                if (is_present(list->devices[i]))
                        device_set_state(list->devices[i], DEVICE_STOPPED, NULL);
        list->n_excess = 0;
}

void device_list_lose_stopped(struct device_list *list) {
        for (size_t i = 0; i < list->n; i++)
                if (list->devices[i]->state == DEVICE_STOPPED)
                        device_list_set_gone(list, list->devices[i], "it is not chosen any more");
        device_list_forget(list);
}

const struct device *device_list_next(const struct device_list *list, size_t *cursor) {
        size_t i = (*cursor)++;

        if (i < list->n)
                return list->devices[i];
        i -= list->n;
        if (list->n_forgotten > 0 && i-- == 0)
                return &list->forgotten;
        return list->n_excess > 0 && i == 0 ? &list->excess : NULL;
}
