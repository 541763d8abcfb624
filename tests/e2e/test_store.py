#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Recording packets: what lands in the file, for whom, and how it ends."""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

from harness import (DEADLINE, Daemon, assert_balanced, busy, daemon_on, descriptors, has_owner, hosts, main, move, private_bus,
                     read_until, sh, traffic, until)

DATAGRAM = 1000
# SLL2 header, IP header, UDP header
STORED = 20 + 20 + 8 + DATAGRAM


@contextlib.contextmanager
def recorder(daemon, *words, **options):
    """netflowctl pcap, once it records."""
    with subprocess.Popen([f"{daemon.build}/netflowctl", "pcap", *words], env=daemon.environment, text=True,
                          stderr=subprocess.PIPE, **options) as process:
        try:
            assert process.stderr.readline().startswith("recording to ")
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def stop(process):
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=DEADLINE)[1]
    assert process.returncode == 0, said
    return said


def packets_of(path, *words):
    return sh(["tcpdump", "-nr", path, *words], stderr=subprocess.DEVNULL).splitlines()


def capinfos(path):
    output = sh(["capinfos", "-McEl", path])
    return dict(re.findall(r"^([^:]+):\s+(.*)$", output, re.MULTILINE))


@contextlib.contextmanager
def file():
    with tempfile.TemporaryDirectory(prefix="netflowd-") as directory:
        yield f"{directory}/out.pcap"


def test_whole_packets(build):
    """What passes is in the file whole, as tcpdump and capinfos read it, with the right link type and snap length."""
    with busy(build) as (daemon, client), file() as path, recorder(daemon, "-w", path) as process:
        move(client)
        said = stop(process)
        assert said.startswith("20 packets recorded"), said
        lines = packets_of(path)
        assert len(lines) == 20 and all("> 127.0.0.1.7000: " in line for line in lines), lines
        info = capinfos(path)
        assert info["Number of packets"] == "20", info
        assert info["File encapsulation"] == "linux-sll2", info
        assert info["Packet size limit"].endswith("262144 bytes"), info
        assert os.path.getsize(path) == 24 + 20 * (16 + STORED)
        read = json.loads(sh([f"{build}/netflowd", "--read", path]))
        assert sum(row["total"]["in"] for row in read) == 20560, read
        assert_balanced(daemon, daemon.settled())


def test_into_tcpdump(build):
    """-w - into tcpdump -r -."""
    with busy(build) as (daemon, client):
        with subprocess.Popen(["tcpdump", "-nlr", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True) as reader:
            with recorder(daemon, "-w", "-", stdout=reader.stdin) as process:
                reader.stdin.close()
                move(client)
                for _ in range(20):
                    assert "> 127.0.0.1.7000: " in read_until(reader.stdout, "IP")
                stop(process)
            assert reader.stdout.read() == "" and reader.wait(DEADLINE) == 0


def test_one_process(build):
    """Only the packets of one process, also those that came before its owner was known; and of a filter."""
    with busy(build) as (daemon, client), file() as path, file() as filtered:
        with traffic(host_of(daemon)) as other:
            other.tell("udp", "c", "127.0.0.1", 0)
            with recorder(daemon, "-w", path, "--pid", str(other.pid)) as process, \
                    recorder(daemon, "-w", filtered, "--filter", "udp dst port 7000 and greater 1020 or tcp") as second:
                for name in ("one", "two", "three"):
                    move(client)
                    other.tell("send", "c", "127.0.0.1", 7000, 10, 500)
                    other.tell("udp", name, "127.0.0.1", 0)
                    other.tell("send", name, "127.0.0.1", 7000, 1, 501)
                size = 24 + 30 * (16 + STORED - 500) + 3 * (16 + STORED - 499)
                until(lambda: os.path.getsize(path) >= size, "a file with all packets")
                said = stop(process)
                assert said.startswith("33 packets"), said
                said = stop(second)
                assert said.startswith("60 packets"), said
            assert len(packets_of(path)) == 33
            assert len(packets_of(path, "udp[4:2] = 508")) == 30
            assert len(packets_of(filtered)) == 60


def host_of(daemon):
    from harness import Host  # pylint: disable=import-outside-toplevel
    return Host(sh(["ip", "netns", "identify", str(daemon.process.pid)]).strip())


def test_fragments(build):
    """A datagram in fragments is its process's as a whole: the later ones have no ports."""
    with hosts() as (a, b), daemon_on(a, build) as daemon, traffic(a) as client, traffic(b) as server, file() as path:
        server.tell("udp", "s", "10.9.0.2", 7000)
        client.tell("udp", "c", "10.9.0.1", 0)
        with recorder(daemon, "-w", path, "--pid", str(client.pid)) as process:
            client.tell("send", "c", "10.9.0.2", 7000, 1, 8000)
            daemon.settled()
            said = stop(process)
        assert len(packets_of(path)) == 6, (said, packets_of(path))


def test_limits(build):
    """A span, a size."""
    with busy(build) as (daemon, client), file() as path:
        with recorder(daemon, "-w", path, "--timeout", "300ms") as process:
            assert process.wait(DEADLINE) == 0, process.stderr.read()
        size = 24 + 5 * (16 + STORED)
        with recorder(daemon, "-w", path, "--max-size", str(size + 100)) as process:
            move(client)
            said = process.communicate(timeout=DEADLINE)[1]
            assert process.returncode == 0 and said.startswith("5 packets"), said
        assert os.path.getsize(path) == size and len(packets_of(path)) == 5


def test_bad_requests(build):
    """Each with a clear answer, and nothing left over."""
    with busy(build) as (daemon, _), file() as path:
        fds = descriptors(daemon)
        for words, status, said in ((["-w", path, "--filter", "nonsense ("], 1, "syntax error"),
                                    (["-w", path, "--filter", "tcp) or (udp"], 1, "syntax error"),
                                    (["-w", path, "--filter", "port " + "7" * 65536], 1, ""),
                                    (["-w", path, "--pid", "4194304"], 1, "4194304"),
                                    (["-w", path, "--pid", "0"], 2, "1.."),
                                    (["-w", path, "--timeout", "soon"], 2, "soon"),
                                    (["-w", path, "--timeout", "99999999y"], 2, "99999999y"),
                                    (["-w", path, "--max-size", "-1"], 2, "-1"),
                                    (["-w", "/nonexistent/x"], 1, "/nonexistent/x"),
                                    ([], 2, "-w")):
            result = daemon.ctl("pcap", *words, check=False, stderr=subprocess.PIPE)
            assert result.returncode == status and said in result.stderr, (words, result)
            assert result.stderr.startswith("netflowctl: ") and result.stderr.count("\n") == 1, (words, result)
        assert descriptors(daemon) == fds
        assert daemon.status()["Capturing"] is True


BUS_CLIENT = """
import os, sys, dbus, dbus.mainloop.glib
from gi.repository import GLib
dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.bus.BusConnection(sys.argv[1])
manager = dbus.Interface(bus.get_object("org.netflowd1", "/org/netflowd1"), "org.netflowd1.Manager")
def ended(id, reason, packets, bytes, dropped):
    print("ended", int(id), reason, flush=True)
bus.add_signal_receiver(ended, "PcapStopped", "org.netflowd1.Manager")
"""


def bus_client(daemon, script, **options):
    return subprocess.Popen([sys.executable, "-c", BUS_CLIENT + script, daemon.address], text=True,
                            stdout=subprocess.PIPE, stdin=subprocess.PIPE, **options)


def test_descriptors(build):
    """Descriptors that nothing can be written to are refused; those that end, end their recording."""
    script = """
import socket
def start(fd):
    return manager.StorePcap(dbus.types.UnixFd(fd), dbus.Dictionary({}, "sv"))
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for bad in (os.open("/dev/null", os.O_RDONLY), os.open("/", os.O_RDONLY), os.pipe()[0],
            os.eventfd(0), datagrams.fileno()):
    try:
        start(bad)
        print("accepted", bad, flush=True)
    except dbus.DBusException as error:
        print(error.get_dbus_name().rpartition(".")[2], flush=True)
pipe, full, pair = os.pipe(), os.open("/dev/full", os.O_WRONLY), socket.socketpair()
ids = [start(pipe[1]), start(full), start(pair[0].fileno()), start(os.open("/dev/null", os.O_WRONLY))]
print("ids", *map(int, ids), flush=True)
os.close(pipe[0])
pair[1].close()
GLib.MainLoop().run()
"""
    with busy(build) as (daemon, client), bus_client(daemon, script) as process:
        try:
            for _ in range(5):
                assert process.stdout.readline() == "InvalidArgs\n"
            pipe, full, pair, null = process.stdout.readline().split()[1:]
            move(client)
            ends = dict(read_until(process.stdout, "ended").split(maxsplit=2)[1:] for _ in range(3))
            assert ends[pipe].strip() == ends[pair].strip() == "closed", ends
            assert "No space left" in ends[full], ends
            process.terminate()
            # who asked for it is gone: so is the last one
            until(lambda: not any("/dev/null" == os.readlink(fd) and fd.name not in "012" for fd in
                                  pathlib.Path(f"/proc/{daemon.process.pid}/fd").iterdir()), f"an end of {null}")
            assert_balanced(daemon, daemon.settled())
        finally:
            process.kill()


def test_slow_reader(build):
    """One that does not read is given up, and counting knows nothing of it."""
    script = """
pipe = os.pipe()
print(int(manager.StorePcap(dbus.types.UnixFd(pipe[1]), dbus.Dictionary({}, "sv"))), flush=True)
GLib.MainLoop().run()
"""
    with busy(build) as (daemon, client), bus_client(daemon, script) as process:
        try:
            process.stdout.readline()
            before = daemon.row(client.pid)["total"]["out"]
            for sent in range(1, 13):
                client.tell("send", "c", "127.0.0.1", 7000, 100, 8000)
                until(lambda count=20 + 100 * sent: daemon.status()["PacketsReceived"] == count, "the packets")
            assert read_until(process.stdout, "ended").split()[2] == "slow-reader"
            daemon.settled()
            assert daemon.row(client.pid)["total"]["out"] == before + 1200 * 8028
        finally:
            process.kill()


def test_too_many(build):
    script = """
try:
    for n in range(100):
        manager.StorePcap(dbus.types.UnixFd(os.open("/dev/null", os.O_WRONLY)), dbus.Dictionary({}, "sv"))
except dbus.DBusException as error:
    print(n, error.get_dbus_name(), flush=True)
sys.stdin.read()
"""
    with busy(build) as (daemon, client), bus_client(daemon, script) as process:
        assert process.stdout.readline() == "4 org.freedesktop.DBus.Error.LimitsExceeded\n"
        move(client)
        assert_balanced(daemon, daemon.settled())
        process.communicate()


def test_store_pcap(build):
    """StorePcap=: a file that begins anew when it is full, kept as many times as asked for, all with whole packets."""
    with tempfile.TemporaryDirectory(prefix="netflowd-") as directory:
        path = pathlib.Path(directory, "all")
        path.write_bytes(b"from before")
        with busy(build, "--store-pcap", str(path), "--store-pcap-max-size", "64K", "--store-pcap-files", "4") as \
                (daemon, client):
            for _ in range(15):
                move(client)
            daemon.settled()
            files = until(lambda: len(list(pathlib.Path(directory).iterdir())) == 4 and sorted(os.listdir(directory)),
                          "four files")
            assert files == ["all", "all.1", "all.2", "all.3"], files
            daemon.ctl("stop")
            until(lambda: not held(daemon, directory), "a file that is closed")
            move(client)  # while nothing is captured, nothing is recorded
            per_file = (65536 - 24) // (16 + STORED)
            total = 16 * 20
            assert [len(packets_of(f"{directory}/{name}")) for name in files] == [total % per_file, *[per_file] * 3]
            assert all(path.stat().st_size <= 65536 and path.stat().st_mode & 0o777 == 0o600
                       for path in pathlib.Path(directory).iterdir())
            daemon.ctl("start", "--filter", "udp dst port 7001")
            client.tell("send", "c", "127.0.0.1", 7001, 2, 100)
            daemon.settled()
            daemon.ctl("stop")
            until(lambda: not held(daemon, directory), "a file that is closed")
            assert len(packets_of(path)) == 2 and "7001" in packets_of(path)[0]
            assert len(packets_of(f"{path}.1")) == total % per_file


def test_chosen_devices(build):
    """Only what is captured on is recorded."""
    with busy(build) as (daemon, client), file() as path:
        daemon.ctl("start", "--device", "v*")
        with recorder(daemon, "-w", path) as process:
            move(client)  # over lo
            assert stop(process).startswith("0 packets")
        daemon.ctl("start", "--device", "lo")
        with recorder(daemon, "-w", path) as process:
            move(client)
            assert stop(process).startswith("20 packets")
        daemon.ctl("start", "--device", "")
        with recorder(daemon, "-w", path) as process:
            move(client)
            assert stop(process).startswith("20 packets")


def held(daemon, directory):
    return [fd for fd in pathlib.Path(f"/proc/{daemon.process.pid}/fd").iterdir()
            if fd.is_symlink() and os.readlink(fd).startswith(directory)]


def test_store_pcap_bad(build):
    """A path that cannot be written to is an error in the log, and no reason not to count: where there is no such folder,
    and where nothing can be written (the daemon has mounts of its own, as all in a namespace that ip(8) enters)."""
    for path, before in (("/nonexistent/x", "true"), ("/mnt/x", "mount -t tmpfs -o ro none /mnt")):
        with hosts(1) as (a,), private_bus() as bus:
            process = subprocess.Popen(a.command(["sh", "-ec", f"{before}; exec \"$@\"", "sh", f"{build}/netflowd", "--config",
                                                  "/dev/null", "--backend", "pcap", "--store-pcap", path]), text=True,
                                       stderr=subprocess.PIPE, env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": bus.address})
            try:
                assert f"{path} is not written" in process.stderr.readline()
                daemon = Daemon(build, bus, process)
                until(lambda daemon=daemon: has_owner(daemon), "a daemon on its bus")
                assert daemon.status()["Capturing"] is True
            finally:
                process.terminate()
                process.communicate()


def test_not_allowed(build):
    with busy(build) as (daemon, _), file() as path:
        result = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", f"{build}/netflowctl", "pcap", "-w", "-"],
                                env=daemon.environment, check=False, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)
        assert result.returncode == 1 and "org.netflowd1.manage" in result.stderr and result.stdout == "", result
        assert not os.path.exists(path)


def test_daemon_ends(build):
    """A recording of a daemon that stops is a whole file, and whoever made it is told."""
    with busy(build) as (daemon, client), file() as path, recorder(daemon, "-w", path) as process:
        move(client)
        daemon.stop()
        said = process.communicate(timeout=DEADLINE)[1]
        assert process.returncode == 1 and "stopping" in said, said
        assert len(packets_of(path)) == 20


main([test_whole_packets, test_into_tcpdump, test_one_process, test_fragments, test_limits, test_bad_requests,
      test_descriptors, test_slow_reader, test_too_many, test_chosen_devices, test_store_pcap, test_store_pcap_bad, test_not_allowed, test_daemon_ends])
