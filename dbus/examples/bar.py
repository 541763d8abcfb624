#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The three processes that use the network most, for i3bar and swaybar, in Python with GLib; take from it what you
need. In the configuration of i3 or sway:

    bar { status_command python3 bar.py }

While the bar is hidden it has no subscription and prints nothing: the bar tells that by the signals that the first line
asks for. What it shows comes with the signals of netflowd; it asks only when it begins to show something."""

import json
import signal
import sys

from gi.repository import Gio, GLib

BUS_NAME, OBJECT_PATH, INTERFACE = "org.netflowd1", "/org/netflowd1", "org.netflowd1.Manager"
RECENT = 3  # seconds that RankChanged tells of
ROWS = 3


def escape_name(name):
    """A process calls itself what it likes: what would break the line or turn its direction is shown as an escape."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in name)


def read_process(process):
    """Title and rates. Any key may be missing: what is not known is left out."""
    stats = process.get("traffic_stats", {})
    title = escape_name(process.get("name", "?"))
    if "processes" in process:  # several that have exited are one row
        title += f" (×{process['processes']})"
    return title, stats.get("in_rate", 0), stats.get("out_rate", 0)


class Rank:
    """Calls changed() with (title, in, out) of those that use the network now, the most first; with None where netflowd
    is not running."""

    def __init__(self, changed):
        self.changed = changed
        self.bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
        self.subscription = self.watch = self.calls = None

    def begin(self):
        """Follows the rank. The subscription is to a name, and holds for whoever has it next."""
        if self.calls:
            return
        self.calls = Gio.Cancellable()
        self.subscription = self.bus.signal_subscribe(BUS_NAME, INTERFACE, "RankChanged", OBJECT_PATH, None,
                                                      Gio.DBusSignalFlags.NONE, self.on_rank_changed)
        self.watch = Gio.bus_watch_name_on_connection(self.bus, BUS_NAME, Gio.BusNameWatcherFlags.NONE,
                                                      self.on_appeared, self.on_vanished)

    def end(self):
        if not self.calls:
            return
        Gio.bus_unwatch_name(self.watch)
        self.bus.signal_unsubscribe(self.subscription)
        self.calls.cancel()
        self.calls = None

    def on_appeared(self, *_):
        """netflowd is there, or there again. The rank may not change for long: what it is now has to be asked for. That
        does not start a netflowd: whether there is one is the administrator's decision."""
        self.bus.call(BUS_NAME, OBJECT_PATH, INTERFACE, "GetProcessRank", GLib.Variant("(uu)", (ROWS, RECENT)),
                      GLib.VariantType("(aa{sv})"), Gio.DBusCallFlags.NO_AUTO_START, -1, self.calls, self.on_rank)

    def on_vanished(self, *_):
        self.changed(None)

    def on_rank(self, bus, result):
        try:
            self.tell(bus.call_finish(result).unpack()[0])
        except GLib.Error as error:
            if not error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED):
                print(f"netflowd does not answer: {error.message}", file=sys.stderr)

    def on_rank_changed(self, bus, sender, path, interface, member, parameters):
        self.tell(parameters.unpack()[1])

    def tell(self, processes):
        """At the end of the rank are those that had traffic once."""
        self.changed([process for process in map(read_process, processes) if process[1] or process[2]])


def format_rate(rate):
    return f"{rate} B/s" if rate < 1000 else GLib.format_size(rate) + "/s"


def print_line(processes):
    """A block each; the protocol of the bar is an endless array. JSON escapes the rest of a name, and without
    "markup" it is text."""
    if processes is None:
        blocks = [{"full_text": "netflowd is not running", "color": "#888888"}]
    else:
        blocks = [{"full_text": f"{title} ↓{format_rate(rate_in)} ↑{format_rate(rate_out)}", "short_text": title}
                  for title, rate_in, rate_out in processes[:ROWS]]
    print(json.dumps(blocks) + ",", flush=True)


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # without a bar there is nothing to do
    rank = Rank(print_line)
    for number, act in ((signal.SIGUSR1, rank.end), (signal.SIGUSR2, rank.begin)):
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, number, lambda act=act: act() or GLib.SOURCE_CONTINUE)
    print(json.dumps({"version": 1, "stop_signal": signal.SIGUSR1, "cont_signal": signal.SIGUSR2}) + "\n[", flush=True)
    rank.begin()
    GLib.MainLoop().run()


main()
