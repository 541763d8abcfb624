# SPDX-License-Identifier: MIT
"""5: memory under loads that make tables grow."""

import contextlib

import cgroup
import contestants
import loads
import procfs

POINT, TITLE = "memory", "Memory"
ONE_SHOTS, FULL_ONE_SHOTS = 200000, 1000000
LIMIT = 64 << 20  # as systemd/netflowd.service.in says: tables are sized by it
COLUMNS = [("resident", "resident, at most", "megabytes"), ("held", "charged to its cgroup", "megabytes")]
LOADS = {"1 M packets of one flow": ("socket", 1000000), "1 k flows": ("scatter", 1000),
         "100 k flows": ("scatter", 100000), "1 M flows": ("scatter", 1000000), "100 processes": ("alive", 100),
         "10 k processes": ("alive", 10000)}
NETHOGS_LOADS = ("1 M packets of one flow", "1 M flows", "100 processes")  # the others take it minutes
OWN, PEER = "10.9.0.1", "10.9.0.2"
AFTER_SECONDS = 2.5  # until all is read and looked up


def one_load(context, host, load, mode, number, starters):
    with contextlib.ExitStack() as stack:
        group = []
        for starter in starters:
            charged = stack.enter_context(cgroup.group("memory"))
            if charged and starter in context.modes.values():
                charged.set_memory_max(LIMIT)
            group.append((stack.enter_context(starter(context.build, host, groups=[charged])), charged))
        to = OWN if mode == "scatter" else PEER
        with contestants.ended(loads.flood(context.build, host, mode, number, to=to)) as sender:
            assert sender.stdout.readline(), f"flood {mode} failed"
            loads.pause(AFTER_SECONDS)
        for running, charged in group:
            context.results.add(POINT, load, running.name, resident=procfs.peak_bytes(running.pid),
                                held=charged and charged.held_bytes())


def run(context):
    number = FULL_ONE_SHOTS if context.full else ONE_SHOTS
    all_loads = {**LOADS, f"{number // 1000} k one-shot processes": ("oneshots", number)}
    with loads.pair() as (a, _):
        a.sh(f"ip route add 198.18.0.0/15 via {PEER}")
        for load, (mode, size) in all_loads.items():
            one_load(context, a, load, mode, size, context.modes.values())
            if load in NETHOGS_LOADS and contestants.NETHOGS in context.others:
                one_load(context, a, load, mode, size, [context.others[contestants.NETHOGS]])
