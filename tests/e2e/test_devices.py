#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Capture on chosen devices, which come and go: what is there, what is counted, and what is let go of."""

import json
import pathlib
import re
import select
import signal
import subprocess
import tempfile

from harness import (DEADLINE, FEWER, INTERFACE, NAME, OBJECT, assert_balanced, attach, choice, daemon_on, descriptors, devices,
                     hosts, join_at, main, streamed, total, tunnels, until, until_state)


def test_names_and_globs(build):
    with hosts() as (a, b), daemon_on(a, build, *choice("v*", "!vx*", "nothing0")) as daemon:
        until_state(daemon, "v0", "capturing")
        with streamed(a, b, "10.9.0.2") as (client, _), streamed(a, a, "127.0.0.1"):
            ledger = daemon.settled()
            assert daemon.row(client.pid)["total"]["out"] == a.counters("v0")["out"]
            assert ledger["seen"] == total(a.counters("v0")) == ledger["attributed"], ledger
        ledger = daemon.settled()
        assert_balanced(daemon, ledger)
        rows = devices(daemon)
        assert sorted(rows) == ["nothing0", "v0"], rows
        assert rows["v0"]["link_type"] == "EN10MB" and rows["v0"]["last_error"] == "", rows
        assert rows["v0"]["received"] == daemon.status()["PacketsReceived"] > 0, rows
        assert rows["nothing0"]["state"] == "waiting" and rows["nothing0"]["last_error"], rows
        text = daemon.ctl("status").stdout
        assert re.search(r"Devices: v0 \(EN10MB\), capturing, \d+ received, 0 dropped\n", text), text
        assert re.search(r": nothing0, waiting, 0 received, 0 dropped \(last: no such device is there\)", text), text


def test_excluded(build):
    with hosts() as (a, b), daemon_on(a, build, *choice("!v*")) as daemon:
        with streamed(a, b, "10.9.0.2"), streamed(a, a, "127.0.0.1"):
            ledger = daemon.settled()
            assert ledger["seen"] == 2 * a.counters("lo")["in"] == ledger["attributed"], ledger
        assert list(devices(daemon)) == ["lo"]


def idle(daemon):
    """Until the daemon waits for what comes instead of looking, which it does after a second of silence."""
    daemon.settled()
    select.select([], [], [], 1.5)


def test_appears(build):
    """While nothing goes on; what is sent from the first moment that it is captured on counts."""
    with hosts() as (a, b), daemon_on(a, build, *choice("d*")) as daemon:
        idle(daemon)
        join_at(a, b, "d0", "10.8.0")
        until_state(daemon, "d0", "capturing")
        with streamed(a, b, "10.8.0.2"):
            ledger = daemon.settled()
            assert ledger["seen"] == total(a.counters("d0", 14)) == ledger["attributed"], ledger
        assert "d*" not in devices(daemon)


def test_vanishes(build):
    """An entry stays with its counts, and so does what was sent just before."""
    with hosts() as (a, b), daemon_on(a, build, *choice("d*")) as daemon:
        join_at(a, b, "d0", "10.8.0")
        until_state(daemon, "d0", "capturing")
        with streamed(a, b, "10.8.0.2") as (client, _):
            last = json.loads(a.sh("ip -s -j link show d0; ip link del d0"))[0]["stats64"]
            ledger = daemon.settled()
            assert daemon.row(client.pid)["total"]["in"] > 0, daemon.rank()
        assert ledger["seen"] == sum(last[way]["bytes"] - 14 * last[way]["packets"] for way in ("rx", "tx")), ledger
        row = until_state(daemon, "d0", "gone")
        assert row["last_error"] == "it is not there any more", row
        assert row["received"] == last["rx"]["packets"] + last["tx"]["packets"], (row, last)
        assert devices(daemon)["d*"]["state"] == "waiting"

        join_at(a, b, "d0", "10.8.0")  # another of its name: its counts go on
        again = until_state(daemon, "d0", "capturing")
        assert again["received"] == row["received"] and again["link_type"] == "EN10MB", again


def rename(host, before, after):
    """Up, where the kernel lets that be; Linux 6.2 and later do."""
    host.sh(f"ip link set {before} name {after} || "
            f"{{ ip link set {before} down; ip link set {before} name {after}; ip link set {after} up; }}",
            stderr=subprocess.DEVNULL)


def test_renamed(build):
    with hosts() as (a, b), daemon_on(a, build, *choice("d*")) as daemon:
        join_at(a, b, "d0", "10.8.0")
        until_state(daemon, "d0", "capturing")
        with streamed(a, b, "10.8.0.2"):
            pass
        daemon.settled()
        before = devices(daemon)["d0"]["received"]
        rename(a, "d0", "d7")
        row = until_state(daemon, "d7", "capturing")
        assert row["last_error"] == "it was called d0 before" and row["received"] == before > 0, row
        assert "d0" not in devices(daemon)
        with streamed(a, b, "10.8.0.2"):
            pass
        ledger = daemon.settled()
        assert ledger["seen"] == total(a.counters("d7", 14)), ledger

        rename(a, "d7", "x0")  # not chosen any more
        row = until_state(daemon, "d7", "gone")
        assert row["last_error"] == "it is called x0 now", row
        with streamed(a, b, "10.8.0.2"):
            pass
        assert daemon.settled() == ledger
        rename(a, "x0", "d7")
        until_state(daemon, "d7", "capturing")
        with streamed(a, b, "10.8.0.2"):
            assert daemon.settled()["seen"] > ledger["seen"]


def test_down_and_up(build):
    """It stays captured on while it is down, so that nothing is missed when it comes up."""
    with hosts() as (a, b), daemon_on(a, build, *choice("v0")) as daemon:
        with streamed(a, b, "10.9.0.2"):
            pass
        for _ in range(3):
            daemon.settled()
            a.sh("ip link set v0 down")
            row = until_state(daemon, "v0", "down")
            assert row["last_error"] == "it was down" and row["received"] > 0, row
            a.sh("ip link set v0 up; ip neigh replace 10.9.0.2 lladdr 02:00:00:00:00:02 nud permanent dev v0")
            with streamed(a, b, "10.9.0.2"):
                ledger = daemon.settled()
                assert ledger["seen"] == total(a.counters("v0")), ledger
            assert devices(daemon)["v0"]["state"] == "capturing"
        assert len(devices(daemon)) == 1


def test_moved_to_another_namespace(build):
    """And back, where it has its old index: the handle that was open on it is dead, and another is opened."""
    with hosts(3) as (a, b, c), daemon_on(a, build, *choice("d0")) as daemon:
        join_at(a, b, "d0", "10.8.0")
        until_state(daemon, "d0", "capturing")
        with streamed(a, b, "10.8.0.2"):
            pass
        ledger = daemon.settled()
        row = devices(daemon)["d0"]
        a.sh(f"ip link set d0 netns {c.name}")
        gone = until_state(daemon, "d0", "gone")
        assert gone["received"] == row["received"] and gone["last_error"] == "it is not there any more", gone
        for _ in range(2):
            c.sh(f"ip link set d0 netns {a.name}")
            attach(a, "d0", "10.8.0.1", "10.8.0.2", "02:00:00:00:01:02")
            until_state(daemon, "d0", "capturing")
            before = a.counters("d0", 14)
            with streamed(a, b, "10.8.0.2"):
                pass
            seen, ledger = ledger["seen"], daemon.settled()
            assert ledger["seen"] - seen == total(a.counters("d0", 14)) - total(before), ledger
            # there and back before anybody looks
            daemon.process.send_signal(signal.SIGSTOP)
            a.sh(f"ip link set d0 netns {c.name}")
            c.sh(f"ip link set d0 netns {a.name}")
            attach(a, "d0", "10.8.0.1", "10.8.0.2", "02:00:00:00:01:02")
            daemon.process.send_signal(signal.SIGCONT)
            a.sh("ip link set d0 alias seen")  # one more message, for a snapshot that is not the first
            until(lambda: daemon.settled() and devices(daemon)["d0"]["state"] == "capturing", "it captured on anew")
            before = a.counters("d0", 14)
            with streamed(a, b, "10.8.0.2"):
                pass
            seen, ledger = ledger["seen"], daemon.settled()
            assert ledger["seen"] - seen == total(a.counters("d0", 14)) - total(before), ledger
            a.sh(f"ip link set d0 netns {c.name}")
            until_state(daemon, "d0", "gone")


def test_addresses_change(build):
    """Which way a packet goes is told by the addresses of the moment."""
    with hosts() as (a, b), daemon_on(a, build, *choice("v0")) as daemon:
        a.sh("ip addr add 10.9.0.77/24 dev v0")
        b.sh("ip neigh replace 10.9.0.77 lladdr 02:00:00:00:00:01 nud permanent dev v0")
        with streamed(b, a, "10.9.0.77") as (_, server):
            ledger, counted = daemon.settled(), a.counters("v0")
            moved = daemon.row(server.pid)["total"]
            assert (moved["in"], moved["out"]) == (counted["in"], counted["out"]), (moved, counted)
        ledger = daemon.settled()
        a.sh("ip addr del 10.9.0.77/24 dev v0")
        idle(daemon)  # which means that it knows
        before = a.counters("v0")
        b.sh("printf %1000s | timeout 5 bash -c 'cat > /dev/udp/10.9.0.77/9'")
        seen, ledger = ledger["seen"], daemon.settled()
        assert ledger["unattributed-forwarded"] == 1028 == a.counters("v0")["in"] - before["in"], ledger
        assert ledger["seen"] - seen == total(a.counters("v0")) - total(before), ledger


def test_addresses_asked_for(build):
    """The rest stands beside the ledger; of loopback, both halves are asked for one by one."""
    for options in ([], choice("*")):
        with hosts() as (a, b), daemon_on(a, build, "--address", "10.9.0.1", "--address", "fd77::1",
                                          *options) as daemon:
            with streamed(a, b, "10.9.0.2"):
                ledger, counted = daemon.settled(), a.counters("v0")
                assert ledger["seen"] == total(counted) == ledger["attributed"], (ledger, counted)
                assert ledger["skipped-address"] == 0, ledger
            daemon.settled()
            counted = a.counters("v0")
            with streamed(a, b, "fd09::2"), streamed(a, a, "127.0.0.1"):
                pass
            ledger = daemon.settled()
            other = total(a.counters("v0")) - total(counted) + 2 * a.counters("lo")["in"]
            assert ledger["seen"] == total(counted) and ledger["skipped-address"] == other, (ledger, other)
            assert_balanced(daemon, ledger)


def test_filter_for_each_link_type(build):
    """Ethernet and a tun device have different headers, and the same filter means the same on both."""
    with hosts() as (a, b), daemon_on(a, build, "--filter", "tcp or icmp",  # as one operand
                                      *choice("v0", "t0")) as daemon, tunnels(a, b):
        until_state(daemon, "t0", "capturing")
        with streamed(a, b, "10.5.0.2"):
            ledger, inner = daemon.settled(), a.counters("t0", 0)
            assert ledger["seen"] == total(inner) == ledger["attributed"], (ledger, inner)  # without outer UDP
        before = daemon.settled()["seen"]
        with streamed(a, b, "10.9.0.2"):
            ledger = daemon.settled()
            assert ledger["seen"] - before > 400000, (before, ledger)
        rows = devices(daemon)
        assert (rows["v0"]["link_type"], rows["t0"]["link_type"]) == ("EN10MB", "RAW"), rows
        assert daemon.status()["Filter"] == "tcp or icmp"
        assert "unattributed-not-ip" in ledger and ledger["unattributed-not-ip"] == 0


def test_filter_for_some_link_types(build):
    """One that does not go with a device leaves that out, and says so in libpcap's words."""
    with hosts() as (a, b), daemon_on(a, build, "--filter", "ether host 02:00:00:00:00:01",
                                      *choice("v0", "t0")) as daemon, tunnels(a, b):
        row = until_state(daemon, "t0", "failed")
        assert "ethernet addresses supported only on" in row["last_error"], row
        with streamed(a, b, "10.9.0.2"):
            ledger = daemon.settled()
            assert ledger["attributed"] == ledger["seen"], ledger
        ledger, outer = daemon.settled(), a.counters("t0", 0)
        assert total(outer) == 0 and ledger["seen"] == total(a.counters("v0")), (ledger, outer)


def refused(host, build, *options):
    result = subprocess.run(host.command([f"{build}/netflowd", *options]), check=False, text=True,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=DEADLINE)
    assert result.returncode not in (0, -signal.SIGSEGV), result
    return result.stderr


def test_bad_choices(build):
    with hosts(1) as (a,):
        for options, words in ((["--device", "a/b"], "--device a/b: "),
                               (["--device", "!"], "--device !: "),
                               (["--device", "sixteen-letters-"], "--device sixteen-letters-: "),
                               (choice(*["lo"] * 65), "65 devices are named, but at most 64 can be"),
                               (["--address", "10.0.0"], "--address 10.0.0: "),
                               (["--address", "10.0.0.1/33"], "--address 10.0.0.1/33: "),
                               (["--filter", "udp and nonsense"], "syntax error in filter expression, at character 9"),
                               (["--filter", "tcp) or (udp"], "syntax error, at character 4"),
                               (["--filter", "host no.such.name.invalid"], "unknown host 'no.such.name.invalid', at"),
                               (["--filter", "ether host 2:0:0:0:0:1"], "ethernet addresses supported only"),
                               (["--device", "lo", "--filter", "arp"], "expression rejects all packets"),
                               (["--filter", "x" * 65536], "longer than 65535 bytes"),
                               (["--filter", " or ".join(f"host 10.0.{n // 250}.{n % 250}" for n in range(3000))],
                                "within 2 seconds")):
            error = refused(a, build, *options)
            assert words in error, (options[0], options[1][:60], error[:500])


def test_suspend(build):
    """As far as it can be had: the daemon does not run for a while, in which links go down and come up again."""
    for options in ([], choice("v*")):
        with hosts() as (a, b), daemon_on(a, build, *options) as daemon:
            with streamed(a, b, "10.9.0.2"):
                pass
            ledger = daemon.settled()
            daemon.process.send_signal(signal.SIGSTOP)
            a.sh("ip link set v0 down; ip addr del 10.9.0.1/24 dev v0; ip link set v0 up; "
                 "ip addr add 10.9.0.3/24 dev v0; "
                 "ip neigh replace 10.9.0.2 lladdr 02:00:00:00:00:02 nud permanent dev v0")
            b.sh("ip neigh replace 10.9.0.3 lladdr 02:00:00:00:00:01 nud permanent dev v0")
            with streamed(a, b, "10.9.0.2"):
                daemon.process.send_signal(signal.SIGCONT)
                before, ledger, counted = ledger, daemon.settled(), a.counters("v0")
                assert ledger["seen"] == total(counted), (options, ledger, counted)
                assert ledger["attributed"] - before["attributed"] == ledger["seen"] - before["seen"], ledger


def test_stop_and_start(build):
    """Counts of devices go on; what went while nobody looked is told then."""
    with hosts() as (a, b), daemon_on(a, build, *choice("v*", "d*")) as daemon:
        join_at(a, b, "d0", "10.8.0")
        until_state(daemon, "d0", "capturing")
        with streamed(a, b, "10.9.0.2"), streamed(a, b, "10.8.0.2"):
            pass
        daemon.settled()
        before = devices(daemon)
        daemon.ctl("stop")
        assert {row["state"] for row in devices(daemon).values()} == {"stopped"}, devices(daemon)
        a.sh("ip link del d0")
        daemon.ctl("start")
        row = until_state(daemon, "v0", "capturing")
        assert row["received"] == before["v0"]["received"] > 0, row
        row = until_state(daemon, "d0", "gone")
        assert row["received"] == before["d0"]["received"] > 0, row
        with streamed(a, b, "10.9.0.2"):
            ledger = daemon.settled()
        assert ledger["seen"] > total(a.counters("v0")), ledger
        assert devices(daemon)["v0"]["received"] > before["v0"]["received"]


def start_capture(daemon, *options):
    return daemon.busctl("call", NAME, OBJECT, INTERFACE, "StartCapture", "a{sv}", *options, stderr=subprocess.PIPE)


def test_choice_at_run_time(build):
    """By a call; what is refused leaves what runs as it was, and so does what is not named."""
    with hosts() as (a, b), daemon_on(a, build) as daemon:
        with streamed(a, b, "10.9.0.2"):
            ledger = daemon.settled()
            for options, words in ((("devices", "as", "1", "a/b"), 'device "a/b": no device has such a name'),
                                   (("filter", "s", "udp and nonsense"), "syntax error in filter expression, at char"),
                                   (("filter", "s", "tcp) or (udp"), "syntax error, at character 4"),
                                   (("filter", "s", "ether host 2:0:0:0:0:1"), "ethernet addresses supported only"),
                                   (("filter", "s", "host 10.0.0.1" +
                                     "".join(f" or host 10.1.{n // 250}.{n % 250}" for n in range(2000))),
                                    "within 2 seconds|more than the 4096 instructions")):
                try:
                    start_capture(daemon, "1", *options)
                except subprocess.CalledProcessError as error:
                    assert re.search(words, error.stderr), (options[0], error.stderr[:300])
                else:
                    raise AssertionError(f"{options[0]} was taken")
                assert daemon.status()["Filter"] == "" and list(devices(daemon)) == ["any"], daemon.status()
            assert daemon.settled() == ledger
        start_capture(daemon, "2", "devices", "as", "1", "v0", "filter", "s", "tcp")
        assert devices(daemon)["v0"]["state"] == "capturing" and devices(daemon)["any"]["state"] == "gone"
        start_capture(daemon, "1", "filter", "s", "")
        assert devices(daemon)["v0"]["state"] == "capturing" and daemon.status()["Filter"] == ""
        with streamed(a, b, "10.9.0.2"), streamed(a, a, "127.0.0.1"):
            pass
        assert daemon.settled()["seen"] == total(a.counters("v0")), daemon.ledger()
        start_capture(daemon, "1", "devices", "as", "0")
        assert devices(daemon)["any"]["state"] == "capturing" and devices(daemon)["v0"]["state"] == "gone"


def test_reload(build):
    with hosts() as (a, b), tempfile.TemporaryDirectory(prefix="netflowd-") as directory:
        path = pathlib.Path(directory, "conf")
        path.write_text("[Netflowd]\nBackend=pcap\nDevices=lo\n", encoding="utf-8")
        with daemon_on(a, build, config=str(path)) as daemon:
            assert list(devices(daemon)) == ["lo"]
            path.write_text("[Netflowd]\nBackend=pcap\nDevices=v* !vx*\nAddresses=10.9.0.1\n", encoding="utf-8")
            daemon.process.send_signal(signal.SIGHUP)
            until_state(daemon, "v0", "capturing")
            with streamed(a, b, "fd09::2"), streamed(a, b, "10.9.0.2"):
                pass
            ledger = daemon.settled()
            assert ledger["seen"] + ledger["skipped-address"] == total(a.counters("v0")), ledger
            assert 400000 < ledger["seen"] < ledger["skipped-address"], ledger
            for said in (f"Devices=v* !vx* ({path}:3) holds now", f"Addresses=10.9.0.1 ({path}:4) holds now"):
                assert said in daemon.process.stderr.readline(), said


def resident(daemon):
    """Bytes of memory and of address space; the rings are in both, and are no memory of the process's own."""
    text = open(f"/proc/{daemon.process.pid}/status", encoding="ascii").read()
    return {key: 1024 * int(re.search(rf"{key}:\s+(\d+) kB", text)[1]) for key in ("RssAnon", "VmSize")}


def test_thousand_devices(build):
    """Added, captured on, and removed: neither descriptors nor memory are left, and the sum of the counts stays."""
    count = 400 if FEWER else 1000
    with hosts(1) as (a,), daemon_on(a, build, *choice("d*")) as daemon:
        def batch(lines):
            a.sh("ip -batch -", input="\n".join(lines) + "\n")

        def capturing():
            return {name for name, row in devices(daemon).items() if row["state"] == "capturing"}

        base = before = None
        for n in range(0, count, 20):
            names = [f"d{n + k}" for k in range(20)]
            batch([f"link add {name} up group 20 type ifb" for name in names])
            until(lambda names=names: capturing() >= set(names), "twenty more devices")
            batch([f"addr add 10.8.0.1/24 dev {names[0]}"])
            a.sh("ip neigh replace 10.8.0.9 lladdr 02:00:00:00:00:09 nud permanent dev " + names[0] +
                 "; printf %100s | timeout 5 bash -c 'cat > /dev/udp/10.8.0.9/9'")
            batch(["link del group 20"])
            until(lambda: not capturing(), "none of them left")
            if n == 200:
                daemon.settled()
                base, before = resident(daemon), descriptors(daemon)
        ledger = daemon.settled()
        # one may just be open to read addresses with; what leaks stays
        until(lambda: len(descriptors(daemon)) == len(before), f"the descriptors that there were: {before}")
        grown = {key: value - base[key] for key, value in resident(daemon).items()}
        rows = devices(daemon)
        assert len(rows) == 34, list(rows)  # those remembered, the sum of the others, and the pattern
        assert sum(row["received"] for row in rows.values()) == daemon.status()["PacketsReceived"] == count // 20, rows
        assert ledger["seen"] == count // 20 * 128, ledger
        with open(f"{build}/netflowd", "rb") as program:
            sanitized = b"__asan_" in program.read()
        assert sanitized or max(grown.values()) < 1 << 20, grown
        return f"grown by {grown['RssAnon'] // 1024} kB over {count - 200} of them"


def test_many_at_once(build):
    """More than can be captured on: the first are, and how many are not is said."""
    with hosts(1) as (a,), daemon_on(a, build, *choice("d*")) as daemon:
        a.sh("ip -batch -", input="".join(f"link add d{n} up group 20 type ifb\n" for n in range(300)))
        rows = until(lambda: "(more)" in devices(daemon) and devices(daemon), "devices beyond those listed")
        rows = until(lambda: len(devices(daemon)) == 257 and devices(daemon), "all of them")
        states = [row["state"] for row in rows.values()]
        assert states.count("capturing") == 64, states
        assert rows["(more)"]["last_error"].startswith("44 more devices"), rows["(more)"]
        rings = resident(daemon)["VmSize"]
        a.sh("ip link del group 20")
        until(lambda: "(more)" not in devices(daemon), "none left over")
        return f"{rings >> 20} MB of address space with 64 rings"


main([value for name, value in list(globals().items()) if name.startswith("test_")])
