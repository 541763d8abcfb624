# SPDX-License-Identifier: MIT
"""What is asked of netflowd, as ratios of one run where that can be, and the lines of the table in the README."""

from contestants import LOOP
from figures import Goal, ratio

RATES = ("100 k packets/s", "300 k packets/s", "flat out")
NEARLY = 0.9999  # of what is to be all: a FIN may come in the moment in which TIME_WAIT takes the socket's place
OWNERS = {"one-shot curl, 20 kB": {"bpf": (NEARLY, NEARLY), "pcap+bpf": (0.999, 0.999), "pcap": (0.99, 0.995)},
          "1000 connections/s": {"bpf": (NEARLY, NEARLY), "pcap+bpf": (0.999, 0.999), "pcap": (0.99, 0.99)},
          "wrk, Connection: close": {"bpf": (NEARLY, NEARLY), "pcap+bpf": (0.999, 0.999), "pcap": (0.9, 0.9)},
          "one-shot UDP queries": {"bpf": (1, 1), "pcap+bpf": (0.999, 0.999), "pcap": (0.9, 0.9)},
          "container": {"bpf": (1, 1)}, "container, NAT": {"bpf": (1, 1)}}

# Title, point, load, metric, form.
OVERVIEW = [(f"CPU s per million packets, {load}", "packets", load, "cpu", "seconds") for load in RATES]
OVERVIEW += [(f"… with what is laid on the sender, {load}", "packets", load, "both", "seconds") for load in RATES]
OVERVIEW += [(f"TCP throughput, of that with nobody, {load}", "bulk", load, "kept", "percent")
             for load in ("with offloads", "without offloads")]
OVERVIEW += [(f"Bytes with their process: {load}, {side}", "owners", load, side, "percent")
             for load, sides in (("one-shot curl, 20 kB", ("client", "server")),
                                 ("1000 connections/s", ("client", "server")),
                                 ("wrk, Connection: close", ("client", "server")),
                                 ("one-shot UDP queries", ("client",)), ("container, NAT", ("client",)))
             for side in sides]
OVERVIEW += [("CPU of a core, idle, 50 k sockets", "idle", "50 k sockets", "cpu", "percent"),
             ("… and 10 connections/s", "idle", "50 k sockets", "trickle_cpu", "percent"),
             ("Wake-ups a second, idle, 50 k sockets", "idle", "50 k sockets", "wakeups", "count"),
             ("Memory, 1 M packets of one flow", "memory", "1 M packets of one flow", "resident", "megabytes"),
             ("Memory, 1 M flows", "memory", "1 M flows", "resident", "megabytes"),
             ("Memory, 10 k processes", "memory", "10 k processes", "resident", "megabytes"),
             ("… charged to its cgroup", "memory", "10 k processes", "held", "megabytes"),
             ("GetProcessRank, 10 of 1 k processes", "query", "1 k processes", "top", "milliseconds"),
             ("GetProcessRank, all of 1 k processes", "query", "1 k processes", "all", "milliseconds"),
             ("… the bus alone, of an answer that is there", "query", "1 k processes", "bus", "milliseconds"),
             ("Counted with 10 % of a processor, 100 k packets/s", "quota", "100 k packets/s", "counted", "percent")]


class Finder:
    """Goals for which there are figures."""

    def __init__(self, results):
        self.results, self.found = results, []

    def add(self, name, value, limit, **options):
        if value is not None:
            self.found.append(Goal(name, value, limit, **options))

    def packets(self):
        get = self.results.get
        for load in self.results.loads("packets"):
            floor = get("packets", load, LOOP, "cpu")
            for mode, limit in (("pcap", 1.0), ("pcap+bpf", 1.0), ("bpf", 0.05)):
                self.add(f"{mode} / bare loop, CPU, {load}", ratio(get("packets", load, mode, "cpu"), floor), limit)
            self.add(f"bpf / pcap, with what is laid on the sender, {load}",
                     ratio(get("packets", load, "bpf", "both"), get("packets", load, "pcap", "both")), 0.5)

    def owners(self, modes):
        for load, wanted in OWNERS.items():
            for mode, shares in wanted.items():
                for side, share in zip(("client", "server"), shares):
                    self.add(f"{mode}, bytes with their process, {load}, {side}",
                             self.results.get("owners", load, mode, side), share, least=True)
            for mode in modes:
                self.add(f"{mode}, share with a wrong process, {load}",
                         self.results.get("owners", load, mode, "wrong"), 0)

    def bounds(self, modes):
        get = self.results.get
        for mode in modes:
            for metric, what in (("cpu", "idle"), ("trickle_cpu", "10 connections/s")):
                self.add(f"{mode}, CPU of a core, {what}, 50 k sockets", get("idle", "50 k sockets", mode, metric), 0.005)
            for metric, what in (("resident", "resident"), ("held", "charged")):
                most = [get("memory", load, mode, metric) or 0 for load in self.results.loads("memory")]
                self.add(f"{mode}, memory, {what}, any load", max(most) / 1e6 if any(most) else None, 32, unit=" MB")
            for metric, what in (("top", "10"), ("all", "all")):
                taken = get("query", "1 k processes", mode, metric)
                self.add(f"{mode}, rank, {what} of 1 k processes", taken and taken * 1e3, 5, unit=" ms")
            metric = "counted" if mode == "bpf" else "known"
            self.add(f"{mode}, {metric} under a quota of 10 %", get("quota", "100 k packets/s", mode, metric), 1,
                     least=True)


def find(results, modes):
    finder = Finder(results)
    finder.packets()
    finder.owners(modes)
    finder.bounds(modes)
    return finder.found
