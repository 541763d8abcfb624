# SPDX-License-Identifier: MIT
"""What was measured: values by point, load and who, medians and spread, and goals that are held to them."""

import dataclasses
import statistics


class Figure:
    """One quantity, measured once a round."""

    def __init__(self, values=()):
        self.values = list(values)

    @property
    def median(self):
        return statistics.median(self.values)

    def as_json(self):
        return {"median": self.median, "min": min(self.values), "max": max(self.values), "values": self.values}

    def text(self, form):
        """The median and, in brackets, what lies farthest from it to either side."""
        if len(self.values) == 1:
            return form(self.median)
        return f"{form(self.median)} ({form(min(self.values))}–{form(max(self.values))})"


class Results:
    """Figures in the order in which they came first."""

    def __init__(self):
        self.figures = {}  # (point, load, who, metric): Figure
        self.notes = []

    def add(self, point, load, who, **metrics):
        for metric, value in metrics.items():
            if value is not None:
                self.figures.setdefault((point, load, who, metric), Figure()).values.append(value)

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)

    def get(self, point, load, who, metric):
        """Its median; None where it was not measured."""
        figure = self.figures.get((point, load, who, metric))
        return figure and figure.median

    def rows(self, point):
        """{(load, who): {metric: Figure}}"""
        rows = {}
        for (where, load, who, metric), figure in self.figures.items():
            if where == point:
                rows.setdefault((load, who), {})[metric] = figure
        return rows

    def loads(self, point):
        return list(dict.fromkeys(load for load, _ in self.rows(point)))

    def as_json(self):
        return [{"point": point, "load": load, "who": who, "metric": metric, **figure.as_json()}
                for (point, load, who, metric), figure in self.figures.items()]


@dataclasses.dataclass
class Goal:
    """At most `limit`, or at least where `least` is set."""
    name: str
    value: float
    limit: float
    unit: str = ""
    least: bool = False

    @property
    def met(self):
        return self.value >= self.limit if self.least else self.value <= self.limit

    def text(self):
        sign = "≥" if self.least else "≤"
        return f"{self.value:.4g}{self.unit} {sign} {self.limit:.4g}{self.unit}: {'met' if self.met else 'MISSED'}"

    def as_json(self):
        return {**dataclasses.asdict(self), "met": self.met}


def ratio(of, to):
    """None where one of them is not known or there is nothing to compare with."""
    return of / to if of is not None and to else None
