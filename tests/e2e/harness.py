# SPDX-License-Identifier: MIT
"""Hosts, buses and daemons for the end-to-end tests. All that is made here is taken away on any way out."""

import contextlib
import json
import os
import pathlib
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback

NAME = "org.netflowd1"
OBJECT = "/org/netflowd1"
INTERFACE = "org.netflowd1.Manager"
LINK_HEADER = {"v0": 14, "lo": 0}  # bytes of each packet that the interface counts and we do not
TUNNEL = str(pathlib.Path(__file__).resolve().parent / "tunnel.py")
TRAFFIC = str(pathlib.Path(__file__).resolve().parent / "traffic.py")
WITHOUT_NAMESPACES = ["setpriv", "--bounding-set=-sys_admin"]  # before a command: it cannot enter others
DEADLINE = 60  # for what happens within moments, or never
FEWER = "NETFLOWD_TEST_FEWER" in os.environ  # what is done many times is done less often

BUS_CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>custom</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/>
<allow send_type="signal"/><allow receive_sender="*"/></policy>{limits}</busconfig>"""


def sh(command, **options):
    return subprocess.run(command, shell=isinstance(command, str), check=True, text=True, stdout=subprocess.PIPE,
                          **options).stdout


def sanitized(build):
    """What memory it takes, and time, is the sanitizer's then."""
    program = pathlib.Path(build, "netflowd").read_bytes()
    return b"__asan_" in program or b"__tsan_" in program


def until(condition, what, deadline=DEADLINE, pause=0.05):
    """Looks again and again, a moment apart; returns what the condition came to. What it is may be told when it is not."""
    end = time.monotonic() + deadline
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() >= end:
            raise AssertionError(f"in {deadline} s it did not come to {what() if callable(what) else what}")
        select.select([], [], [], pause)


class Host:
    """A network namespace."""

    def __init__(self, name):
        self.name = name

    def command(self, words):
        return ["ip", "netns", "exec", self.name, *words]

    def sh(self, command, **options):
        return sh(self.command(["sh", "-ec", command]), **options)

    @contextlib.contextmanager
    def start(self, words, **options):
        """A process of this host, ended by its pid at the latest on the way out."""
        process = subprocess.Popen(self.command(words), text=True, **options)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()
            process.wait(DEADLINE)

    def counters(self, device, link_header=None):
        """Bytes at the IP layer that the interface has counted: in and out."""
        stats = json.loads(sh(["ip", "-n", self.name, "-s", "-j", "link", "show", device]))[0]["stats64"]
        header = LINK_HEADER[device] if link_header is None else link_header
        return {"in": stats["rx"]["bytes"] - header * stats["rx"]["packets"],
                "out": stats["tx"]["bytes"] - header * stats["tx"]["packets"]}


def quiet(host):
    """Nothing of its own goes out: no router solicitations, no duplicate address detection (`all` and `default` before
    any link is there), and not what multicast listeners report (IGMP, and the one use of a hop-by-hop header)."""
    host.sh("for c in all default; do sysctl -qw net.ipv6.conf.$c.accept_ra=0 "
            "net.ipv6.conf.$c.router_solicitations=0 net.ipv6.conf.$c.dad_transmits=0; done; "
            "nft 'table inet quiet { chain out { type filter hook output priority 0; "
            "ip6 nexthdr 0 drop; ip protocol 2 drop; }; }'; ip link set lo up")


def total(counted):
    return counted["in"] + counted["out"]


@contextlib.contextmanager
def hosts(count=2):
    """Two hosts joined by a cable, with fixed neighbours, so that nothing but the test's own traffic flows. Or one, or
    three, the last of which is on its own."""
    made = [Host(f"nf{os.getpid()}{letter}") for letter in "abc"[:count]]
    try:
        for host in made:
            sh(["ip", "netns", "add", host.name])
            quiet(host)
        if count >= 2:
            join(*made[:2])
        yield made
    finally:
        for host in made:
            subprocess.run(["ip", "netns", "del", host.name], check=False, stderr=subprocess.DEVNULL)


def join(a, b):
    sh(f"ip -n {a.name} link add v0 address 02:00:00:00:00:01 type veth peer name v0 address 02:00:00:00:00:02 "
       f"netns {b.name}")
    for host, own, other in ((a, 1, 2), (b, 2, 1)):
        host.sh(f"ip link set v0 addrgenmode none; ip addr add 10.9.0.{own}/24 dev v0; "
                f"ip addr add fd09::{own}/64 dev v0 nodad; ip link set v0 up; "
                f"ip neigh replace 10.9.0.{other} lladdr 02:00:00:00:00:0{other} nud permanent dev v0; "
                f"ip -6 neigh replace fd09::{other} lladdr 02:00:00:00:00:0{other} nud permanent dev v0")
    for host in (a, b):
        until(lambda host=host: "LOWER_UP" in sh(["ip", "-n", host.name, "link", "show", "v0"]), "a cable")


def join_at(a, b, name, network):
    """Another cable, of that name at both ends, with fixed neighbours; a is NETWORK.1 and b NETWORK.2."""
    sh(f"ip -n {b.name} link del {name} 2>/dev/null || true; "
       f"ip -n {a.name} link add {name} address 02:00:00:00:01:01 type veth peer name {name} "
       f"address 02:00:00:00:01:02 netns {b.name}")
    for host, own, other in ((a, 1, 2), (b, 2, 1)):
        attach(host, name, f"{network}.{own}", f"{network}.{other}", f"02:00:00:00:01:0{other}")
    for host in (a, b):
        until(lambda host=host: "LOWER_UP" in sh(["ip", "-n", host.name, "link", "show", name]), "a cable")


def attach(host, device, address, neighbour, mac):
    """Brings up a device that nothing but the test's own traffic goes through."""
    host.sh(f"ip link set {device} addrgenmode none; ip addr replace {address}/24 dev {device}; "
            f"ip link set {device} up; ip neigh replace {neighbour} lladdr {mac} nud permanent dev {device}")


def container(host, other):
    """Another host on a bridge of this one: br0 with port d0 here, 10.8.0.1; e0 there, 10.8.0.2."""
    host.sh("ip link add br0 address 02:00:00:00:08:01 type bridge; ip link add d0 type veth "
            f"peer name e0 address 02:00:00:00:08:02 netns {other.name}; ip link set d0 addrgenmode none; "
            "ip link set d0 master br0; ip link set d0 up")
    attach(host, "br0", "10.8.0.1", "10.8.0.2", "02:00:00:00:08:02")
    attach(other, "e0", "10.8.0.2", "10.8.0.1", "02:00:00:00:08:01")
    other.sh("ip route add default via 10.8.0.1")
    until(lambda: "LOWER_UP" in host.sh("ip link show br0"), "a bridge that is up")


class Bus:
    """A dbus-daemon at an address that outlives it, with other limits than its own where some are given."""

    def __init__(self, directory, limits):
        path = f"{directory}/bus"
        self.configuration, self.address, self.process = f"{directory}/conf", f"unix:path={path}", None
        pathlib.Path(self.configuration).write_text(BUS_CONFIGURATION.format(path=path, limits="".join(
            f'<limit name="{name}">{value}</limit>' for name, value in limits.items())), encoding="utf-8")

    def start(self):
        self.process = subprocess.Popen(["dbus-daemon", f"--config-file={self.configuration}", "--nofork",
                                         "--print-address"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout.readline().startswith(self.address)

    def stop(self):
        self.process.terminate()
        self.process.wait(DEADLINE)
        self.process.stdout.close()


@contextlib.contextmanager
def private_bus(limits=None):
    with tempfile.TemporaryDirectory(prefix="netflowd-") as directory:
        os.chmod(directory, 0o755)
        bus = Bus(directory, limits or {})
        bus.start()
        try:
            yield bus
        finally:
            bus.stop()


class Daemon:
    """A netflowd, and the ways to ask it."""

    def __init__(self, build, bus, process):
        self.build, self.bus, self.address, self.process = build, bus, bus.address, process
        self.environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": bus.address}

    def restart_bus(self):
        self.bus.stop()
        self.bus.start()

    def ctl(self, *words, check=True, **options):
        return subprocess.run([f"{self.build}/netflowctl", *words], env=self.environment, check=check, text=True, timeout=DEADLINE,
                              stdout=subprocess.PIPE, **options)

    def json(self, *words):
        return json.loads(self.ctl(*words, "--json").stdout)

    def rank(self, limit=0, recent=300):
        return self.json("rank", "--limit", str(limit), "--recent", str(recent))

    def row(self, pid):
        """The newest row of that pid; None."""
        rows = [row for row in self.rank() if row.get("pid") == pid]
        return max(rows, key=lambda row: row.get("start_time_usec", 0), default=None)

    def status(self):
        return self.json("status")

    def ledger(self):
        return self.status()["Ledger"]

    def settled(self):
        """The ledger once nothing moves any more: all that was sent is read and no flow waits for its owner."""
        previous, since = None, 0

        def still():
            nonlocal previous, since
            before, previous = previous, self.ledger()
            ledger = previous
            if ledger != before or ledger["unattributed-pending"] != 0:
                since = time.monotonic()
            # four drains long, so that a block of the ring that is still open is in, and a late acknowledgement
            return time.monotonic() - since > 0.4 and ledger

        return until(still, "a ledger at rest", pause=0.1)

    def in_windows(self):
        """That ledger, once the second is over that anything moved in last: windows, rates and rings are of whole ones."""
        ledger = self.settled()
        until(lambda: all(row["traffic_stats"][way] == row["total"][way] for row in self.rank() for way in ("in", "out")),
              "windows that have it all")
        return ledger

    def busctl(self, *words, **options):
        return sh(["busctl", f"--address={self.address}", *words], **options)

    def stop(self):
        """By SIGTERM. What it said is an error here: nothing in these tests is worth a word."""
        if self.process.returncode is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        output = self.process.communicate(timeout=DEADLINE)[1]
        assert self.process.returncode == 0, f"exit status {self.process.returncode}: {output}"
        assert not output, output


def served(daemon):
    """Is somebody who asks just now?"""
    return daemon.ctl("rank", check=False, stderr=subprocess.DEVNULL).returncode == 0


def descriptors(daemon):
    """The kinds of what it has open, but for what comes and goes: those of processes do with them, and of the four for
    owners (NETLINK_SOCK_DIAG is 4) two are opened with the first question, of what was captured and of what begins; for
    each of these two it keeps hold, below /proc, of 16 processes that had sockets of late, and of what tells of forks."""
    with open(f"/proc/{daemon.process.pid}/net/netlink", encoding="ascii") as netlink:
        owners = {f"socket:[{line.split()[-1]}]" for line in netlink if line.split()[1] == "4"}
    targets = []
    for number in os.listdir(f"/proc/{daemon.process.pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            targets.append(os.readlink(f"/proc/{daemon.process.pid}/fd/{number}"))
    of_late = {target for target in targets if target.startswith("/proc/")}
    assert sum(target in owners for target in targets) <= 4 and sum(target in of_late for target in targets) <= 2 * 17, targets
    return sorted(re.sub(r"\d+", "N", target) for target in targets
                  if "pidfd" not in target and target not in owners | of_late)


def assert_ledger_balances(ledger):
    """Seen is attributed and unattributed; all that can be told where others move bytes at the same time."""
    unattributed = sum(value for key, value in ledger.items() if key.startswith("unattributed-"))
    assert ledger["seen"] == ledger["attributed"] + unattributed, ledger


def assert_balanced(daemon, ledger):
    """And what is attributed is what the processes have."""
    assert_ledger_balances(ledger)
    rows = sum(row["total"]["in"] + row["total"]["out"] for row in daemon.rank())
    assert rows == ledger["attributed"], (rows, ledger)


@contextlib.contextmanager
def running(build, command, limits=None):
    """The netflowd of that build which the command starts, with a bus of its own, ready to be asked; or ended, where it
    refuses."""
    with private_bus(limits) as bus:
        process = subprocess.Popen(command, text=True, stderr=subprocess.PIPE,
                                   env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": bus.address})
        daemon = Daemon(build, bus, process)
        try:
            until(lambda: process.poll() is not None or has_owner(daemon), "a daemon on its bus")
            yield daemon
            daemon.stop()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            process.stderr.close()


def daemon_on(host, build, *options, config="/dev/null", limits=None, by=()):
    """A netflowd on that host, with a bus of its own, ready to be asked. What this machine has in /etc is nothing to
    it: its configuration is that file. Packets are what it counts, and it finds their owners itself, where that file or
    an option do not say anything else. by: the command that starts it."""
    backend = ["--backend", "pcap"] if config == "/dev/null" else []
    if config == "/dev/null" and "--owners" not in options:
        backend += ["--owners", "procfs"]
    return running(build, host.command([*by, f"{build}/netflowd", "--config", config, *backend, *options]), limits)


@contextlib.contextmanager
def daemon_with_bpf(build, backend="bpf"):
    """A netflowd outside of all test hosts."""
    with running(build, [f"{build}/netflowd", "--config", "/dev/null", "--backend", backend]) as daemon:
        assert daemon.process.poll() is None, daemon.process.stderr.read()
        yield daemon


def has_owner(daemon):
    return "b true" in daemon.busctl("call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                     "NameHasOwner", "s", NAME)


def devices(daemon):
    return {device["name"]: device for device in daemon.status()["Devices"]}


def until_state(daemon, name, state):
    return until(lambda: devices(daemon).get(name, {}).get("state") == state and devices(daemon)[name],
                 f"{name} {state}")


def choice(*patterns):
    return [word for pattern in patterns for word in ("--device", pattern)]


class Traffic:
    """A process that moves bytes as it is told, see traffic.py."""

    def __init__(self, process):
        self.process = process

    @property
    def pid(self):
        return self.process.pid

    def begin(self, *words):
        """For what takes two: answer() waits for it."""
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def tell(self, *words):
        self.begin(*words)
        return self.answer()

    def answer(self):
        line = self.process.stdout.readline().strip()
        assert line.startswith("ok"), f"traffic.py: {line or 'ended'}"
        return line[3:]


@contextlib.contextmanager
def traffic(host):
    with host.start([sys.executable, TRAFFIC], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Traffic(process)


@contextlib.contextmanager
def streamed(client_host, server_host, address, size=200000):
    """A process and its peer, joined by TCP, that have moved so many bytes each way."""
    with traffic(client_host) as client, traffic(server_host) as server:
        server.tell("listen", "l", address, 7777)
        client.tell("connect", "c", address, 7777)
        server.tell("accept", "s", "l")
        for sender, receiver, end, other in ((client, server, "c", "s"), (server, client, "s", "c")):
            sender.tell("write", end, size)
            receiver.tell("read", other, size)
        yield client, server


@contextlib.contextmanager
def cgroup(*names):
    """A cgroup below the root, gone again on the way out."""
    mounts = [line.split() for line in pathlib.Path("/proc/self/mounts").read_text("utf-8").splitlines()]
    root = pathlib.Path(next(mount[1] for mount in mounts if mount[2] == "cgroup2"))
    path = root.joinpath(*names)
    path.mkdir(parents=True)
    try:
        yield path, "/" + "/".join(names)
    finally:
        for i in range(len(names), 0, -1):
            root.joinpath(*names[:i]).rmdir()


@contextlib.contextmanager
def tunnels(a, b):
    """A tunnel in user space between the two: t0 on both, 10.5.0.1 and .2; gives the two processes."""
    with contextlib.ExitStack() as stack:
        made = []
        for host, own, other in ((a, 1, 2), (b, 2, 1)):
            process = stack.enter_context(host.start(
                [TUNNEL, "t0", f"10.9.0.{own}", f"10.9.0.{other}", "5555"], stdout=subprocess.PIPE))
            assert process.stdout.readline() == "ready\n"
            host.sh(f"ip link set t0 addrgenmode none; ip addr add 10.5.0.{own}/24 dev t0; ip link set t0 up")
            made.append(process)
        yield made


@contextlib.contextmanager
def busy(build, *options, limits=None):
    """A daemon, on a bus with these limits, beside a process that has moved 20 datagrams over loopback to another one; both first are given."""
    with hosts(1) as (a,), daemon_on(a, build, *options, limits=limits) as daemon, traffic(a) as client, \
            traffic(a) as server:
        server.tell("udp", "s", "127.0.0.1", 7000)
        client.tell("udp", "c", "127.0.0.1", 0)
        move(client)
        daemon.in_windows()
        yield daemon, client


def move(client):
    client.tell("send", "c", "127.0.0.1", 7000, 20, 1000)


@contextlib.contextmanager
def beside_loopback(a, b):
    """Three processes that have moved datagrams: one over loopback and over the cable, one over loopback only, at an
    address that does not look like it, and one over the cable only. Gives them, each with what it sent over the cable."""
    with traffic(a) as both, traffic(a) as inner, traffic(a) as outer, traffic(b) as peer:
        for host, address in ((inner, "10.9.0.1"), (peer, "10.9.0.2")):
            host.tell("udp", "s", address, 7000)
        for sender in (both, outer):
            sender.tell("udp", "c", "10.9.0.1", 0)
        both.tell("send", "c", "10.9.0.1", 7000, 20, 1000)
        both.tell("send", "c", "10.9.0.2", 7000, 3, 100)
        outer.tell("send", "c", "10.9.0.2", 7000, 5, 200)
        yield {both: 3 * 128, inner: 0, outer: 5 * 228}


def until_split(daemon, processes):
    """Until each has, with loopback and without, just what it moved."""
    both, inner, outer = processes

    def amounts(*words):
        rows = {row.get("pid"): row for row in daemon.json("rank", "--limit", "0", "--recent", "300", *words)}
        return [{part: (row[part]["in"], row[part]["out"]) for part in ("total", "traffic_stats")} |
                {"ring": tuple(sum(bucket[way] for bucket in row["ring"]) for way in ("in", "out"))}
                for process in processes if (row := rows.get(process.pid))]

    def truth(*pairs):
        return [{part: pair for part in ("total", "traffic_stats", "ring")} for pair in pairs]

    without, everything = truth((0, processes[both]), (0, processes[outer])), \
        truth((0, 20 * 1028 + processes[both]), (20 * 1028, 0), (0, processes[outer]))
    try:
        until(lambda: amounts("--no-loopback") == without and amounts() == everything, "the truth", deadline=10)
    except AssertionError as error:
        raise AssertionError(f"{amounts('--no-loopback')}, {amounts()}") from error


def too_late(number, frame):
    raise AssertionError(f"nothing came in {DEADLINE} s")


def read_until(stream, pattern):
    """Lines of a running program up to one that matches, which is given."""
    signal.signal(signal.SIGALRM, too_late)
    signal.alarm(DEADLINE)
    try:
        for line in iter(stream.readline, ""):
            if re.search(pattern, line):
                return line
    finally:
        signal.alarm(0)
    raise AssertionError(f"it ended, and nothing like {pattern} came")


def paired(case):
    """Marks a case that moves much at a given rate: two run at a time, and nothing else."""
    case.place = "paired"
    return case


def set_next_pid(pid):
    """Whoever starts next has that number, unless somebody has it."""
    pathlib.Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1), encoding="ascii")


def alone(case):
    """Marks a case that takes all of this machine: no other test runs beside it."""
    case.place = "alone"
    return case


class Skip(Exception):
    """What a case needs and is not here."""


def main(cases):
    """Runs the cases named on the command line, or all; or lists them, each with where it wants to run if it matters.
    usage: test_x.py BUILD [CASE…] or test_x.py --list"""
    if sys.argv[1:] == ["--list"]:
        for case in cases:
            print(case.__name__.removeprefix("test_"), getattr(case, "place", ""))
        return
    build, failed = str(pathlib.Path(sys.argv[1]).resolve()), False
    for case in cases:
        name = case.__name__.removeprefix("test_")
        if sys.argv[2:] and name not in sys.argv[2:]:
            continue
        if os.geteuid() != 0:
            print(f"SKIP {name}: needs root, for network namespaces", flush=True)
            continue
        begin = time.monotonic()
        try:
            note = case(build)
            print(f"PASS {name} {time.monotonic() - begin:.1f} s{': ' + note if note else ''}", flush=True)
        except Skip as missing:
            print(f"SKIP {name}: {missing}", flush=True)
        except Exception:  # pylint: disable=broad-except
            failed = True
            print(f"FAIL {name} {time.monotonic() - begin:.1f} s\n{traceback.format_exc()}", flush=True)
    sys.exit(1 if failed else 0)
