# SPDX-License-Identifier: MIT
"""3: how many of the bytes have their process, where connections and processes are over as they began. What moved is
known from the interfaces' counters, and who moved it from the programs themselves."""

import contextlib
import subprocess

from harness import Host, sh, total, traffic, until

import contestants
import loads
from web_server import nginx
from wire import moved, wire

POINT, TITLE = "owners", "Share of bytes with their process"
COLUMNS = [("client", "client", "percent"), ("server", "server", "percent"), ("wrong", "with a wrong one", "percent"),
           ("rate", "a second", "count")]
CURLS, FULL_CURLS = 500, 2000
CONNECTIONS, RATE = 2000, 1000
QUERIES = 300
SECONDS = 2  # of wrk
MOST = 60.0
MORE_THAN_A_TICK, TURNS = 1.15, 5
QUERY = "bash -c 'echo $$ >&2; exec 3<>/dev/udp/10.9.0.2/7000; printf question >&3; read -r -N 8 -u 3'"
CONTAINER = """sysctl -qw net.ipv4.ip_forward=1; ip link add c0 type veth peer name v0 netns {0}
ip link set c0 addrgenmode none; ip addr add 10.8.0.1/24 dev c0; ip link set c0 up; ethtool -K c0 tso off gro off"""
INSIDE = """sysctl -qw net.ipv6.conf.all.disable_ipv6=1; ethtool -K v0 tso off gro off
ip addr add 10.8.0.2/24 dev v0; ip link set v0 up; ip route add default via 10.8.0.1"""
MASQUERADE = "nft 'table ip nat { chain post { type nat hook postrouting priority 100; oifname v0 masquerade; }; }'"


def words(host, script):
    """What a shell's children say of themselves on standard error, one pid a line."""
    process = loads.nsenter(host, ["bash", "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    with contestants.ended(process):
        said = process.communicate(timeout=MOST * 2)[1]
    assert process.returncode == 0, said[-200:]
    return {int(line) for line in said.split()}


def curls(a, b, number):
    """A process for each request, and a server of two workers."""
    with nginx(b, 20000) as (_, *workers):
        clients = words(a, f"for ((i = 0; i < {number}; i++)); do curl -s -o /dev/null http://10.9.0.2/file & "
                           "echo $! >&2; wait; done")
        yield clients, set(workers), None


def connections(a, b):
    with traffic(a) as client, traffic(b) as server:
        server.tell("listen", "l", "::", 8000)
        server.begin("serve", "l", CONNECTIONS)
        rate = float(client.tell("cycle", "10.9.0.2", 8000, CONNECTIONS, RATE))
        server.answer()
        yield {client.pid}, {server.pid}, rate


def web(a, b):
    """As fast as it goes, a connection for each request."""
    with nginx(b, 200) as (_, *workers):
        client = loads.nsenter(a, ["wrk", "-t1", "-c20", f"-d{SECONDS}s", "-H", "Connection: close",
                                   "http://10.9.0.2:80/file"], stdout=subprocess.PIPE)
        with contestants.ended(client):
            output = client.communicate(timeout=MOST)[0]
        rate = next(float(line.split()[1]) for line in output.splitlines() if "Requests/sec" in line)
        yield {client.pid}, set(workers), rate


def queries(a, b):
    """A process for each question of one datagram, and one that answers."""
    with traffic(b) as server:
        server.tell("udp", "s", "::", 7000)
        server.begin("answer", "s", QUERIES)
        clients = words(a, f"for ((i = 0; i < {QUERIES}; i++)); do {QUERY}; done")
        server.answer()
        yield clients, {server.pid}, None


@contextlib.contextmanager
def container(a, translated):
    """A host behind a, which forwards for it."""
    inside = Host(a.name + "c")
    sh(["ip", "netns", "add", inside.name])
    try:
        a.sh(CONTAINER.format(inside.name) + ("; " + MASQUERADE if translated else ""))
        inside.sh(INSIDE)
        yield inside
    finally:
        sh(["ip", "netns", "del", inside.name])
        until(lambda: "c0" not in sh(["ip", "-n", a.name, "-br", "link"]), "no cable to it")
        a.sh("nft 'table ip nat; delete table ip nat'")


def contained(a, b, translated):
    b.sh("ip route replace 10.8.0.0/24 via 10.9.0.1")
    with container(a, translated) as inside, traffic(inside) as client, traffic(b) as server:
        server.tell("listen", "l", "0.0.0.0", 8000)
        client.tell("connect", "c", "10.9.0.2", 8000)
        server.tell("accept", "s", "l")
        for sender, receiver, own, other in ((client, server, "c", "s"), (server, client, "s", "c")):
            sender.tell("write", own, 500000)
            receiver.tell("read", other, 500000)
        yield {client.pid}, {server.pid}, None


def share(before, after, pids, through):
    """Of what the interface counted."""
    return sum(after.get(pid, 0) - before.get(pid, 0) for pid in pids) / through


def settle(running, pids):
    """Until what these have stands still, as far as it ever does. It may be told once a second only."""
    last = None
    for _ in range(TURNS):
        loads.pause(MORE_THAN_A_TICK)
        shares = running.shares()
        now = sum(shares.get(pid, 0) for pid in pids)
        if now == last:
            return
        last = now


def measure(context, load, pair, sides, begin, are_behind=False):
    """The load, with a contestant on either side, which may be one and the same. Both ends may be behind this host, as each
    network namespace at the end of a cable is: then both are told of."""
    before = [(total(moved(host)), running.shares()) for host, running in zip(pair, sides)]
    for clients, servers, rate in begin(*pair):
        for running in dict.fromkeys(sides):
            settle(running, clients | servers)
        figures, wrong = {"rate": rate}, 0.0
        for side, host, running, (counted, shares), pids in zip(("client", "server"), pair, sides, before,
                                                                (clients, servers)):
            through, now = total(moved(host)) - counted, running.shares()
            got = share(shares, now, pids, through)
            figures[side] = min(1.0, got)
            known = clients | servers if are_behind else pids
            wrong = max(wrong, got - 1.0 - 1e-4, strangers(running, shares, now, known, through))
        context.results.add(POINT, load, sides[0].name, wrong=max(0.0, wrong), **figures)


def strangers(running, before, after, pids, through):
    """What others have, who moved nothing; known of those who look at this host only."""
    if running.name == "bpf":
        return 0.0
    return share(before, after, set(after) - pids, through)


LOADS = {"one-shot curl, 20 kB": curls, "1000 connections/s": connections, "wrk, Connection: close": web,
         "one-shot UDP queries": queries}
CONTAINERS = {"container": False, "container, NAT": True}


def run(context):
    number = FULL_CURLS if context.full else CURLS
    for name, starter in context.peers().items():
        with wire() as pair, contextlib.ExitStack() as stack:
            a, b = pair
            sides = [stack.enter_context(starter(context.build, a))]
            sides.append(sides[0] if name == "bpf" else stack.enter_context(starter(context.build, b)))
            for load, begin in LOADS.items():
                options = (number,) if begin is curls else ()
                measure(context, load, pair, sides, lambda a, b, begin=begin, options=options: begin(a, b, *options))
            for load, translated in CONTAINERS.items():
                loads.pause(MORE_THAN_A_TICK)  # until the ends of the last connections are told
                measure(context, load, pair, sides, lambda a, b, translated=translated: contained(a, b, translated), True)
