# SPDX-License-Identifier: MIT
"""A group for one process, to charge or to limit it, in whichever hierarchy is there: cgroups(7)."""

import contextlib
import os
import pathlib

ROOT = pathlib.Path("/sys/fs/cgroup")
PERIOD_USEC = 100000


class Group:
    """of a controller; v1 where that has it, else v2."""

    def __init__(self, controller):
        self.v1 = (ROOT / controller / "cgroup.procs").exists()
        parent = ROOT / controller if self.v1 else ROOT
        if not self.v1:
            (ROOT / "cgroup.subtree_control").write_text(f"+{controller}", encoding="ascii")
        number = 0
        while (parent / f"netflowd-test-{os.getpid()}-{number}").exists():
            number += 1
        self.path = parent / f"netflowd-test-{os.getpid()}-{number}"
        self.path.mkdir()

    def command(self, words):
        """That command, in this group from its first instruction on."""
        return ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(self.path / "cgroup.procs"), *words]

    def set_quota(self, percent):
        quota = PERIOD_USEC * percent // 100
        if self.v1:
            (self.path / "cpu.cfs_period_us").write_text(str(PERIOD_USEC), encoding="ascii")
            (self.path / "cpu.cfs_quota_us").write_text(str(quota), encoding="ascii")
        else:
            (self.path / "cpu.max").write_text(f"{quota} {PERIOD_USEC}", encoding="ascii")

    def set_memory_max(self, limit):
        name = "memory.limit_in_bytes" if self.v1 else "memory.max"
        (self.path / name).write_text(str(limit), encoding="ascii")

    def held_bytes(self):
        """What is charged once all that can be given back is: names and inodes of /proc that were looked at, above all."""
        with contextlib.suppress(OSError):  # that not all of it could be is what is asked
            if self.v1:
                (self.path / "memory.force_empty").write_text("0", encoding="ascii")
            else:
                (self.path / "memory.reclaim").write_text("1G", encoding="ascii")
        name = "memory.usage_in_bytes" if self.v1 else "memory.current"
        return int((self.path / name).read_text(encoding="ascii"))

    def remove(self):
        self.path.rmdir()


@contextlib.contextmanager
def group(controller):
    """None where there is no such controller, or it is not ours to use."""
    try:
        made = Group(controller)
    except OSError:
        yield None
        return
    try:
        yield made
    finally:
        made.remove()


def wrapped(groups, words):
    for one in groups:
        if one:
            words = one.command(words)
    return words
