# SPDX-License-Identifier: MIT
"""2: bulk TCP with and without offloads, with and without those who look at it."""

import contextlib
import json
import subprocess

from harness import until

import contestants
import loads

POINT, TITLE = "bulk", "Bulk TCP, one connection"
OFFLOADS = {"with offloads": "on", "without offloads": "off"}
COLUMNS = [("throughput", "throughput", "gigabits"), ("kept", "of nobody's", "percent"),
           ("cpu", "CPU of a core", "percent")]
SECONDS = 1


@contextlib.contextmanager
def server(host):
    process = loads.nsenter(host, ["iperf3", "-s"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with contestants.ended(process):
        until(lambda: host.sh("ss -Htln sport = 5201").strip(), "a listener")
        yield


def throughput(host):
    client = loads.nsenter(host, ["iperf3", "-c", "10.9.0.2", "-J", "-t", str(SECONDS)], stdout=subprocess.PIPE)
    with contestants.ended(client):
        return json.loads(client.communicate(timeout=60)[0])["end"]["sum_received"]["bits_per_second"]


def run(context):
    with loads.pair() as (a, b), server(b):
        for starter, name, _ in context.rounds():
            with starter(context.build, a) as running:
                for load, state in OFFLOADS.items():
                    for host in (a, b):
                        host.sh(f"ethtool -K v0 tso {state} gso {state} gro {state}")
                    before = running.cpu()
                    context.results.add(POINT, load, name, throughput=throughput(a),
                                        cpu=(running.cpu() - before) / SECONDS)
    for load in OFFLOADS:
        kept_of_nobodys(context.results, load)


def kept_of_nobodys(results, load):
    rows = results.rows(POINT)
    alone = rows[load, contestants.NOBODY]["throughput"].values
    for (where, who), metrics in rows.items():
        if where == load and who != contestants.NOBODY:
            for own, nobodys in zip(metrics["throughput"].values, alone):
                results.add(POINT, load, who, kept=own / nobodys)
