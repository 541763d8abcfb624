#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Measures netflowd with each backend beside the least that libpcap costs, tcpdump and nethogs, in namespaces of its own.

usage: bench.py [--rounds N] [--full] BUILD [POINT…]; a POINT is packets, bulk, owners, idle, memory, query or quota

Prints tables, whether the goals are met, and the table of the README; BUILD/bench.json has all that was measured."""

import argparse
import contextlib
import json
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
sys.path.insert(1, str(pathlib.Path(__file__).resolve().parent.parent / "system"))

# pylint: disable=wrong-import-position
import contestants
import goals
import point_bulk
import point_idle
import point_memory
import point_owners
import point_packets
import point_query
import point_quota
import report
import this_machine
from context import Context
from figures import Results
from harness import hosts

POINTS = [point_packets, point_bulk, point_owners, point_idle, point_memory, point_query, point_quota]
NICE = -10  # what else this machine does stands back


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3, help="how often what is noisy is measured (3)")
    parser.add_argument("--full", action="store_true", help="a million processes, as many curls as a goal names: slow")
    parser.add_argument("build")
    parser.add_argument("point", nargs="*", choices=[[], *(point.POINT for point in POINTS)])
    return parser.parse_args()


def who_takes_part(options):
    results = Results()
    build = str(pathlib.Path(options.build).resolve())
    with hosts() as (a, _):
        modes, why_not = contestants.modes(build, a)
    for mode, why in why_not.items():
        results.note(f"netflowd {mode} is left out: {why}")
    others = contestants.others()
    for name in (contestants.TCPDUMP, contestants.NETHOGS):
        if name not in others:
            results.note(f"{name} is left out: it is not installed")
    return Context(build, modes, others, options.rounds, options.full, results)


def run_points(context, chosen):
    for point in POINTS:
        if chosen and point.POINT not in chosen:
            continue
        begin = time.monotonic()
        point.run(context)
        print(f"\n== {point.TITLE}   [{point.POINT}, {time.monotonic() - begin:.0f} s]")
        print("\n".join(report.table(context.results, point.POINT, point.COLUMNS)), flush=True)


def conclude(context, seconds):
    found = goals.find(context.results, context.modes)
    who = [*context.modes, *context.others]
    about = this_machine.describe()
    print("\n== Goals")
    print("\n".join(f"{goal.name}: {goal.text()}" for goal in found))
    print("\n".join(["", *context.results.notes, f"{about}; {seconds / 60:.0f} minutes"]))
    print("\n== For the README\n\n" + "\n".join(report.overview(context.results, who, goals.OVERVIEW)), flush=True)
    path = pathlib.Path(context.build, "bench.json")
    path.write_text(json.dumps({"machine": about, "notes": context.results.notes, "seconds": seconds,
                                "figures": context.results.as_json(),
                                "goals": [goal.as_json() for goal in found]}, indent=1) + "\n", encoding="utf-8")
    print(f"\n{path} has all of it")


@contextlib.contextmanager
def in_front():
    """sched(7): where sessions are groups that have their share each, it is the group's nice value that counts."""
    group = pathlib.Path("/proc/self/autogroup")
    before = os.nice(0)
    os.nice(NICE)
    with contextlib.suppress(OSError):
        group.write_text(str(NICE), encoding="ascii")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            group.write_text(str(before), encoding="ascii")


def main():
    options = parse()
    if os.geteuid() != 0:
        sys.exit("bench.py needs root, for network namespaces")
    begin = time.monotonic()
    with in_front():
        context = who_takes_part(options)
        run_points(context, options.point)
    conclude(context, time.monotonic() - begin)


main()
