/* SPDX-License-Identifier: MIT */
#pragma once

/* What a cgroup path tells of whom it belongs to. Pure. */

/* The innermost systemd unit in a cgroup path: "/user.slice/user-1000.slice/user@1000.service/app.slice/
 * app-firefox.scope/x" → "app-firefox.scope", without the "_" that systemd puts before names that the kernel
 * reserves.
 *
 * What is inside a container is named by somebody else, who may have an "nginx.service", too: there it is the
 * unit that was made for the container ("docker-0123….scope", "machine-web.scope"), and where none was, the
 * container as RUNTIME:NAME, which no unit is called: "/docker/0123456789abcdef…" → "docker:0123456789ab". The
 * runtime is the word in the path, "container" where there is none; of 64 hexadecimal digits the first 12 stand
 * for all, as those runtimes show it. The outermost container counts.
 *
 * The caller frees *ret_unit. Returns 0, -ENODATA when the path has neither, -ENOMEM. */
int unit_from_cgroup(const char *path, char **ret_unit);
