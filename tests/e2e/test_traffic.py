#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Real programs at real rates, against the interface counters."""

import contextlib
import os
import pathlib
import subprocess
import tempfile

from harness import assert_balanced, daemon_on, hosts, main, paired, until

SECONDS = int(os.environ.get("NETFLOWD_TEST_SECONDS", "10"))
RATE = "200M"
TOLERANCE = 0.005


def assert_close(row, counted, ledger=None):
    """Within half a percent of the interface, in and out. A direction of a few acknowledgements counts in absolute
    terms: the control connection of iperf3 is its own as well, what its kernel sends after the end is not."""
    for way in ("in", "out"):
        assert abs(row["total"][way] - counted[way]) <= max(TOLERANCE * counted[way], 2000), \
            (way, row["total"], counted, ledger)


@contextlib.contextmanager
def listening(host, words, port):
    with host.start(words, stdout=subprocess.DEVNULL) as process:
        until(lambda: host.sh(f"ss -Htln sport = {port}").strip(), f"a listener on {port}")
        yield process


def iperf3(build, address, *options):
    auto = ["--owners", "auto"]
    with hosts() as (a, b), daemon_on(a, build, *auto) as on_a, daemon_on(b, build, *auto) as on_b:
        with listening(b, ["iperf3", "-s", "-1"], 5201) as server:
            with a.start(["iperf3", "-c", address, "-t", str(SECONDS), "-b", RATE, *options],
                         stdout=subprocess.DEVNULL) as client:
                assert client.wait() == 0
            assert server.wait() == 0
        notes = []
        for host, daemon, process in ((a, on_a, client), (b, on_b, server)):
            ledger, counted = daemon.settled(), host.counters("v0")
            status = daemon.status()
            assert status["PacketsDropped"] == 0, status
            assert ledger["seen"] == counted["in"] + counted["out"], (ledger, counted)
            assert_close(daemon.row(process.pid), counted, ledger)
            assert_balanced(daemon, ledger)
            lost = ", ".join(f"{key} {value}" for key, value in ledger.items() if value and key.startswith("unatt"))
            notes.append(f"{100 * ledger['attributed'] / ledger['seen']:.3f} %{lost and f' ({lost})'}")
        return "attributed: client side {}, server side {}".format(*notes)


@paired
def test_iperf3_tcp_v4(build):
    return iperf3(build, "10.9.0.2")


@paired
def test_iperf3_tcp_v6(build):
    return iperf3(build, "fd09::2")


@paired
def test_iperf3_udp_v4(build):
    return iperf3(build, "10.9.0.2", "-u")


@paired
def test_iperf3_udp_v6(build):
    return iperf3(build, "fd09::2", "-u")


NGINX = """daemon off; master_process off; pid {0}/pid; error_log stderr; events {{}}
http {{ access_log off; client_body_temp_path {0}/a; proxy_temp_path {0}/b; fastcgi_temp_path {0}/c;
uwsgi_temp_path {0}/d; scgi_temp_path {0}/e; server {{ listen 80; listen [::]:80; root {0}; limit_rate 1500k; }} }}"""


def test_curl(build):
    """curl from nginx, which sends slowly enough for it to last: the right pids with the right bytes on both sides."""
    with tempfile.TemporaryDirectory(prefix="netflowd-") as directory, hosts() as (a, b), \
            daemon_on(a, build) as on_a, daemon_on(b, build) as on_b:
        os.chmod(directory, 0o755)
        pathlib.Path(directory, "conf").write_text("user root; " + NGINX.format(directory), encoding="utf-8")
        pathlib.Path(directory, "file").write_bytes(b"x" * 3000000)
        with listening(b, ["nginx", "-c", f"{directory}/conf"], 80) as server:
            for url in ("http://10.9.0.2/file", "http://[fd09::2]/file"):
                before = a.counters("v0")
                with a.start(["curl", "-sS", "-o", "/dev/null", url]) as client:
                    assert client.wait() == 0
                on_a.settled()
                counted = a.counters("v0")
                assert_close(on_a.row(client.pid), {way: counted[way] - before[way] for way in counted})
                assert on_a.row(client.pid)["name"] == "curl"
            ledger = on_b.settled()
            assert_close(on_b.row(server.pid), b.counters("v0"))
            assert_balanced(on_b, ledger)
        assert_balanced(on_a, on_a.settled())


def test_forwarded(build):
    """What only passes through is nobody's here, and is said to be that."""
    with hosts() as (a, b), daemon_on(b, build) as on_b:
        b.sh(f"sysctl -qw net.ipv4.ip_forward=1; ip link add d0 type veth peer name d1 netns {a.name}; "
             "ip link set d0 up; "
             "ip addr add 10.8.0.1/24 dev d0; ip neigh replace 10.8.0.9 lladdr 02:00:00:00:00:09 nud permanent dev d0; "
             "nft 'table ip6 quiet2 { chain out { type filter hook output priority 0; drop; }; }'")
        a.sh("ip link set d1 addrgenmode none; ip link set d1 up; ip route add 10.8.0.0/24 via 10.9.0.2")
        until(lambda: "LOWER_UP" in b.sh("ip link show d0"), "a cable")
        a.sh("printf %1000s | timeout 5 bash -c 'cat > /dev/udp/10.8.0.9/9'")
        ledger = on_b.settled()
        counted = b.counters("v0")["in"]
        assert counted >= 1028, counted
        # once as it comes in, once as it goes out
        assert ledger["unattributed-forwarded"] == 2 * counted == ledger["seen"], (ledger, counted)


def test_bridge_counts_once(build):
    """A bridge and its port show the same packets: they count on the bridge, where the address is."""
    with hosts() as (a, b), daemon_on(b, build) as on_b:
        b.sh("ip link add br0 address 02:00:00:00:00:02 type bridge; ip link set br0 addrgenmode none; "
             "ip addr flush dev v0; ip link set v0 master br0; ip link set br0 up; ip addr add 10.9.0.2/24 dev br0; "
             "ip neigh replace 10.9.0.1 lladdr 02:00:00:00:00:01 nud permanent dev br0")
        until(lambda: "LOWER_UP" in b.sh("ip link show br0"), "a bridge that is up")
        with listening(b, ["iperf3", "-s", "-1"], 5201) as server:
            with a.start(["iperf3", "-c", "10.9.0.2", "-n", "5M"], stdout=subprocess.DEVNULL) as client:
                assert client.wait() == 0
            assert server.wait() == 0
        ledger, counted = on_b.settled(), a.counters("v0")
        assert ledger["seen"] == counted["in"] + counted["out"], (ledger, counted)
        assert ledger["skipped-enslaved"] == ledger["seen"], ledger


main([test_iperf3_tcp_v4, test_iperf3_tcp_v6, test_iperf3_udp_v4, test_iperf3_udp_v6, test_curl, test_forwarded,
      test_bridge_counts_once])
