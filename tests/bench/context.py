# SPDX-License-Identifier: MIT
"""What each point is given: the build, who takes part, how often, and where figures go."""

import dataclasses

import contestants
from figures import Results


@dataclasses.dataclass
class Context:
    build: str
    modes: dict  # name: starter
    others: dict
    n_rounds: int
    full: bool
    results: Results

    def rounds(self):
        """(starter, name, is it the first round), alternating; nobody first. The slowest peer, whose figures are far from
        all others, takes part once."""
        everybody = {contestants.NOBODY: contestants.nobody, contestants.LOOP: self.others[contestants.LOOP],
                     **self.modes, **self.others}
        for number in range(self.n_rounds):
            names = list(everybody)
            for name in names[number % len(names):] + names[:number % len(names)]:
                if number == 0 or name != contestants.NETHOGS:
                    yield everybody[name], name, number == 0

    def peers(self):
        return {**self.modes, **{name: starter for name, starter in self.others.items()
                                 if name == contestants.NETHOGS}}
