#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Machines on which no counting in the kernel can be had, or not for all: each says why, nothing is lost on the books,
and nothing of the machine's own traffic on the way."""

import contextlib
import errno
import json
import os
import pathlib
import signal
import subprocess
import sys

import refusals
from harness import alone, daemon_with_bpf, hosts, main, running, sh, traffic, until

V4 = ("10.9.0.1", "10.9.0.2")


def mounts():
    return [line.split() for line in pathlib.Path("/proc/self/mounts").read_text("utf-8").splitlines()]


def root_cgroup():
    return next(mount[1] for mount in mounts() if mount[2] == "cgroup2")


# Who may mount looks into a hierarchy that nobody has mounted.
UNPRIVILEGED = ["setpriv", "--bounding-set=-sys_admin"]


def refused(build, command=()):
    """What a netflowd says that is to count in the kernel, started so, and cannot."""
    result = subprocess.run([*command, f"{build}/netflowd", "--config", "/dev/null", "--backend", "bpf"],
                            stderr=subprocess.PIPE, text=True, timeout=30, check=False)
    assert result.returncode not in (0, -signal.SIGTERM), result
    return result.stderr


def in_mounts(commands, *more):
    """Runs what follows where these commands have changed what is mounted, for itself alone."""
    return ["unshare", "--mount", *more, "sh", "-ec", commands + '; exec "$@"', "sh"]


LOCKED = ("mount -t tmpfs none /sys/kernel/security; "
          "echo 'none integrity [confidentiality]' >/sys/kernel/security/lockdown")


@contextlib.contextmanager
def below_root():
    path = pathlib.Path(root_cgroup(), f"netflowd{os.getpid()}")
    path.mkdir()
    try:
        yield path
    finally:
        path.rmdir()


def without(command, error):
    """As a kernel would be that refuses that: seccomp(2) says so in its place."""
    return [sys.executable, refusals.__file__, str(command), str(error)]


def test_reasons(build):
    """One after another of what must be there is not."""
    with below_root() as other:
        cases = {
            "no cgroup2 file system is mounted (only cgroup v1?)": in_mounts("umount -a -t cgroup2") + UNPRIVILEGED,
            "the root of the cgroup2 hierarchy is not mounted here": in_mounts(f"mount --bind {other} {root_cgroup()}"),
            "the kernel does not describe its types: /sys/kernel/btf/vmlinux: No such file or directory":
                in_mounts("mount -t tmpfs none /sys/kernel/btf"),
            "not in the initial PID namespace": ["unshare", "--pid", "--fork", "--mount-proc"],
        }
        if refusals.possible():
            cases |= {
                "cannot load the programs: Permission denied": without(refusals.PROG_LOAD, errno.EACCES),
                "cannot load the programs: Cannot allocate memory": without(refusals.MAP_CREATE, errno.ENOMEM),
                "cannot attach cgroup/sock_create: Operation not permitted": without(refusals.LINK_CREATE, errno.EPERM),
                "Operation not permitted: the kernel is locked down (confidentiality)":
                    in_mounts(LOCKED) + without(refusals.PROG_LOAD, errno.EPERM),
            }
        for reason, command in cases.items():
            said = refused(build, command)
            assert reason in said, f"{said!r} has nothing of {reason!r}"
    return f"{len(cases)} of them"


def daemon_after(build, *command):
    """A netflowd that chooses by itself what it counts with."""
    return running(build, [*command, f"{build}/netflowd", "--config", "/dev/null"])


def assert_fallen_back(daemon, reason):
    status = daemon.status()
    assert status["Backend"] == "pcap" and status["Capturing"], status
    assert status["BackendReason"].startswith("bpf: ") and reason in status["BackendReason"], status
    assert f"Backend: pcap ({status['BackendReason']})" in daemon.ctl("status").stdout


def test_falls_back(build):
    """With any of these it counts packets, and status says why."""
    with daemon_after(build, *in_mounts("umount -a -t cgroup2"), *UNPRIVILEGED) as daemon:
        assert_fallen_back(daemon, "no cgroup2 file system is mounted (only cgroup v1?)")


def test_not_mounted(build):
    """Where nobody has mounted the hierarchy, as with cgroup v1 only or in `ip netns exec`, who may mount needs no
    mount."""
    with daemon_after(build, *in_mounts("umount -a -t cgroup2")) as daemon:
        assert daemon.status()["Backend"] == "bpf", daemon.status()


@alone
def test_exclusive(build):
    """Somebody else's program at the root, attached so that no other one may be: theirs stays."""
    if not refusals.possible():
        return "not on this machine"
    other = refusals.Exclusive(root_cgroup())
    try:
        if not other.attach():
            return "not while others are attached there"
        said = refused(build)
        assert "cannot attach cgroup_skb/egress: Operation not permitted" in said, said
        with daemon_after(build) as daemon:
            assert_fallen_back(daemon, "cannot attach cgroup_skb/egress: Operation not permitted")
        attached = json.loads(sh(["bpftool", "-j", "cgroup", "show", root_cgroup()]))
        assert [program["attach_type"] for program in attached] == ["cgroup_inet_egress"], attached
    finally:
        other.close()
    return None


# --- full tables -------------------------------------------------------------------------------------------------

SYNS = 20000  # more than connections that are kept

FLOOD = f"""
import random, socket, struct
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
chosen = random.Random(1)
def checksum(data):
    total = sum(struct.unpack(f"!{{len(data) // 2}}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff
to = socket.inet_aton("10.9.0.2")
for i in range({SYNS}):
    source = struct.pack("!I", 0xC6120000 + i)  # 198.18.0.0/15, RFC 2544
    tcp = struct.pack("!HHIIBBHHH", 1024 + chosen.randrange(60000), 8000, chosen.getrandbits(32), 0, 0x50, 2, 65535, 0, 0)
    tcp = tcp[:16] + struct.pack("!H", checksum(source + to + struct.pack("!HH", 6, 20) + tcp)) + tcp[18:]
    raw.sendto(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, 6, 0, source, to) + tcp, ("10.9.0.2", 0))
"""


@alone
def test_syn_flood(build):
    """Of connections that are never made, with a new other end each: what is kept for them is bounded, and every byte
    is on the books, kept or counted for nobody. A connection that is one is made, and counted, all the same."""
    with daemon_after(build) as daemon, hosts(2) as (a, b), traffic(b) as server, traffic(a) as client:
        assert daemon.status()["Backend"] == "bpf", daemon.status()
        for host in (a, b):
            # without cookies: a SYN-ACK with one is not the listener's for the kernel, but nobody's
            host.sh("sysctl -qw net.ipv4.tcp_synack_retries=0 net.ipv4.tcp_syncookies=0; "
                    "ethtool -K v0 tso off gro off")
        b.sh("ip route add 198.18.0.0/15 via 10.9.0.1")
        a.sh("nft 'table ip flood { chain in { type filter hook prerouting priority raw; ip daddr 198.18.0.0/15 drop; }; }'")
        server.tell("listen", "l", "::", 8000)
        before = daemon.ledger()
        a.sh(f"{sys.executable} -", input=FLOOD)

        def balanced():
            ledger, counted = daemon.ledger(), b.counters("v0")
            kept, overflow = (ledger[key] - before[key] for key in ("unattributed-pending", "unattributed-overflow"))
            # not less; connections that others make meanwhile have no room either
            return kept + overflow >= counted["in"] + counted["out"] and (kept, overflow, counted)

        try:
            kept, overflow, counted = until(balanced, "every byte on the books", deadline=10)
        except AssertionError as error:
            raise AssertionError(f"{daemon.ledger()}, {before}, {b.counters('v0')}") from error
        assert counted["in"] == 40 * SYNS, counted
        assert kept > 0 and overflow >= 40 * (SYNS - 16384), (kept, overflow)
        client.tell("connect", "c", V4[1], 8000)
        server.tell("accept", "s", "l")
        client.tell("write", "c", 5000)
        server.tell("read", "s", 5000)
        until(lambda: (row := daemon.row(client.pid)) and row["total"]["out"] > 5000, "the client")
        return f"{kept} bytes kept, {overflow} for nobody"


# --- what goes its way -------------------------------------------------------------------------------------------

EXCHANGE = """
import select, socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], 7000))
s.settimeout(10)
sent = received = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    for _ in range(16):
        s.send(b"x" * 100)  # refused: EPERM
        sent += 1
    for _ in range(16):
        s.recv(200)         # dropped: it does not come
        received += 1
print(sent, received)
"""


def test_nothing_dropped(build):
    """Datagrams on their way while the programs come and go, by any of the ways they can: all arrive."""
    starts = 6
    with hosts(2) as (a, b), traffic(b) as server:
        server.tell("udp", "s", "::", 7000)
        server.begin("answer", "s", 1 << 30)
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(a.start([sys.executable, "-c", EXCHANGE, address], stdin=subprocess.PIPE,
                                                   stdout=subprocess.PIPE)) for address in (V4[1], "fd09::2")]
            for i in range(starts):
                with daemon_with_bpf(build) as daemon:  # ended by SIGTERM, or before that
                    if i % 2:
                        daemon.process.kill()
                        daemon.process.wait()
            numbers = [tuple(map(int, process.communicate("\n", timeout=30)[0].split())) for process in clients]
        server.process.kill()
    for sent, received in numbers:
        assert sent == received > 0, numbers
    assert all(process.returncode == 0 for process in clients), numbers
    return f"{sum(sent for sent, _ in numbers)} datagrams there and back, {starts} starts"


main([test_reasons, test_falls_back, test_not_mounted, test_exclusive, test_syn_flood, test_nothing_dropped])
