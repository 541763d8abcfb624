# SPDX-License-Identifier: MIT
"""A Debian in a folder: what a newcomer's fresh machine is. Built once for each list of packages and kept outside the
tree, since that takes a minute or two; on a new machine it is built from nothing."""

import contextlib
import fcntl
import glob
import hashlib
import os
import pathlib
import shutil
import subprocess

CACHE = pathlib.Path(os.environ.get("NETFLOWD_TEST_CACHE", "/var/cache/netflowd-tests"))
SUITE = "bookworm"
SYSTEM_PACKAGES = """systemd systemd-sysv dbus dbus-broker polkitd udev iperf3 curl procps python3 nftables
                     linux-image-cloud-amd64 ethtool nginx-light wrk"""
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def sh(command, **options):
    return subprocess.run(command, shell=isinstance(command, str), check=True, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **options).stdout


def makefile_packages(variable):
    """What the Makefile installs: BUILD_PACKAGES or TEST_PACKAGES."""
    return sh(["make", "-s", "-C", str(ROOT), f"print-{variable}"]).split()


def system_packages():
    """What the tests of the system share: all that is needed to build, a kernel, both buses, polkit."""
    return makefile_packages("BUILD_PACKAGES") + SYSTEM_PACKAGES.split()


@contextlib.contextmanager
def mounted(root):
    """What packages' scripts want to see; taken away on any way out."""
    points = [("proc", "proc", "proc"), ("sysfs", "sysfs", "sys"), ("devtmpfs", "devtmpfs", "dev")]
    made = []
    try:
        for kind, source, point in points:
            sh(["mount", "-t", kind, source, f"{root}/{point}"])
            made.append(f"{root}/{point}")
        yield
    finally:
        for point in reversed(made):
            sh(["umount", "-l", point])


def install(root, packages):
    """By apt-get, as this machine is set up to reach its packages; nothing of that stays in the folder."""
    borrowed = [pathlib.Path(path) for path in glob.glob("/etc/apt/apt.conf.d/99*") + ["/etc/resolv.conf"]]
    for path in borrowed:
        shutil.copy(path, f"{root}{path}")
    pathlib.Path(root, "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
    os.chmod(f"{root}/usr/sbin/policy-rc.d", 0o755)
    with mounted(root):
        sh(["chroot", root, "env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", "sh", "-ec",
            "apt-get update -qq; apt-get install -y -qq --no-install-recommends $0; apt-get clean",
            " ".join(packages)])
    for path in [*borrowed, pathlib.Path("/usr/sbin/policy-rc.d")]:
        pathlib.Path(f"{root}{path}").unlink()


def build(root, packages):
    sh(["debootstrap", "--variant=minbase", SUITE, root])
    install(root, packages)


def root_folder(packages):
    """A pristine Debian with these packages. It is shared: copy it (`cp -a --reflink=auto`), do not run it."""
    packages = sorted(set(packages))
    name = hashlib.sha256(" ".join([SUITE, *packages]).encode()).hexdigest()[:16]
    root = CACHE / f"{SUITE}-{name}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{name}.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            unfinished = pathlib.Path(f"{root}.unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            build(str(unfinished), packages)
            unfinished.rename(root)
    return root
