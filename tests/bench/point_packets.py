# SPDX-License-Identifier: MIT
"""1: what a packet costs, in the contestant and in its sender."""

import contestants
import loads
import procfs

POINT, TITLE = "packets", "CPU seconds per million packets"
RATES = {"100 k packets/s": 100000, "300 k packets/s": 300000, "flat out": 0}
COLUMNS = [("cpu", "CPU s/M", "seconds"), ("laid", "laid on the sender", "seconds"), ("both", "both", "seconds"),
           ("rate", "packets/s", "count"), ("dropped", "dropped", "percent")]
WARM_SECONDS = 2.0  # what a process is looked at for when it begins is measured elsewhere
WINDOW_SECONDS = 1.0  # whole seconds: the same number of ticks in each
UNTIL_ENDED = 1 << 31


def dropped(before, after):
    """Of those that it was to see in between; None where it does not say."""
    if before is None:
        return None
    read, lost = after[0] - before[0], after[1] - before[1]
    return lost / (read + lost) if read + lost else 0.0


def run_load(build, host, running, load):
    counts = running.counts()
    with contestants.ended(loads.flood(build, host, "socket", UNTIL_ENDED, RATES[load])) as sender:
        loads.pause(WARM_SECONDS)
        sent, laid, cpu, seconds = loads.growth(
            WINDOW_SECONDS, lambda: loads.packets(host), lambda: procfs.cpu_seconds(sender.pid), running.cpu)
    return {"cpu": cpu / sent * 1e6, "sender": laid / sent * 1e6, "rate": sent / seconds,
            "dropped": dropped(counts, running.counts())}


def run(context):
    with loads.pair() as (a, _):
        for starter, name, first in context.rounds():
            with starter(context.build, a) as running:
                for load in RATES:
                    if first or name != contestants.NETHOGS:
                        context.results.add(POINT, load, name, **run_load(context.build, a, running, load))
    for load in RATES:
        laid_on_sender(context.results, load)


def laid_on_sender(results, load):
    """Round by round against nobody's, so that what else this machine does is in both."""
    rows = results.rows(POINT)
    alone = rows[load, contestants.NOBODY]["sender"]
    for (where, who), metrics in rows.items():
        if where != load or who == contestants.NOBODY:
            continue
        for cpu, sender, without in zip(metrics["cpu"].values, metrics["sender"].values, alone.values):
            results.add(POINT, load, who, laid=sender - without, both=cpu + sender - without)
