#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs a command in a Debian of its own, on its own kernel: where systemd is PID 1, cgroup v2 limits are enforced and
the kernel is the oldest that is supported. QEMU without KVM, so that it works wherever tests do; all is ten to
twenty times slower than outside.

usage: vm.py BUILD COMMAND…

COMMAND runs as root in a copy of the working tree, where BUILD is built already; its output and exit status are
those of vm.py. The environment has NETFLOWD_VM=1. For example: vm.py build tests/e2e/test_owners.py build"""

import contextlib
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

import image

DISK_BYTES = 3 << 30  # as much as is used takes room
TREE = "/root/netflowd"  # the working tree, inside
STATUS = "exit status "  # begins the last line of what comes out
DEADLINE = 550  # a machine that runs for this long never ends; beside others, on a busy machine, it may take half of it
INSIDE = "NETFLOWD_VM" in os.environ

SERVICE = """[Unit]
Description=What is to be run
BindsTo=dev-virtio\\x2dports-output.device
After=dev-virtio\\x2dports-output.device multi-user.target
[Service]
Type=oneshot
Environment=NETFLOWD_VM=1 HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
WorkingDirectory={tree}
StandardOutput=file:/dev/virtio-ports/output
StandardError=inherit
ExecStart=/bin/sh -c '"$@"; echo "{status}$?"' sh {command}
ExecStopPost=/usr/bin/systemctl poweroff --force --force
"""

# What the shared root folder is without, in a mount namespace that ends with the command: nothing to unmount.
MAKE_DISK = """mount -t overlay overlay -o "lowerdir=$1:$2" /mnt
exec mke2fs -q -F -t ext4 -O ^has_journal -m 0 -d /mnt "$3"
"""


def copy_tree(build, target):
    """What is in the working tree, and of its builds the one."""
    build = pathlib.Path(build).resolve().relative_to(image.ROOT)

    def others(folder, names):
        here = pathlib.Path(folder).relative_to(image.ROOT)
        return [name for name in names if name in (".git", "__pycache__") or
                ((image.ROOT / here / name / "settings").exists() and here / name not in (build, *build.parents))]

    shutil.copytree(image.ROOT, target, symlinks=True, ignore=others)


def quoted(words):
    """For a command line in a unit: systemd.service(5)."""
    return " ".join('"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$") + '"'
                    for word in words)


def add_service(root, command):
    units = pathlib.Path(root, "etc/systemd/system")
    wants = units / "multi-user.target.wants"
    wants.mkdir(parents=True)
    (units / "test.service").write_text(SERVICE.format(tree=TREE, status=STATUS, command=quoted(command)),
                                        encoding="utf-8")
    (wants / "test.service").symlink_to("../test.service")


@contextlib.contextmanager
def disk(build, command):
    """A disk with Debian, the working tree and the command; a file without a name, so that nothing of it can stay."""
    root = image.root_folder(image.system_packages())
    with tempfile.TemporaryFile(dir=image.CACHE) as file:
        file.truncate(DISK_BYTES)
        with tempfile.TemporaryDirectory(prefix="netflowd-") as added:
            os.chmod(added, 0o755)
            copy_tree(build, added + TREE)
            add_service(added, command)
            subprocess.run(["unshare", "--mount", "sh", "-ec", MAKE_DISK, "sh", added, root,
                            f"/proc/self/fd/{file.fileno()}"], check=True, pass_fds=[file.fileno()])
        yield root, file.fileno()


def qemu(root, disk_fd, console):
    """Ends with us, however we end."""
    kernel, initrd = (str(next(root.glob(f"boot/{name}-*"))) for name in ("vmlinuz", "initrd.img"))
    return ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max",
            "-smp", "2", "-m", "1024", "-nodefaults", "-no-user-config", "-display", "none", "-nic", "none",
            "-no-reboot", "-kernel", kernel, "-initrd", initrd,
            "-append", "root=/dev/vda rw console=ttyS0 panic=-1 mitigations=off",
            "-drive", f"file=/proc/self/fd/{disk_fd},format=raw,if=virtio,cache=unsafe",
            "-serial", f"file:{console}", "-device", "virtio-serial", "-chardev", "stdio,id=output,signal=off",
            "-device", "virtserialport,chardev=output,name=output"]


def pass_on(output):
    """Prints what the command says, up to its exit status, which is returned; None: it did not come to that."""
    for line in output:
        if line.startswith(STATUS):
            return int(line.removeprefix(STATUS))
        print(line, end="", flush=True)
    return None


def run(build, command, deadline=DEADLINE):
    """Runs the command inside and passes on what it says; returns its exit status, or 1 when the machine failed."""
    with disk(build, command) as (root, disk_fd), tempfile.NamedTemporaryFile() as console:
        with subprocess.Popen(qemu(root, disk_fd, console.name), pass_fds=[disk_fd], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=console, text=True, errors="replace") as process:
            timer = threading.Timer(deadline, process.kill)
            timer.start()
            try:
                status = pass_on(process.stdout)
            finally:
                timer.cancel()
                process.kill()
        if status is None:
            print("the machine ended before the command did; its console:")
            print(pathlib.Path(console.name).read_text(encoding="utf-8", errors="replace")[-8000:], flush=True)
    return 1 if status is None else status


def run_cases_inside(name):
    """For a file of tests whose cases are to run inside: runs that file there, with the same arguments, and ends as it
    does. Inside, it does nothing."""
    if INSIDE:
        return
    if os.geteuid() != 0 or platform.machine() != "x86_64":
        print(f"SKIP {pathlib.Path(name).stem}: needs root and an x86-64 machine")
        sys.exit(0)
    script, build = (str(pathlib.Path(path).resolve().relative_to(image.ROOT)) for path in (name, sys.argv[1]))
    sys.exit(run(build, [script, build, *sys.argv[2:]]))


def main():
    sys.exit(run(sys.argv[1], sys.argv[2:]))


signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
if __name__ == "__main__":
    main()
