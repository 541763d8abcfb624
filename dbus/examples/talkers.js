#!/usr/bin/gjs -m
// SPDX-License-Identifier: MIT
// A window that lists who uses the network now, in GJS with GTK 4; take from it what you need.
//
//     gjs -m talkers.js
//
// `Talkers` knows nothing of windows: in an extension of GNOME Shell, call its begin() where the menu opens and its
// end() where it closes, and in disable(). While nobody can see this window it has no subscription. What it shows
// comes with the signals; it asks only when it begins to show something. Running it once more hides the window, and
// shows it again.
import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import Gdk from 'gi://Gdk?version=4.0';
import Gtk from 'gi://Gtk?version=4.0';
import Pango from 'gi://Pango';

const BUS_NAME = 'org.netflowd1';
const OBJECT_PATH = '/org/netflowd1';
const INTERFACE = 'org.netflowd1.Manager';
const RECENT = 3; // seconds that RankChanged tells of
const ROWS = 5;

// A process calls itself what it likes: what would break the line or turn its direction is shown as an escape.
function escapeName(name) {
    return name.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, c => `\\u${c.codePointAt(0).toString(16).padStart(4, '0')}`);
}

// Any key may be missing: what is not known is left out.
function readProcess(process) {
    const {name = '?', processes, traffic_stats: {in_rate: rateIn = 0, out_rate: rateOut = 0} = {}} = process;
    const title = escapeName(name);

    // several that have exited are one row
    return {title: processes === undefined ? title : `${title} (×${processes})`, in: rateIn, out: rateOut};
}

function formatRate(rate) {
    return rate < 1000 ? `${rate} B/s` : `${GLib.format_size(rate)}/s`;
}

class Talkers {
    #bus = Gio.bus_get_sync(Gio.BusType.SYSTEM, null);
    #subscription = 0;
    #watch = 0;
    #calls = null;
    #changed;

    // changed() is given those that use the network now, the most first; null: netflowd is not running.
    constructor(changed) {
        this.#changed = changed;
    }

    // Follows the rank, until end(). The subscription is to a name, and holds for whoever has it next.
    begin() {
        if (this.#calls)
            return;
        this.#calls = new Gio.Cancellable();
        this.#subscription = this.#bus.signal_subscribe(BUS_NAME, INTERFACE, 'RankChanged', OBJECT_PATH, null,
            Gio.DBusSignalFlags.NONE, (bus, sender, path, iface, signal, parameters) => {
                const [, processes] = parameters.recursiveUnpack();
                this.#tell(processes);
            });
        this.#watch = Gio.bus_watch_name_on_connection(this.#bus, BUS_NAME, Gio.BusNameWatcherFlags.NONE,
            () => this.#ask(), () => this.#changed(null));
    }

    end() {
        if (!this.#calls)
            return;
        Gio.bus_unwatch_name(this.#watch);
        this.#bus.signal_unsubscribe(this.#subscription);
        this.#calls.cancel();
        this.#calls = null;
    }

    // netflowd is there, or there again. The rank may not change for long: what it is now has to be asked for. That
    // does not start a netflowd: whether there is one is the administrator's decision.
    #ask() {
        this.#bus.call(BUS_NAME, OBJECT_PATH, INTERFACE, 'GetProcessRank', new GLib.Variant('(uu)', [ROWS, RECENT]),
            new GLib.VariantType('(aa{sv})'), Gio.DBusCallFlags.NO_AUTO_START, -1, this.#calls, (bus, result) => {
                try {
                    this.#tell(bus.call_finish(result).recursiveUnpack()[0]);
                } catch (error) {
                    if (!error.matches?.(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED))
                        logError(error, 'netflowd does not answer');
                }
            });
    }

    // At the end of the rank are those that had traffic once.
    #tell(processes) {
        this.#changed(processes.map(readProcess).filter(process => process.in > 0 || process.out > 0));
    }
}

class TalkersWindow {
    #window;
    #rows = [];
    #talkers = new Talkers(processes => this.#show(processes));

    constructor(application) {
        const grid = new Gtk.Grid({column_spacing: 12,
            margin_top: 8, margin_bottom: 8, margin_start: 8, margin_end: 8});

        for (let row = 0; row < ROWS; row++)
            this.#rows.push([0, 1, 2].map(column => this.#newLabel(grid, column, row)));
        this.#window = new Gtk.ApplicationWindow({application, child: grid, default_width: 340});
        for (const signal of ['map', 'unmap'])
            this.#window.connect(signal, () => this.#follow());
        this.#window.connect('realize', () =>
            this.#window.get_surface().connect('notify::state', () => this.#follow()));
        this.#window.present();
    }

    toggle() {
        if (this.#window.visible)
            this.#window.hide();
        else
            this.#window.present();
    }

    #newLabel(grid, column, row) {
        const width = column === 0 ? 16 : 12;
        const label = new Gtk.Label({xalign: column === 0 ? 0 : 1, width_chars: width, max_width_chars: width,
            hexpand: column === 0, ellipsize: Pango.EllipsizeMode.END});

        grid.attach(label, column, row, 1, 1);
        return label;
    }

    // Follows the rank while somebody can see that. From GTK 4.12 on, SUSPENDED also says: on another workspace.
    #follow() {
        const hidden = Gdk.ToplevelState.MINIMIZED | (Gdk.ToplevelState.SUSPENDED ?? 0);

        if (this.#window.get_mapped() && !(this.#window.get_surface().state & hidden))
            this.#talkers.begin();
        else
            this.#talkers.end();
    }

    // As text: with markup, names would have to be escaped for that, too.
    #show(processes) {
        const [top] = processes ?? [];

        this.#rows.forEach((labels, i) => {
            const process = processes?.[i];
            const texts = !process ? []
                : [process.title, `↓ ${formatRate(process.in)}`, `↑ ${formatRate(process.out)}`];

            labels.forEach((label, column) => label.set_text(texts[column] ?? ''));
        });
        if (!processes)
            this.#rows[0][0].set_text('netflowd is not running');
        this.#window.title = top?.title ?? (processes ? 'No traffic' : 'netflowd is not running');
    }
}

const application = new Gtk.Application({application_id: 'org.netflowd1.Talkers'});
let window = null;

// The first time, and whenever it is run once more.
application.connect('activate', () => {
    if (window)
        window.toggle();
    else
        window = new TalkersWindow(application);
});
application.run([]);
