# SPDX-License-Identifier: MIT
"""Who takes part: netflowd with each backend, the least that libpcap costs, and what Debian packages."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile

from harness import DEADLINE, Daemon, has_owner, private_bus, read_until, until

import cgroup
import procfs

# The one list of modes; what a daemon does not know, or cannot do here, is left out.
MODES = {"bpf": ["--backend", "bpf"],
         "pcap+bpf": ["--backend", "pcap", "--owners", "bpf"],
         "pcap": ["--backend", "pcap", "--owners", "procfs"]}
NOBODY, LOOP, TCPDUMP, NETHOGS = "nobody", "bare loop", "tcpdump", "nethogs"


def inside(host, words):
    """In its network namespace but with this machine's /sys, where cgroups are."""
    return ["nsenter", f"--net=/run/netns/{host.name}", *words]


class Running:
    """A program that runs. What it has read and what the kernel dropped before it, where it can say so."""

    def __init__(self, name, pid):
        self.name, self.pid = name, pid

    def cpu(self):
        return procfs.cpu_seconds(self.pid)

    def counts(self):
        return None

    def shares(self):
        """Bytes by pid."""
        return {}


class Nobody(Running):
    def __init__(self):
        super().__init__(NOBODY, None)

    def cpu(self):
        return 0.0


class Netflowd(Running):
    def __init__(self, name, daemon):
        super().__init__(name, daemon.process.pid)
        self.daemon = daemon

    def counts(self):
        status = self.daemon.status()
        return status["PacketsReceived"], status["PacketsDropped"]

    def shares(self):
        rows = {}
        for row in self.daemon.rank():
            if "pid" in row:
                rows[row["pid"]] = rows.get(row["pid"], 0) + row["total"]["in"] + row["total"]["out"]
        return rows


class Loop(Running):
    def __init__(self, process):
        super().__init__(LOOP, process.pid)
        self.process = process

    def counts(self):
        self.process.send_signal(signal.SIGUSR1)
        return tuple(map(int, self.process.stdout.readline().split()))


class Tcpdump(Running):
    def __init__(self, process):
        super().__init__(TCPDUMP, process.pid)
        self.process = process

    def counts(self):
        """It says so in one line: "… captured, … received by filter, … dropped by kernel"."""
        self.process.send_signal(signal.SIGUSR1)
        numbers = re.findall(r"(\d+) packet", read_until(self.process.stderr, "captured.*received.*dropped"))
        return int(numbers[0]), int(numbers[2])


class Nethogs(Running):
    def __init__(self, process, path):
        super().__init__(NETHOGS, process.pid)
        self.path = path

    def shares(self):
        with open(self.path, encoding="utf-8", errors="replace") as file:
            return nethogs_totals(file.read())


def nethogs_totals(text):
    """The last that was said of each: "PROGRAM/PID/UID\tSENT\tRECEIVED", in bytes since it began. Pid 0 is its row for
    what it does not know."""
    totals = {}
    for line in text.splitlines():
        match = re.match(r".*/(\d+)/\d+\t([\d.e+]+)\t([\d.e+]+)$", line)
        if match and int(match[1]) != 0:
            totals[int(match[1])] = max(totals.get(int(match[1]), 0), int(float(match[2]) + float(match[3])))
    return totals


@contextlib.contextmanager
def ended(process):
    """By its pid, at the latest on the way out."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()


@contextlib.contextmanager
def netflowd(build, host, mode, groups=()):
    with private_bus() as bus, tempfile.TemporaryFile("w+") as said:
        command = [f"{build}/netflowd", "--config", "/dev/null", *MODES[mode]]
        process = subprocess.Popen(inside(host, cgroup.wrapped(groups, command)), text=True, stderr=said,
                                   env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": bus.address})
        with ended(process):
            daemon = Daemon(build, bus, process)
            until(lambda: process.poll() is not None or has_owner(daemon), "a daemon on its bus")
            if process.poll() is not None:
                said.seek(0)
                raise RuntimeError(said.read().strip())
            yield Netflowd(mode, daemon)


@contextlib.contextmanager
def loop(build, host, groups=()):
    process = subprocess.Popen(inside(host, cgroup.wrapped(groups, [f"{build}/tests/tools/pcap-loop"])),
                               stdout=subprocess.PIPE, text=True)
    with ended(process):
        process.stdout.readline()
        yield Loop(process)


@contextlib.contextmanager
def tcpdump(_build, host, groups=()):
    process = subprocess.Popen(inside(host, cgroup.wrapped(groups, ["tcpdump", "-i", "any", "-n", "-w", "/dev/null"])),
                               stderr=subprocess.PIPE, text=True)
    with ended(process):
        read_until(process.stderr, "listening on")
        yield Tcpdump(process)


@contextlib.contextmanager
def nethogs(_build, host, groups=()):
    """TCP and UDP, total bytes, a line for each process each second."""
    with tempfile.NamedTemporaryFile("w") as output:
        command = ["nethogs", "-t", "-C", "-v", "2", "-d", "1", "v0"]
        process = subprocess.Popen(inside(host, cgroup.wrapped(groups, command)), stdout=output,
                                   stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        with ended(process):
            until(lambda: process.poll() is not None or os.path.getsize(output.name) > 0, "what nethogs has to say")
            yield Nethogs(process, output.name)


@contextlib.contextmanager
def nobody(_build, _host, groups=()):
    yield Nobody()


def starter(mode):
    return lambda build, host, groups=(): netflowd(build, host, mode, groups=groups)


def modes(build, host):
    """The modes that this netflowd has and this kernel lets it have, and why not the others."""
    have, why_not = {}, {}
    for mode in MODES:
        try:
            with netflowd(build, host, mode):
                have[mode] = starter(mode)
        except RuntimeError as error:
            why_not[mode] = str(error).partition("\n")[0]
    return have, why_not


def others():
    """The floor, and the peers that are installed."""
    have = {LOOP: loop}
    if shutil.which("tcpdump"):
        have[TCPDUMP] = tcpdump
    if shutil.which("nethogs"):
        have[NETHOGS] = nethogs
    return have
