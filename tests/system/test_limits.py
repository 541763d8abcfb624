#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The installed service under limits that systemd and the kernel really enforce, on the oldest supported kernel."""

import contextlib
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import time
import types

import image
import pipelined
import vm

sys.path.insert(0, str(image.ROOT / "tests/e2e"))

import raw_bus  # pylint: disable=wrong-import-position
from harness import (  # pylint: disable=wrong-import-position
    INTERFACE, NAME, OBJECT, Daemon, Host, assert_balanced, hosts, join, main, quiet, sh, traffic, until)

SERVICE = "netflowd.service"
GROUP = pathlib.Path("/sys/fs/cgroup/system.slice", SERVICE)
PACKET = 100  # bytes at the IP layer of each that tests/tools/flood.c sends
ANSWERS = 32  # that are asked for at once
LONG = 31 << 20  # bytes of a message: the bus lets 32 MB pass
NOBODY = 65534
LIMITS = {"CPUQuota": "20%", "MemoryMax": "64M"}  # as the unit says
CAPABILITIES = {"cap_dac_read_search": 2, "cap_net_admin": 12, "cap_net_raw": 13, "cap_sys_ptrace": 19,
                "cap_perfmon": 38, "cap_bpf": 39}
BACKEND = pathlib.Path("/etc/netflowd/netflowd.conf.d/backend.conf")


def group(name):
    return (GROUP / name).read_text(encoding="utf-8")


def group_events():
    return dict(line.split() for line in group("memory.events").splitlines())


def show(name):
    return sh(["systemctl", "show", "--value", "-p", name, SERVICE]).strip()


def memory_note():
    stat = dict(line.split() for line in group("memory.stat").splitlines())
    return (f"memory.peak {int(group('memory.peak')) / 1e6:.1f} MB, now {int(group('memory.current')) / 1e6:.1f}: "
            + ", ".join(f"{name} {int(stat[name]) / 1e6:.1f}" for name in ("anon", "kernel", "slab_reclaimable"))
            + f"; at the limit {group_events()['max']} times")


def losses(ledger):
    return ", ".join(f"{key} {100 * value / ledger['seen']:.1f} %" for key, value in ledger.items()
                     if value and key != "seen")


class Service(Daemon):
    """The installed netflowd as systemd runs it, on the system's bus."""

    def __init__(self):
        super().__init__("/usr/local/bin", types.SimpleNamespace(address=f"unix:path={pipelined.BUS}"), None)
        self.pid = int(show("MainPID"))

    def limits(self):
        return self.status()["Limits"]

    def assert_well(self):
        """It is what was started, was never killed, and answers."""
        assert int(show("MainPID")) == self.pid, (show("MainPID"), self.pid)
        assert show("NRestarts") == "0" and show("ActiveState") == "active"
        events = group_events()
        assert events["oom"] == events["oom_kill"] == "0", events
        assert self.status()["Capturing"]


@contextlib.contextmanager
def machine():
    """This machine, which the service is on, and another one at the end of a cable. Nobody answers the flood."""
    here = Host("init")
    sh(["ip", "netns", "attach", here.name, "1"])
    quiet(here)
    with hosts(1) as (other,):
        join(here, other)
        for host, match in ((here, "ip saddr 198.18.0.0/15"), (other, "udp dport 9")):
            host.sh("nft 'table ip flood { chain in { type filter hook prerouting priority raw; " + match + " drop; }; }'")
        try:
            yield here, other
        finally:
            here.sh("nft 'delete table ip flood; delete table inet quiet'; ip link del v0")
            sh(["ip", "netns", "del", here.name])


@contextlib.contextmanager
def service(backend="pcap", **limits):
    """Started anew with these limits. What most of this is about are packets: a flood of them, and of flows."""
    BACKEND.parent.mkdir(parents=True, exist_ok=True)
    BACKEND.write_text(f"[Netflowd]\nBackend={backend}\n", encoding="utf-8")
    sh(["systemctl", "set-property", SERVICE, *(f"{name}={value}" for name, value in {**LIMITS, **limits}.items())])
    try:
        sh(["systemctl", "start", SERVICE])
        started = Service()
        yield started
        started.assert_well()
    except Exception:
        print(sh(f"systemctl status --no-pager -l -n 30 {SERVICE} || true"), memory_note())
        raise
    finally:
        sh(["systemctl", "stop", SERVICE])
    assert show("Result") == "success", show("Result")


def packets_at(host):
    stats = json.loads(sh(["ip", "-n", host.name, "-s", "-j", "link", "show", "v0"]))[0]["stats64"]
    return stats["rx"]["packets"] + stats["tx"]["packets"]


def flooding(host, build, mode, number, rate=0):
    """tests/tools/flood.c, as it does that; says a line when it has sent all and stays until it is ended."""
    to = "10.9.0.1" if mode == "random" else "10.9.0.2"
    return host.start([f"{build}/tests/tools/flood", mode, to, str(number), str(rate)],
                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def counted_at(daemon, host):
    """All that the interface counted was read or dropped, packet for packet: nothing but IP was sent, on this interface
    only. All packets have one size, so that the bytes of those dropped are known too. Returns how many were."""
    counted, packets = host.counters("v0"), packets_at(host)

    def read():
        status = daemon.status()
        return status["PacketsReceived"] + status["PacketsDropped"] >= packets and status

    status = until(read, "all packets read or dropped")
    ledger = daemon.settled()
    assert status["PacketsReceived"] + status["PacketsDropped"] == packets, (status, packets)
    assert ledger["seen"] + PACKET * status["PacketsDropped"] == counted["in"] + counted["out"], (status, counted)
    assert_balanced(daemon, ledger)
    return status["PacketsDropped"]


def test_install(build):
    """What was built outside is installed as it is, and starts as what the unit says: nothing more than it needs."""
    werror = ["WERROR=1"] if "-Werror" in pathlib.Path(build, "settings").read_text(encoding="utf-8") else []
    output = sh(["make", "install", f"BUILD={pathlib.Path(build).relative_to(image.ROOT)}", *werror])
    assert "CC " not in output and "LINK " not in output, output
    sh(["systemctl", "start", SERVICE])
    status = pathlib.Path(f"/proc/{show('MainPID')}/status").read_text(encoding="utf-8")
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert fields["Uid"].split() == [sh(["id", "-u", "netflowd"]).strip()] * 4, fields["Uid"]
    assert int(fields["CapEff"], 16) == sum(1 << bit for bit in CAPABILITIES.values()), fields["CapEff"]
    assert fields["NoNewPrivs"] == "1" and fields["Seccomp"] == "2", status
    sh(["systemctl", "stop", SERVICE])
    return os.uname().release


def test_owners(_build):
    """iperf3 on this kernel: the right process with the right bytes, seen by a user who is nobody else's. It lasts: what
    is over before an emulated machine, under a quota, comes to look has no owner, which is not what is asked here."""
    with machine() as (here, other), service() as daemon:
        with other.start(["iperf3", "-s", "-1"], stdout=subprocess.DEVNULL) as server:
            until(lambda: other.sh("ss -Htln sport = 5201").strip(), "a listener")
            with here.start(["iperf3", "-c", "10.9.0.2", "-b", "20M", "-t", "5"], stdout=subprocess.DEVNULL) as client:
                assert client.wait() == 0
            assert server.wait() == 0
        ledger, counted, status = daemon.settled(), here.counters("v0"), daemon.status()
        row = daemon.row(client.pid)
        assert status["PacketsDropped"] == 0, status
        assert ledger["seen"] == counted["in"] + counted["out"], (ledger, counted)
        assert row["name"] == "iperf3" and row["uid"] == 0, row
        for way in ("in", "out"):
            assert abs(row["total"][way] - counted[way]) <= max(0.005 * counted[way], 2000), (way, row, counted)
        assert_balanced(daemon, ledger)
        return f"attributed {100 * ledger['attributed'] / ledger['seen']:.3f} % of {ledger['seen']} bytes"


def test_bpf(_build):
    """In the service's sandbox, on this kernel, the programs load, and count to the byte."""
    with machine() as (here, other), service(backend="auto") as daemon:
        status = daemon.status()
        assert (status["Backend"], status["BackendReason"]) == ("bpf", ""), status
        for host in (here, other):  # no super-packets: the interface counts what would be on a wire
            host.sh("ip link set v0 gso_max_segs 1")
        with other.start(["iperf3", "-s", "-1"], stdout=subprocess.DEVNULL) as server:
            until(lambda: other.sh("ss -Htln sport = 5201").strip(), "a listener")
            with here.start(["iperf3", "-c", "10.9.0.2", "-n", "5M"], stdout=subprocess.DEVNULL) as client:
                assert client.wait() == 0
            assert server.wait() == 0
        counted = here.counters("v0")
        # the server closes first: what comes to it last finds no socket any more, and an answer is the kernel's
        truth, late = {client.pid: (counted["in"], counted["out"]), server.pid: (counted["out"], counted["in"])}, 2 * 52
        got = {}

        def equal():
            for pid in truth:
                total = (daemon.row(pid) or {"total": {"in": 0, "out": 0}})["total"]
                got[pid] = total["in"], total["out"]
            return got[client.pid] == truth[client.pid] and all(
                0 <= whole - part <= late for whole, part in zip(truth[server.pid], got[server.pid]))

        try:
            until(equal, "the truth", deadline=20)
        except AssertionError as error:
            raise AssertionError(f"{got}, but it was {truth}") from error


def test_clock(_build):
    """The clock is set, forwards and back, by a script or by who has no idea: nobody loses a byte of their total, what is
    new is in the seconds that it is in by then, and for whom it is does not depend on when they started."""
    for backend in ("pcap", "bpf"):
        with machine() as (here, other), service(backend=backend) as daemon, traffic(other) as server, \
                traffic(here) as client:
            server.tell("udp", "s", "0.0.0.0", 7000)
            client.tell("udp", "old", "0.0.0.0", 0)
            moved = 0
            for seconds in (7200, -10000):
                here.sh(f"date -s @$(($(date +%s) + {seconds})) >/dev/null")
                for name in ("old", f"new{seconds}"):
                    if name != "old":
                        client.tell("udp", name, "0.0.0.0", 0)
                    client.tell("send", name, "10.9.0.2", 7000, 20, 1000)
                    moved += 20 * 1028
                until(lambda: (row := daemon.row(client.pid)) and row["total"]["out"] == moved and row,
                            f"{moved} bytes after {seconds} s, and not {daemon.row(client.pid)}, {daemon.ledger()}")
                until(lambda: sum(row["traffic_stats"]["out"] for row in daemon.rank(recent=60)
                                  if row.get("pid") == client.pid) >= 40 * 1028, "them in the window")
            if backend == "pcap":
                assert_balanced(daemon, daemon.settled())


def test_cpu_quota(build):
    """20 k packets a second, half of them of new flows each, with a tenth of a processor. Counting goes on and owners
    are asked for less often, which the ledger, `status` and the journal say."""
    seconds = 6
    known_bytes = 10000 * seconds * PACKET
    with machine() as (here, other), service(CPUQuota="10%", MemoryMax="64M") as daemon:
        with flooding(here, build, "socket", 10000 * seconds, 10000) as known, \
                flooding(other, build, "random", 10000 * seconds, 10000) as random:
            rates = [int(process.stdout.readline()) for process in (known, random)]
            dropped = counted_at(daemon, here)
        ledger, limits, row = daemon.ledger(), daemon.limits(), daemon.row(known.pid)
        assert limits["cpu_quota_usec"] == 100000 and limits["throttled_usec"] > 0, limits
        assert limits["throttled_periods"] > 0, limits
        assert ledger["unattributed-not-looked-up"] > 0, ledger
        # what has many bytes is asked for first: the flood does not keep its owner from being known
        assert max(0, known_bytes - dropped * PACKET) / 2 < row["total"]["out"] <= known_bytes, (row, ledger, dropped)
        assert row["total"]["in"] == 0, row
        text = daemon.ctl("status").stdout
        assert re.search(r"CPU quota: 10 % of a processor, held up for [1-9]", text), text
        journal = sh(["journalctl", "-u", SERVICE, "-o", "cat"])
        assert journal.count("the CPU quota has held us up") >= 1, journal
        daemon.assert_well()
        return (f"{sum(rates)} packets/s, {dropped} of {packets_at(here)} dropped, held up for "
                f"{limits['throttled_usec'] / 1e6:.1f} s, "
                f"{100 * row['total']['out'] / known_bytes:.1f} % of the known process, {losses(ledger)}")


def test_early(_build):
    """The thread that looks at connections as they begin comes before others, which the kernel does not hold to the
    quota: it is within it with all the rest by itself, however many there are."""
    with machine() as (here, other), service(backend="pcap\nOwners=procfs", CPUQuota="10%") as daemon, \
            traffic(other) as server, traffic(here) as client:
        threads = {pathlib.Path(f"/proc/{daemon.pid}/task/{tid}/comm").read_text(encoding="utf-8").strip():
                   os.sched_getscheduler(int(tid)) for tid in os.listdir(f"/proc/{daemon.pid}/task")}
        assert threads == {"netflowd": os.SCHED_OTHER,
                           "netflowd-early": os.SCHED_RR | os.SCHED_RESET_ON_FORK}, threads
        server.tell("listen", "l", "0.0.0.0", 8000)

        def used():
            fields = dict(line.split() for line in group("cpu.stat").splitlines())
            return int(fields["usage_usec"]) / 1e6, time.monotonic()

        usage, begin = used()
        for _ in range(20):
            server.begin("serve", "l", 200)
            client.tell("cycle", "10.9.0.2", 8000, 200, 100000)
            server.answer()
        usage, seconds = (end - start for start, end in zip((usage, begin), used()))
        ledger = daemon.settled()
        assert_balanced(daemon, ledger)
        assert usage <= 0.1 * seconds * 1.5 + 0.1, (usage, seconds)  # what may be saved up comes on top
        return f"{100 * usage / seconds:.1f} % of a processor, {losses(ledger)}"


def test_set_property(_build):
    """A new quota holds at once, without a restart, and is shown."""
    with service(CPUQuota="10%") as daemon:
        assert daemon.limits()["cpu_quota_usec"] == 100000
        sh(["systemctl", "set-property", SERVICE, "CPUQuota=50%"])
        assert daemon.limits()["cpu_quota_usec"] == 500000
        assert "CPU quota: 50 % of a processor" in daemon.ctl("status").stdout


def test_memory_max(build):
    """A million random flows, as fast as they come, without a quota: the tables fill and what they have no room for is
    counted, while many clients ask for all there is. A message as long as the bus lets pass, from anybody, is refused."""
    with machine() as (here, other), service(CPUQuota="", MemoryMax="32M") as daemon:
        assert daemon.limits()["memory_max"] == 32 << 20
        with flooding(other, build, "random", 1000000) as random:
            rate = int(random.stdout.readline())
        dropped = counted_at(daemon, here)
        assert int(group("memory.peak")) < 32 << 20
        ledger = daemon.ledger()
        with raw_bus.Connection(f"unix:path={pipelined.BUS}", NOBODY) as anybody:
            assert anybody.ask(NAME, OBJECT, INTERFACE, "GetProcessRank", signature="ay",
                               body=struct.pack("<I", LONG) + bytes(LONG)) == raw_bus.ERROR
        until(lambda: daemon.ctl("rank", check=False, stderr=subprocess.DEVNULL).returncode == 0, "the bus again")
        assert daemon.ledger()["seen"] >= ledger["seen"], (ledger, daemon.ledger())
        daemon.assert_well()
        return f"{rate} packets/s, {dropped} dropped; {memory_note()}; {losses(daemon.ledger())}"


def test_one_shot_processes(build):
    """Some thousand processes with a packet each: those that exited fold, and the total stays right."""
    number = 2000
    with machine() as (here, _other), service(CPUQuota="", MemoryMax="32M") as daemon:
        with flooding(here, build, "processes", number) as storm:
            assert storm.wait() == 0
        dropped = counted_at(daemon, here)
        rows = [row for row in daemon.rank() if row.get("name") == "flood"]
        found = sum(row.get("processes", 1) for row in rows)
        assert any("processes" in row for row in rows), rows[:3]
        assert sum(row["total"]["out"] for row in rows) == found * PACKET, (found, rows[:3])
        assert int(group("memory.peak")) < 32 << 20
        daemon.assert_well()
        return (f"{found} of {number} found, {len(rows)} rows, {dropped} dropped; {memory_note()}; "
                f"{losses(daemon.ledger())}")


def test_full_rows(build):
    """As many processes as there is room for, with bytes in each of the last 300 seconds, and a client that asks for all
    of it many times at once."""
    with machine() as (here, _other), service(CPUQuota="", MemoryMax="12M") as daemon:
        with flooding(here, build, "seconds", 200, 300) as processes:
            assert processes.stdout.readline() == "done\n"
            counted_at(daemon, here)
            rank, before, peak = daemon.rank(), int(group("memory.current")), int(group("memory.peak"))
            answers = pipelined.ask(ANSWERS, NAME, OBJECT, INTERFACE, "GetProcessRank", "uu",
                                    struct.pack("<II", 0, 300))
            note = memory_note()
        buckets = sum(len(row["ring"]) for row in rank)
        assert len(rank) > 60 and buckets > 200 * len(rank), (len(rank), buckets)
        assert sum(answers) > 12 << 20, answers  # together they would not fit
        # there is one at a time; what it took to load programs may have been more
        assert int(group("memory.peak")) <= max(peak, before + 3 * max(answers)), (peak, before, answers)
        assert daemon.ledger()["unattributed-overflow"] > 0, daemon.ledger()  # the table of processes was full
        assert int(group("memory.peak")) < 12 << 20
        daemon.assert_well()
        return (f"{len(rank)} rows, {buckets} seconds in them, {sum(answers) / 1e6:.1f} MB of answers; {note}; "
                f"{losses(daemon.ledger())}")


vm.run_cases_inside(__file__)
main([test_install, test_owners, test_bpf, test_clock, test_cpu_quota, test_early, test_set_property,
      test_memory_max, test_one_shot_processes, test_full_rows])
