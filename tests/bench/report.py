# SPDX-License-Identifier: MIT
"""Tables, for people and as Markdown."""

import contestants


def seconds(value):
    return f"{value:.4f}" if abs(value) < 1 else f"{value:.2f}"


def percent(value):
    """Of a share: as many digits as tell 99.99 from 100."""
    text = f"{100 * value:.2f} %" if abs(value) < 0.1 or 0.99 < value < 1 else f"{100 * value:.1f} %"
    return "100 %" if value == 1 else "0 %" if value == 0 else text


def count(value):
    for limit, unit in ((1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            return f"{value / limit * (1 if unit == 'M' else 10):.3g} {unit}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def megabytes(value):
    return f"{value / 1e6:.1f} MB"


def milliseconds(value):
    return f"{value * 1e3:.2f} ms"


def gigabits(value):
    return f"{value / 1e9:.2f} Gbit/s"


FORMS = {function.__name__: function for function in (seconds, percent, count, megabytes, milliseconds, gigabits)}


def lines_of(titles, rows):
    """Columns as wide as they need to be; numbers to the right."""
    widths = [max(len(row[i]) for row in [titles, *rows]) for i in range(len(titles))]
    for row in [titles, *rows]:
        yield "  ".join(cell.ljust(width) if i < 2 else cell.rjust(width)
                        for i, (cell, width) in enumerate(zip(row, widths))).rstrip()


def table(results, point, columns):
    """One row for each load and contestant, the loads together."""
    rows = results.rows(point)
    used = [column for column in columns if any(column[0] in metrics for metrics in rows.values())]
    body = []
    for load in results.loads(point):
        for (where, who), metrics in rows.items():
            if where == load:
                body.append([load, who] + [metrics[key].text(FORMS[form]) if key in metrics else "–"
                                           for key, _, form in used])
    return list(lines_of(["load", "who"] + [title for _, title, _ in used], body))


def markdown(titles, rows):
    yield "| " + " | ".join(titles) + " |"
    yield "|---|" + "---:|" * (len(titles) - 1)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def overview(results, who, lines):
    """Medians: a line for each figure, a column for each of those who were measured."""
    body = []
    for title, point, load, metric, form in lines:
        cells = [results.get(point, load, name, metric) for name in who]
        if any(cell is not None for cell in cells):
            body.append([title] + ["–" if cell is None else FORMS[form](cell) for cell in cells])
    names = {contestants.TCPDUMP: "`tcpdump -w /dev/null`", "pcap+bpf": "pcap, owners bpf"}
    return list(markdown([""] + [names.get(name, name) for name in who], body))
