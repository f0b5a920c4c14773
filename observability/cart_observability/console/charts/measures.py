"""What the lines of charts measure: each measure gives lines, by label, for a question of a range of time."""

import sqlite3
from collections.abc import Callable, Collection, Mapping
from operator import truediv
from typing import NamedTuple

from cart_observability.console.charts.incoming import SENT, senders
from cart_observability.console.metrics import trends
from cart_observability.console.metrics.history import Steps
from cart_observability.console.metrics.series import Where, selected
from cart_observability.console.metrics.trends import LARGEST, SUM, Line

HANDLER = "handler"
ERROR = "error_type"


class Question(NamedTuple):
    """What is asked of a measure.

    Attributes:
        connection: To the file.
        over: The range of time, in steps.
        handler: The one that is asked about, where handlers are told apart; None for all.
    """

    connection: sqlite3.Connection
    over: Steps
    handler: str | None = None


Measure = Callable[[Question], dict[str, Line]]
Value = str | Collection[str]


def rate(metric: str, *by: str, title: str = "", **where: Value) -> Measure:
    """What a counter, or the observations of a histogram, rise by in a second; a line for each value of some labels.

    Without labels there is one line, called `title`.
    """

    def lines(question: Question) -> dict[str, Line]:
        found = trends.rates(question.connection, metric, question.over, by, _narrowed(question, by, where))
        return _titled(found, title)

    return lines


def incoming(title: str) -> Measure:
    """The rate of the messages that come in from outside; one line."""
    return lambda question: rate(SENT, title=title, process=senders(question.connection))(question)


def errors(histogram: str, told: str) -> Measure:
    """The observations of a histogram that failed, a line for each handler and kind of error.

    Left out are handlers of which the counter `told` tells what became of what they did.
    """

    def lines(question: Question) -> dict[str, Line]:
        others = {series.label(HANDLER) for series in selected(question.connection, told, {})}
        every = selected(question.connection, f"{histogram}_count", {})
        failed = [series for series in every if series.label(ERROR) and series.label(HANDLER) not in others]
        if not failed or question.handler in others:
            return {}
        handlers, kinds = ({series.label(label) for series in failed} for label in (HANDLER, ERROR))
        return rate(f"{histogram}_count", HANDLER, ERROR, handler=handlers, error_type=kinds)(question)

    return lines


def level(metric: str, *by: str, title: str = "", together: str = SUM, **where: Value) -> Measure:
    """The value of a gauge; what has the same labels is added up, or told by the largest."""

    def lines(question: Question) -> dict[str, Line]:
        where_ = _narrowed(question, by, where)
        return _titled(trends.values(question.connection, metric, question.over, by, where_, together), title)

    return lines


def largest(metric: str, *by: str, title: str = "", **where: Value) -> Measure:
    """As `level`, told by the largest: where several processes see the same thing."""
    return level(metric, *by, title=title, together=LARGEST, **where)


def quantiles(metric: str, shares: Mapping[str, float], **where: Value) -> Measure:
    """Quantiles of all that a histogram observed together, a line for each by its title; of the handler asked about."""

    def lines(question: Question) -> dict[str, Line]:
        where_ = _narrowed(question, (HANDLER,), where)
        found = trends.quantiles(question.connection, metric, list(shares.values()), question.over, (), where_)
        return {title: line for every in found.values() for title, line in zip(shares, every, strict=True)}

    return lines


def quantile(metric: str, share: float, *by: str, **where: Value) -> Measure:
    """One quantile of what a histogram observed, a line for each value of some labels."""

    def lines(question: Question) -> dict[str, Line]:
        where_ = _narrowed(question, by, where)
        found = trends.quantiles(question.connection, metric, (share,), question.over, by, where_)
        return {label: line for label, (line,) in found.items()}

    return lines


def ratio(above: Measure, below: Measure) -> Measure:
    """The lines of one measure divided by those of another with the same label."""

    def lines(question: Question) -> dict[str, Line]:
        divisors = below(question)
        return {
            label: [_divided(*both) for both in zip(line, divisors[label], strict=True)]
            for label, line in above(question).items()
            if label in divisors
        }

    return lines


def first_of(*measures: Measure) -> Measure:
    """The first measure that has lines: what is known in more than one way is shown once."""
    return lambda question: next((lines for measure in measures if (lines := measure(question))), {})


def both(*measures: Measure) -> Measure:
    """The lines of all of them."""

    def lines(question: Question) -> dict[str, Line]:
        return {label: line for measure in measures for label, line in measure(question).items()}

    return lines


def _narrowed(question: Question, by: Collection[str], where: Where) -> Where:
    return {**where, HANDLER: question.handler} if question.handler and HANDLER in by else where


def _titled(lines: dict[str, Line], title: str) -> dict[str, Line]:
    return {label or title: line for label, line in lines.items()}


def _divided(above: float | None, below: float | None) -> float | None:
    return None if above is None or not below else truediv(above, below)
