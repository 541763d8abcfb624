#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Holds what the bench makes of text and numbers to examples. Measures nothing. usage: check.py"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))

# pylint: disable=wrong-import-position
import contestants
import goals
import procfs
import report
from figures import Figure, Goal, Results, ratio

STATUS = "Name:\tx\nVmHWM:\t    1234 kB\nvoluntary_ctxt_switches:\t56\nnonvoluntary_ctxt_switches:\t7\n"
NETHOGS = """Refreshing:
a/1/0\t100\t20
x y/22/1000\t1e+06\t2
unknown TCP/0/0\t5\t5

Refreshing:
a/1/0\t300\t40
"""


def same(got, wanted):
    if got != wanted:
        sys.exit(f"check.py: {got!r}, but it should be {wanted!r}")


def check_parsers():
    same(procfs.schedstat_seconds("2500000000 1 2\n"), 2.5)
    same(procfs.status_number(STATUS, "VmHWM"), 1234)
    same(procfs.status_number(STATUS, "voluntary_ctxt_switches"), 56)
    same(contestants.nethogs_totals(NETHOGS), {1: 340, 22: 1000002})


def check_figures():
    same(Figure([3, 1, 2]).median, 2)
    same(Figure([0.5]).text(report.percent), "50.0 %")
    same(Figure([0.1, 0.3, 0.2]).text(report.percent), "20.0 % (10.0 %–30.0 %)")
    same([report.count(value) for value in (7, 1234, 100000, 1270000)], ["7", "1234", "100 k", "1.27 M"])
    same([report.percent(value) for value in (1, 0, 0.9999, 0.005)], ["100 %", "0 %", "99.99 %", "0.50 %"])
    same(ratio(1, 0), None)
    same([Goal("", 1, 1).met, Goal("", 1.1, 1).met, Goal("", 0.9, 1, least=True).met], [True, False, False])


def check_goals():
    results = Results()
    for who, cpu in (("bare loop", 0.04), ("pcap", 0.02), ("bpf", 0.004)):
        results.add("packets", goals.RATES[0], who, cpu=cpu, both=cpu)
    found = goals.find(results, ["bpf", "pcap"])
    same([(goal.name.partition(",")[0], round(goal.value, 3), goal.met) for goal in found],
         [("pcap / bare loop", 0.5, True), ("bpf / bare loop", 0.1, False), ("bpf / pcap", 0.2, True)])
    same(report.overview(results, ["bpf", "nethogs"], goals.OVERVIEW[:1]),
         ["|  | bpf | nethogs |", "|---|---:|---:|", f"| {goals.OVERVIEW[0][0]} | 0.0040 | – |"])


check_parsers()
check_figures()
check_goals()
