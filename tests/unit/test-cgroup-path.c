/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "owner/cgroup_path.h"
#include "support/test.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct {
        const char *path, *unit;
} cases[] = {
        {"/system.slice/nginx.service", "nginx.service"},
        {"/user.slice/user-1000.slice/user@1000.service/app.slice/app-firefox.scope/x", "app-firefox.scope"},
        {"/user.slice/user-1000.slice/session-2.scope", "session-2.scope"},
        {"/system.slice/_cgroup.service", "cgroup.service"},
        {"/init.scope", "init.scope"},
        {"//system.slice//a.service/", "a.service"},
        {"/", NULL},
        {"/system.slice", NULL},
        {"/.service", NULL},
        {"", NULL},

        /* containers that a unit was made for; what is inside is no unit of this machine */
        {"/system.slice/docker-" ID ".scope", "docker-" ID ".scope"},
        {"/system.slice/docker-" ID ".scope/system.slice/nginx.service", "docker-" ID ".scope"},
        {"/machine.slice/libpod-" ID ".scope/container", "libpod-" ID ".scope"},
        {"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope/init.scope",
         "libpod-" ID ".scope"},
        {"/machine.slice/libpod-conmon-" ID ".scope/x.service", "x.service"},
        {"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-" ID ".scope/a.service",
         "cri-containerd-" ID ".scope"},
        {"/machine.slice/systemd-nspawn@web.service/payload/system.slice/nginx.service", "systemd-nspawn@web.service"},
        {"/machine.slice/machine-web.scope/payload/init.scope", "machine-web.scope"},
        {"/system.slice/machine-x.service/a.service", "a.service"}, /* no scope: machined makes those */

        /* and that none was made for */
        {"/docker/" ID, "docker:0123456789ab"},
        {"/docker/" ID "/system.slice/nginx.service", "docker:0123456789ab"},
        {"/system.slice/docker.service/docker/" ID, "docker:0123456789ab"},
        {"/kubepods/burstable/pod12345678-1234-1234-1234-123456789abc/" ID, "kubepods:0123456789ab"},
        {"/kubepods.slice/kubepods-pod1.slice/" ID, "kubepods:0123456789ab"},
        {"/default/" ID, "container:0123456789ab"},
        {"/libpod_parent/libpod-" ID "/x", "libpod:0123456789ab"},
        {"/libpod_parent/conmon", NULL},
        {"/lxc/web", "lxc:web"},
        {"/lxc.payload.web/system.slice/nginx.service", "lxc:web"},
        {"/lxc.monitor.web", NULL},
        {"/docker/" ID "/docker/f" ID, "docker:0123456789ab"},

        /* nearly */
        {"/docker", NULL},
        {"/docker/" ID "0", NULL},
        {"/docker/0123456789ab", NULL},
        {"/docker/0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", NULL},
        {"/lxc", NULL},
        {"/lxc.payload.", NULL},
        {"/x/" ID ".scope", ID ".scope"},
        {"/x/-" ID ".scope/a.service", "a.service"},
        {"/x/docker-" ID ".service/a.service", "a.service"},
};

static void test_units(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char *unit = NULL;

                assert_int_equal(unit_from_cgroup(cases[i].path, &unit), cases[i].unit ? 0 : -ENODATA);
                if (cases[i].unit)
                        assert_string_equal(unit, cases[i].unit);
                else
                        assert_null(unit);
                free(unit);
        }
}

/* Cut off anywhere, each in memory of its own, so that a read behind its end is seen by the sanitizer. */
static void test_prefixes(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (size_t n = 0; n <= strlen(cases[i].path); n++) {
                        char *path = strndup(cases[i].path, n), *unit = NULL;

                        assert_non_null(path);
                        if (unit_from_cgroup(path, &unit) == 0)
                                assert_true(*unit != '\0' && !strchr(unit, '/'));
                        free(unit);
                        free(path);
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_units),
                cmocka_unit_test(test_prefixes),
        };

        return cmocka_run_group_tests_name("cgroup-path", tests, NULL, NULL);
}
