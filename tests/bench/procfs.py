# SPDX-License-Identifier: MIT
"""What the kernel says of a process: CPU time, wake-ups, memory. Parsers of text, and apart from them readers of files."""

import pathlib

NSEC_PER_SEC = 1e9


def schedstat_seconds(text):
    """'2345678 1234 56': the first is the time on a processor in ns. Documentation/scheduler/sched-stats.rst"""
    return int(text.split()[0]) / NSEC_PER_SEC


def status_number(text, key):
    """'VmHWM:\t    1234 kB' or 'voluntary_ctxt_switches:\t12': the number as it stands. proc_pid_status(5)"""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0])
    raise KeyError(key)


def tasks(pid):
    return sorted(pathlib.Path(f"/proc/{pid}/task").iterdir())


def cpu_seconds(pid):
    """Of all its threads that live, in and out of the kernel."""
    return sum(schedstat_seconds((task / "schedstat").read_text(encoding="ascii")) for task in tasks(pid))


def wakeups(pid):
    """How often it went to sleep, which is how often it woke up."""
    return sum(status_number((task / "status").read_text(encoding="utf-8"), "voluntary_ctxt_switches")
               for task in tasks(pid))


def peak_bytes(pid):
    """The most that was resident of it at a time, the packet ring and libraries included."""
    return 1024 * status_number(pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8"), "VmHWM")
