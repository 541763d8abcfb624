/* SPDX-License-Identifier: MIT */
#include "util/capability.h"

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

bool have_capability(unsigned capability) {
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};

        /* the one call needs no library: capget(2) */
        if (capability >= 32 * _LINUX_CAPABILITY_U32S_3 || syscall(SYS_capget, &header, data) < 0)
                return false;
        return data[capability / 32].effective & (1u << capability % 32);
}
