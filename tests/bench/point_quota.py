# SPDX-License-Identifier: MIT
"""7: with a tenth of a processor, how much is counted, and is what is lost known?"""

import cgroup
import contestants
import loads

POINT, TITLE = "quota", "100 k packets/s with 10 % of a processor"
LOAD, RATE, QUOTA, PACKET = "100 k packets/s", 100000, 10, 100
COLUMNS = [("counted", "bytes counted", "percent"), ("known", "counted or known to be lost", "percent"),
           ("used", "CPU of a core", "percent")]
SECONDS = 4
AFTER_SECONDS = 2.5


def told(running):
    """Bytes counted, and bytes counted or known to be dropped."""
    if running.name == contestants.NETHOGS:
        return sum(running.shares().values()), None
    counts = running.counts()
    if running.name == "bpf":  # which counts what others send, too
        row = running.daemon.row(running.sender)
        return row["total"]["out"] if row else 0, None
    return counts[0] * PACKET, sum(counts) * PACKET


def measure(context, host, starter):
    with cgroup.group("cpu") as limited:
        if not limited:
            context.results.note("under a quota nothing is measured: there is no cpu controller to be used")
            return
        limited.set_quota(QUOTA)
        with starter(context.build, host, groups=[limited]) as running:
            before = loads.packets(host)
            cpu = running.cpu()
            with contestants.ended(loads.flood(context.build, host, "socket", RATE * SECONDS, RATE)) as sender:
                sender.stdout.readline()
                used = (running.cpu() - cpu) / SECONDS
                loads.pause(AFTER_SECONDS)
                running.sender = sender.pid
                sent = (loads.packets(host) - before) * PACKET
                counted, known = told(running)
            context.results.add(POINT, LOAD, running.name, counted=min(1.0, counted / sent), used=used,
                                known=None if known is None else known / sent)


def run(context):
    with loads.pair() as (a, _):
        for starter, name, first in context.rounds():
            if first and name != contestants.NOBODY:
                measure(context, a, starter)
