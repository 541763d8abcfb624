# SPDX-License-Identifier: MIT
"""6: how long the rank takes to be told, and what those cost who listen to its changes."""

import contextlib
import select
import statistics
import threading
import time

import contestants
import loads
from bus_client import Client, Repeater

POINT, TITLE = "query", "GetProcessRank, asked in one connection"
PROCESSES = {"10 processes": 10, "1 k processes": 1000, "10 k processes": 10000}
COLUMNS = [("top", "10 rows", "milliseconds"), ("top_cpu", "CPU of it", "milliseconds"),
           ("all", "all rows", "milliseconds"), ("all_cpu", "CPU of it", "milliseconds"),
           ("bus", "the bus alone", "milliseconds"), ("bytes", "length", "megabytes"),
           ("rate", "10 rows: answers/s", "count"), ("cpu", "CPU of a core", "percent"),
           ("subscribed_cpu", "… with 100 subscribers", "percent"), ("signals", "RankChanged/s to all", "count")]
TOP, ALL = 10, 0  # limits; 0 is none
RECENT = 5
CALLS, MORE_CALLS = 15, 200
AT_ONCE = 8  # calls without an answer: more than a caller may have is refused
SUBSCRIBERS = 100
SECONDS = 2.0


def answer_rate(client):
    """Calls sent before the first answer is read: what the daemon can do, not how long a way is."""
    begin = time.perf_counter()
    for number in range(MORE_CALLS + AT_ONCE):
        if number < MORE_CALLS:
            client.ask_rank(TOP, RECENT)
        if number >= AT_ONCE:
            client.answer()
    return MORE_CALLS / (time.perf_counter() - begin)


def time_bus(address, client, body):
    """Seconds for the same answer of somebody who has it ready."""
    with contextlib.closing(Repeater(address, client, "aa{sv}", body)) as repeater:
        thread = threading.Thread(target=repeater.repeat, args=(CALLS,))
        thread.start()
        try:
            return statistics.median(client.time_rank(ALL, RECENT, repeater.name) for _ in range(CALLS))
        finally:
            repeater.end()
            thread.join()


class Busy:
    """So many processes that send a packet each second."""

    def __init__(self, process):
        self.process = process

    def turn(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"


@contextlib.contextmanager
def busy(build, host, number):
    with contestants.ended(loads.flood(build, host, "alive", number)) as process:
        assert process.stdout.readline() == "done\n"
        yield Busy(process)


def watch(running, processes, subscribers):
    """CPU of a core and signals a second, with these subscribers, while the rank changes."""
    poll, heard = select.poll(), 0
    for one in subscribers:
        poll.register(one.socket, select.POLLIN)
    before, begin, turn = running.cpu(), time.monotonic(), 0
    while time.monotonic() - begin < SECONDS:
        if time.monotonic() - begin >= turn:
            processes.turn()
            turn += 1
        if not subscribers:
            loads.pause(0.1)
        for fd, _ in poll.poll(100) if subscribers else ():
            one = next(one for one in subscribers if one.socket.fileno() == fd)
            heard += one.socket.recv(1 << 20).count(b"RankChanged")
    return (running.cpu() - before) / SECONDS, heard / SECONDS


def measure(context, host, load, starter, number):
    with starter(context.build, host) as running, busy(context.build, host, number) as processes, \
            contextlib.closing(Client(running.daemon.address)) as client:
        loads.pause(1.2)  # a tick: they are in the rank
        processes.turn()
        loads.pause(1.2)
        client.ask_rank(ALL, RECENT)
        body = client.whole_answer()
        figures = {"bus": time_bus(running.daemon.address, client, body)}
        for name, limit in (("top", TOP), ("all", ALL)):
            before = running.cpu()
            figures[name] = statistics.median(client.time_rank(limit, RECENT) for _ in range(CALLS))
            figures[f"{name}_cpu"] = (running.cpu() - before) / CALLS
        figures["cpu"], _ = watch(running, processes, [])
        with contextlib.ExitStack() as stack:
            subscribers = [stack.enter_context(contextlib.closing(Client(running.daemon.address)))
                           for _ in range(SUBSCRIBERS)]
            for one in subscribers:
                one.subscribe()
            figures["subscribed_cpu"], figures["signals"] = watch(running, processes, subscribers)
        context.results.add(POINT, load, running.name, bytes=len(body), rate=answer_rate(client), **figures)


def run(context):
    with loads.pair() as (a, _):
        for load, number in PROCESSES.items():
            for starter in context.modes.values():
                measure(context, a, load, starter, number)
