"""What was counted of log lines, kept for who asks again."""

import threading
from collections import Counter, OrderedDict
from collections.abc import Hashable
from typing import Final

Tally = Counter[tuple[int, str]]
"""How many lines there are by the start of a time, in ns since the epoch, and a level."""
Stamp = tuple[int, ...]
"""What was counted holds as long as this is the same."""
Known = dict[int, tuple[Stamp, Tally]]
"""What was counted by the number of a stretch of lines."""
QUESTIONS: Final = 8
"""Of which what was counted is kept: those that were asked last."""


class Counted:
    """By question what was counted of stretches of lines. Any thread may use it."""

    def __init__(self) -> None:
        self._questions: OrderedDict[Hashable, Known] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, question: Hashable, first: int) -> Known:
        """What is known, to be added to; `first` is the number of the earliest stretch that is still there."""
        with self._lock:
            known = self._questions.setdefault(question, {})
            self._questions.move_to_end(question)
            if len(self._questions) > QUESTIONS:
                self._questions.popitem(last=False)
            for number in [each for each in list(known) if each < first]:
                del known[number]
        return known
