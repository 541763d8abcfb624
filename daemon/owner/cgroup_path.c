/* SPDX-License-Identifier: MIT */
#include "owner/cgroup_path.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/macros.h"

/* Of a container by the OCI runtimes: 64 hexadecimal digits, of which 12 are shown. */
#define CONTAINER_ID_DIGITS    64u
#define CONTAINER_SHOWN_DIGITS 12

/* A name in a path, not ended by NUL. */
struct part {
        const char *text;
        size_t length;
};

static bool starts_with(struct part part, const char *start) {
        size_t n = strlen(start);

        return part.length > n && memcmp(part.text, start, n) == 0;
}

static bool ends_with(struct part part, const char *end) {
        size_t n = strlen(end);

        return part.length > n && memcmp(part.text + part.length - n, end, n) == 0;
}

static bool is(struct part part, const char *text) {
        return part.length == strlen(text) && memcmp(part.text, text, part.length) == 0;
}

static struct part from(struct part part, size_t offset) {
        return (struct part){part.text + offset, part.length - offset};
}

static bool is_unit(struct part part) {
        return ends_with(part, ".service") || ends_with(part, ".scope");
}

static bool is_container_id(struct part part) {
        return part.length == CONTAINER_ID_DIGITS && strspn(part.text, "0123456789abcdef") >= CONTAINER_ID_DIGITS;
}

/* A unit that is a container: systemd-machined's machines and those of the OCI runtimes under the "systemd"
 * cgroup driver, "RUNTIME-ID.scope". What podman keeps beside one is no container: "libpod-conmon-ID.scope". */
static bool is_container_unit(struct part part) {
        const char *digits;

        if ((starts_with(part, "machine-") && ends_with(part, ".scope")) ||
            (starts_with(part, "systemd-nspawn@") && ends_with(part, ".service")))
                return true;
        if (!ends_with(part, ".scope") || part.length <= CONTAINER_ID_DIGITS + strlen("-.scope"))
                return false;
        digits = part.text + part.length - strlen(".scope") - CONTAINER_ID_DIGITS;
        return digits[-1] == '-' && is_container_id((struct part){digits, CONTAINER_ID_DIGITS}) &&
               !starts_with(part, "libpod-conmon-") && !starts_with(part, "crio-conmon-");
}

static int name_container(struct part runtime, struct part name, char **ret_unit) {
        int shown = is_container_id(name) ? CONTAINER_SHOWN_DIGITS : (int) name.length;

        return asprintf(ret_unit, "%.*s:%.*s", (int) runtime.length, runtime.text, shown, name.text) < 0 ? -ENOMEM
                                                                                                         : 1;
}

/* A container that there is no unit for: "/docker/ID", "/kubepods/burstable/podUUID/ID", "/libpod_parent/
 * libpod-ID", "/lxc.payload.NAME" (LXC from 4.0 on), "/lxc/NAME". Returns 1, 0 when it is none, -ENOMEM. */
static int container(struct part part, struct part parent, bool kubernetes, char **ret_unit) {
        static const struct part lxc = {"lxc", 3}, kubepods = {"kubepods", 8}, other = {"container", 9};
        static const char *const prefixes[] = {"libpod-", "crio-", "docker-", "cri-containerd-"};
        size_t payload = strlen("lxc.payload.");

        if (starts_with(part, "lxc.payload."))
                return name_container(lxc, from(part, payload), ret_unit);
        if (is(parent, "lxc"))
                return name_container(lxc, part, ret_unit);
        if (is_container_id(part))
                return name_container(is(parent, "docker") ? parent : kubernetes ? kubepods : other, part,
                                      ret_unit);
        for (size_t i = 0; i < ELEMENTSOF(prefixes); i++) {
                size_t prefix = strlen(prefixes[i]);

                if (starts_with(part, prefixes[i]) && is_container_id(from(part, prefix)))
                        return name_container((struct part){part.text, prefix - 1}, from(part, prefix), ret_unit);
        }
        return 0;
}

static int copy_unit(struct part unit, char **ret_unit) {
        char *copy;

        if (unit.length == 0)
                return -ENODATA;
        if (*unit.text == '_') /* systemd's escape for names the kernel has a use for: cg_escape() */
                unit = from(unit, 1);
        copy = strndup(unit.text, unit.length);
        if (!copy)
                return -ENOMEM;
        *ret_unit = copy;
        return 0;
}

int unit_from_cgroup(const char *path, char **ret_unit) {
        struct part unit = {"", 0}, parent = {"", 0};
        bool kubernetes = false;
        int r;

        for (const char *name = path + strspn(path, "/"); *name;) {
                struct part part = {name, strcspn(name, "/")};

                if (is_unit(part)) {
                        unit = part;
                        if (is_container_unit(part))
                                break;
                } else {
                        r = container(part, parent, kubernetes, ret_unit);
                        if (r != 0)
                                return r < 0 ? r : 0;
                }
                kubernetes |= is(part, "kubepods") || starts_with(part, "kubepods.") || starts_with(part, "kubepods-");
                parent = part;
                name += part.length + strspn(name + part.length, "/");
        }
        return copy_unit(unit, ret_unit);
}
