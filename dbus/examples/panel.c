/* SPDX-License-Identifier: MIT */
/* A small window that shows who uses the network now, and a graph of the last minute. With GTK 4 and GDBus;
 * take from it what you need.
 *
 *     gcc -Wall -Wextra panel.c -o netflow-panel $(pkg-config --cflags --libs gtk4)
 *
 * Running it once more hides the window, and shows it again: bind a key of your desktop to it. While nobody
 * can see the window it has no subscription and draws nothing. What it shows comes with the signals; it asks
 * only when it begins to show something, for what was before. */
#include <gtk/gtk.h>

#define BUS_NAME    "org.netflowd1"
#define OBJECT_PATH "/org/netflowd1"
#define INTERFACE   "org.netflowd1.Manager"

#define ROWS    5  /* of the list */
#define SECONDS 60 /* in the graph */
#define RECENT  3  /* seconds that RankChanged tells of */
#define TOP     10 /* processes that it lists */

#define IN_COLOUR  "#3584e4"
#define OUT_COLOUR "#e66100"

struct rates {
        guint64 in, out; /* bytes per second */
};

struct panel {
        GtkWindow *window;
        GtkWidget *graph;
        GtkLabel *sum, *peak, *rows[ROWS][3];

        GDBusConnection *bus;
        GCancellable *calls; /* those that wait for an answer; NULL: nobody sees the window */
        guint watch, subscription, timer;

        struct rates now;              /* what was told last; it holds until something else is told */
        struct rates history[SECONDS]; /* the second s, in UNIX time, at s % SECONDS */
        gint64 second;                 /* the last one in the history */
};

/* --- what the window shows
 * ------------------------------------------------------------------------------------ */

static gint64 current_second(void) {
        return g_get_real_time() / G_USEC_PER_SEC;
}

/* Brings the history up to this second. A clock that was put back a little waits. */
static void advance(struct panel *panel) {
        gint64 now = current_second();

        if (ABS(now - panel->second) > SECONDS) /* it was hidden for long, or the clock was set */
                panel->second = now - SECONDS;
        while (panel->second < now)
                panel->history[++panel->second % SECONDS] = panel->now;
}

static char *format_rate(guint64 rate) {
        g_autofree char *size = g_format_size(rate); /* writes out "bytes", which is too wide */

        return rate < 1000 ? g_strdup_printf("%" G_GUINT64_FORMAT " B/s", rate)
                           : g_strconcat(size, "/s", NULL);
}

static guint64 rate_at(const struct panel *panel, guint age, gboolean out) {
        const struct rates *rates = &panel->history[(panel->second - age) % SECONDS];

        return out ? rates->out : rates->in;
}

static guint64 peak_of(const struct panel *panel) {
        guint64 peak = 0;

        for (guint age = 0; age < SECONDS; age++)
                peak = MAX(peak, MAX(rate_at(panel, age, FALSE), rate_at(panel, age, TRUE)));
        return peak;
}

static void show_graph(struct panel *panel) {
        g_autofree char *peak = format_rate(peak_of(panel));
        g_autofree char *text = g_strdup_printf("peak %s", peak);

        gtk_label_set_text(panel->peak, text);
        gtk_widget_queue_draw(panel->graph);
}

/* Moves the graph on, for as long as there is something in it to be moved. */
static gboolean on_timer(gpointer userdata) {
        struct panel *panel = userdata;

        advance(panel);
        show_graph(panel);
        if (peak_of(panel) > 0)
                return G_SOURCE_CONTINUE;
        panel->timer = 0;
        return G_SOURCE_REMOVE;
}

static void redraw(struct panel *panel) {
        show_graph(panel);
        if (panel->timer == 0)
                panel->timer = g_timeout_add_seconds(1, on_timer, panel);
}

static void draw_line(const struct panel *panel, cairo_t *cairo, int width, int height, guint64 most,
                      gboolean out) {
        GdkRGBA colour;

        gdk_rgba_parse(&colour, out ? OUT_COLOUR : IN_COLOUR);
        for (guint age = 0; age < SECONDS; age++)
                cairo_line_to(cairo, width - (double) age * width / (SECONDS - 1),
                              height - 1 - (double) rate_at(panel, age, out) / (double) most * (height - 4));
        gdk_cairo_set_source_rgba(cairo, &colour);
        cairo_set_line_width(cairo, 2);
        cairo_stroke_preserve(cairo);
        cairo_line_to(cairo, 0, height);
        cairo_line_to(cairo, width, height);
        colour.alpha = 0.2f;
        gdk_cairo_set_source_rgba(cairo, &colour);
        cairo_fill(cairo);
}

static void on_draw(GtkDrawingArea *area, cairo_t *cairo, int width, int height, gpointer userdata) {
        struct panel *panel = userdata;
        guint64 most = MAX(peak_of(panel), 1000); /* what is less than 1 kB/s looks like little */

        (void) area;
        draw_line(panel, cairo, width, height, most, TRUE);
        draw_line(panel, cairo, width, height, most, FALSE);
}

/* A process calls itself what it likes: what would break the line or turn its direction is shown as an
 * escape. */
static char *escape_name(const char *name) {
        GString *text = g_string_new(NULL);

        for (; *name; name = g_utf8_next_char(name)) {
                gunichar character = g_utf8_get_char(name);

                if (g_unichar_isprint(character) && g_unichar_type(character) != G_UNICODE_LINE_SEPARATOR &&
                    g_unichar_type(character) != G_UNICODE_PARAGRAPH_SEPARATOR)
                        g_string_append_unichar(text, character);
                else
                        g_string_append_printf(text, "\\u%04x", character);
        }
        return g_string_free(text, FALSE);
}

/* --- what netflowd tells
 * -------------------------------------------------------------------------------------- */

/* Any key may be missing: what is not known is left out. */
static guint64 number_of(GVariant *dictionary, const char *key) {
        guint64 number = 0;

        if (dictionary)
                g_variant_lookup(dictionary, key, "t", &number);
        return number;
}

static struct rates rates_of(GVariant *process) {
        g_autoptr(GVariant) stats = g_variant_lookup_value(process, "traffic_stats", G_VARIANT_TYPE_VARDICT);

        return (struct rates){.in = number_of(stats, "in_rate"), .out = number_of(stats, "out_rate")};
}

static char *title_of(GVariant *process) {
        const char *name = NULL;
        guint32 processes = 0;
        g_autofree char *escaped = NULL;

        g_variant_lookup(process, "name", "&s", &name);
        escaped = escape_name(name ? name : "?");
        /* several that have exited are one row */
        if (!g_variant_lookup(process, "processes", "u", &processes))
                return g_steal_pointer(&escaped);
        return g_strdup_printf("%s (×%u)", escaped, processes);
}

static void set_row(struct panel *panel, guint i, const char *title, const struct rates *rates) {
        g_autofree char *in = rates ? format_rate(rates->in) : NULL,
                        *out = rates ? format_rate(rates->out) : NULL;

        /* as text: with markup, names would have to be escaped for that, too */
        gtk_label_set_text(panel->rows[i][0], title);
        gtk_label_set_text(panel->rows[i][1], in ? in : "");
        gtk_label_set_text(panel->rows[i][2], out ? out : "");
}

/* The sum, also in the title, where the desktop shows it as the name of the window. */
static void set_sum(struct panel *panel, const char *top) {
        g_autofree char *in = format_rate(panel->now.in), *out = format_rate(panel->now.out);
        g_autofree char *sum = g_strdup_printf("↓ %s  ↑ %s", in, out);
        g_autofree char *title = top ? g_strdup_printf("%s – %s", sum, top) : NULL;

        gtk_label_set_text(panel->sum, sum);
        gtk_window_set_title(panel->window, title ? title : sum);
}

static void show_rank(struct panel *panel, GVariant *processes) {
        g_autofree char *top = NULL;
        GVariantIter iter;
        GVariant *process;
        guint n = 0;

        advance(panel);
        panel->now = (struct rates){};
        g_variant_iter_init(&iter, processes);
        while ((process = g_variant_iter_next_value(&iter))) {
                struct rates rates = rates_of(process);
                g_autofree char *title = title_of(process);

                panel->now.in += rates.in;
                panel->now.out += rates.out;
                /* at the end of the rank are those that had traffic once */
                if (n < ROWS && (rates.in > 0 || rates.out > 0))
                        set_row(panel, n++, title, &rates);
                if (n == 1 && !top)
                        top = g_steal_pointer(&title);
                g_variant_unref(process);
        }
        while (n < ROWS)
                set_row(panel, n++, "", NULL);
        panel->history[panel->second % SECONDS] = panel->now;
        set_sum(panel, top);
        redraw(panel);
}

static void show_nothing(struct panel *panel, const char *why) {
        for (guint i = 0; i < ROWS; i++)
                set_row(panel, i, "", NULL);
        advance(panel);
        panel->now = (struct rates){};
        gtk_label_set_text(panel->sum, why);
        gtk_window_set_title(panel->window, why);
}

/* The rings of the processes are the graph as it would have been, had the window been there. */
static void show_history(struct panel *panel, GVariant *processes) {
        GVariantIter iter;
        GVariant *process;
        gint64 second;
        guint64 in, out;

        advance(panel);
        memset(panel->history, 0, sizeof(panel->history));
        g_variant_iter_init(&iter, processes);
        while ((process = g_variant_iter_next_value(&iter))) {
                g_autoptr(GVariantIter) ring = NULL;

                g_variant_lookup(process, "ring", "a(xtt)", &ring);
                while (ring && g_variant_iter_next(ring, "(xtt)", &second, &in, &out))
                        if (second > panel->second - SECONDS && second <= panel->second) {
                                panel->history[second % SECONDS].in += in;
                                panel->history[second % SECONDS].out += out;
                        }
                g_variant_unref(process);
        }
        redraw(panel);
}

/* --- the bus
 * -------------------------------------------------------------------------------------------------- */

static void on_rank_changed(GDBusConnection *bus, const char *sender, const char *path,
                            const char *interface, const char *signal, GVariant *parameters,
                            gpointer userdata) {
        g_autoptr(GVariant) processes = NULL;

        (void) bus, (void) sender, (void) path, (void) interface, (void) signal;
        if (!g_variant_is_of_type(parameters, G_VARIANT_TYPE("(uaa{sv})")))
                return;
        processes = g_variant_get_child_value(parameters, 1);
        show_rank(userdata, processes);
}

/* The processes of an answer; NULL where there is none, or where nobody wants it any more. */
static GVariant *finish(GObject *bus, GAsyncResult *result) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(bus), result, &error);

        if (reply)
                return g_variant_get_child_value(reply, 0);
        if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
                g_warning("netflowd does not answer: %s", error->message);
        return NULL;
}

static void on_rank(GObject *bus, GAsyncResult *result, gpointer userdata) {
        g_autoptr(GVariant) processes = finish(bus, result);

        if (processes)
                show_rank(userdata, processes);
}

static void on_history(GObject *bus, GAsyncResult *result, gpointer userdata) {
        g_autoptr(GVariant) processes = finish(bus, result);

        if (processes)
                show_history(userdata, processes);
}

/* Does not start a netflowd: whether there is one is the administrator's decision. */
static void ask(struct panel *panel, guint32 recent, GAsyncReadyCallback answer) {
        g_dbus_connection_call(panel->bus, BUS_NAME, OBJECT_PATH, INTERFACE, "GetProcessRank",
                               g_variant_new("(uu)", TOP, recent), G_VARIANT_TYPE("(aa{sv})"),
                               G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, panel->calls, answer, panel);
}

/* netflowd is there, or there again. The rank may not change for long: what it is now has to be asked for.
 */
static void on_appeared(GDBusConnection *bus, const char *name, const char *owner, gpointer userdata) {
        (void) bus, (void) name, (void) owner;
        ask(userdata, SECONDS, on_history);
        ask(userdata, RECENT, on_rank);
}

static void on_vanished(GDBusConnection *bus, const char *name, gpointer userdata) {
        (void) bus, (void) name;
        show_nothing(userdata, "netflowd is not running");
}

/* The subscription is to a name, and holds for whoever has it next. */
static void begin(struct panel *panel) {
        panel->calls = g_cancellable_new();
        panel->subscription = g_dbus_connection_signal_subscribe(
                panel->bus, BUS_NAME, INTERFACE, "RankChanged", OBJECT_PATH, NULL, G_DBUS_SIGNAL_FLAGS_NONE,
                on_rank_changed, panel, NULL);
        panel->watch = g_bus_watch_name_on_connection(panel->bus, BUS_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                                      on_appeared, on_vanished, panel, NULL);
}

static void end(struct panel *panel) {
        g_bus_unwatch_name(panel->watch);
        g_dbus_connection_signal_unsubscribe(panel->bus, panel->subscription);
        g_cancellable_cancel(panel->calls);
        g_clear_object(&panel->calls);
        g_clear_handle_id(&panel->timer, g_source_remove);
}

/* --- the window
 * ----------------------------------------------------------------------------------------------- */

static gboolean is_seen(const struct panel *panel) {
        GdkSurface *surface = gtk_native_get_surface(GTK_NATIVE(panel->window));
        GdkToplevelState hidden = GDK_TOPLEVEL_STATE_MINIMIZED;

#if GTK_CHECK_VERSION(4, 12, 0)
        hidden |= GDK_TOPLEVEL_STATE_SUSPENDED; /* on another workspace, the screen locked, … */
#endif
        return surface && gtk_widget_get_mapped(GTK_WIDGET(panel->window)) &&
               !(gdk_toplevel_get_state(GDK_TOPLEVEL(surface)) & hidden);
}

static void on_seen_changed(struct panel *panel) {
        if (is_seen(panel) && !panel->calls)
                begin(panel);
        else if (!is_seen(panel) && panel->calls)
                end(panel);
}

static void on_realize(GtkWidget *window, struct panel *panel) {
        g_signal_connect_swapped(gtk_native_get_surface(GTK_NATIVE(window)), "notify::state",
                                 G_CALLBACK(on_seen_changed), panel);
}

static GtkLabel *add_label(GtkGrid *grid, int column, int row, const char *text) {
        GtkWidget *label = gtk_label_new(text);

        gtk_label_set_xalign(GTK_LABEL(label), column == 0 ? 0 : 1);
        gtk_label_set_width_chars(GTK_LABEL(label), column == 0 ? 16 : 9);
        gtk_label_set_max_width_chars(GTK_LABEL(label), column == 0 ? 16 : 9);
        gtk_label_set_ellipsize(GTK_LABEL(label), PANGO_ELLIPSIZE_END);
        gtk_widget_set_hexpand(label, column == 0);
        gtk_grid_attach(grid, label, column, row, 1, 1);
        return GTK_LABEL(label);
}

static GtkWidget *new_grid(struct panel *panel) {
        GtkWidget *grid = gtk_grid_new();

        gtk_grid_set_column_spacing(GTK_GRID(grid), 12);
        panel->peak = add_label(GTK_GRID(grid), 0, 0, "");
        gtk_widget_add_css_class(GTK_WIDGET(panel->peak), "dim-label");
        gtk_label_set_markup(add_label(GTK_GRID(grid), 1, 0, ""), "<span color='" IN_COLOUR "'>in</span>");
        gtk_label_set_markup(add_label(GTK_GRID(grid), 2, 0, ""), "<span color='" OUT_COLOUR "'>out</span>");
        for (int row = 0; row < ROWS; row++)
                for (int column = 0; column < 3; column++)
                        panel->rows[row][column] = add_label(GTK_GRID(grid), column, row + 1, "");
        return grid;
}

static void fill_window(struct panel *panel) {
        GtkWidget *box = gtk_box_new(GTK_ORIENTATION_VERTICAL, 6);
        GtkWidget *sum = gtk_label_new("");

        panel->sum = GTK_LABEL(sum);
        panel->graph = gtk_drawing_area_new();
        gtk_drawing_area_set_content_height(GTK_DRAWING_AREA(panel->graph), 80);
        gtk_drawing_area_set_draw_func(GTK_DRAWING_AREA(panel->graph), on_draw, panel, NULL);
        gtk_box_append(GTK_BOX(box), panel->graph);
        gtk_box_append(GTK_BOX(box), sum);
        gtk_box_append(GTK_BOX(box), new_grid(panel));
        gtk_widget_set_margin_start(box, 8);
        gtk_widget_set_margin_end(box, 8);
        gtk_widget_set_margin_bottom(box, 8);
        gtk_window_set_child(panel->window, box);
}

static void new_window(struct panel *panel, GtkApplication *application) {
        panel->window = GTK_WINDOW(gtk_application_window_new(application));
        gtk_window_set_default_size(panel->window, 340, -1);
        fill_window(panel);
        g_signal_connect(panel->window, "realize", G_CALLBACK(on_realize), panel);
        g_signal_connect_swapped(panel->window, "map", G_CALLBACK(on_seen_changed), panel);
        g_signal_connect_swapped(panel->window, "unmap", G_CALLBACK(on_seen_changed), panel);
        gtk_window_present(panel->window);
}

/* The first time, and whenever it is run once more. */
static void on_activate(GtkApplication *application, gpointer userdata) {
        struct panel *panel = userdata;

        if (!panel->window)
                new_window(panel, application);
        else if (gtk_widget_get_visible(GTK_WIDGET(panel->window)))
                gtk_widget_set_visible(GTK_WIDGET(panel->window), FALSE);
        else
                gtk_window_present(panel->window);
}

int main(int argc, char **argv) {
        g_autoptr(GtkApplication) application =
                gtk_application_new("org.netflowd1.Panel", G_APPLICATION_DEFAULT_FLAGS);
        g_autoptr(GError) error = NULL;
        struct panel panel = {.second = current_second()};
        int status;

        panel.bus = g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, &error);
        if (!panel.bus) {
                g_printerr("%s: no system bus: %s\n", argv[0], error->message);
                return 1;
        }
        g_signal_connect(application, "activate", G_CALLBACK(on_activate), &panel);
        status = g_application_run(G_APPLICATION(application), argc, argv);
        g_object_unref(panel.bus);
        return status;
}
