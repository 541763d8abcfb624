/* SPDX-License-Identifier: MIT */
#include "util/capability.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/macros.h"

bool have_capability(unsigned capability) {
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

        /* the one call needs no library: capget(2) */
        if (capability >= 32 * _LINUX_CAPABILITY_U32S_3 || syscall(SYS_capget, &header, data) < 0)
                return false;
        return data[capability / 32].effective & (1u << capability % 32);
}

const char *missing_bpf_capability(void) {
        static const struct {
                unsigned capability;
                const char *name;
        } needed[] = {{CAP_BPF, "CAP_BPF"}, {CAP_PERFMON, "CAP_PERFMON"}, {CAP_NET_ADMIN, "CAP_NET_ADMIN"}};

        if (have_capability(CAP_SYS_ADMIN) && have_capability(CAP_NET_ADMIN)) /* stands for the other two */
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(needed); i++)
                if (!have_capability(needed[i].capability))
                        return needed[i].name;
        return NULL;
}
