"""Metric samples: what is kept of scrapes, and what they tell."""

import math
import sqlite3
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cart_observability.console.metrics import samples
from cart_observability.console.metrics.samples import Steps
from cart_observability.console.metrics.trends import LARGEST
from cart_observability.console.records import Exemplar, Family, Sample
from support.console_metrics import SECOND, T0, Process, at, condense, counter, gauge, histogram, metrics_file

MINUTE = 60
HOUR = 3600
LONG = settings(deadline=None, max_examples=40)
BOUNDS = (0.01, 0.1, 1.0, 10.0)


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """A file."""
    with metrics_file() as connection:
        yield connection


def total(connection: sqlite3.Connection, name: str = "events_total") -> float:
    """What was counted in all."""
    return sum(samples.total_by(connection, name).values())


# ---- counters


lives = st.lists(st.lists(st.integers(0, 1_000), min_size=1, max_size=5), min_size=1, max_size=6)


@given(lives, st.lists(st.booleans(), min_size=30, max_size=30))
def test_counters_go_on_over_restarts(lives: list[list[int]], restarts: list[bool]) -> None:
    """However often a process, or the console, starts again, the total is what all lives of the process counted.

    A life that begins with no less than the last one ended cannot be told from its going on.
    """
    with metrics_file() as connection:
        process, expected, last, seconds = Process(connection), 0.0, 0.0, 0
        for life in lives:
            amount = 0.0
            for step in life:
                amount += step
                expected += amount - last if amount >= last else amount
                last = amount
                if restarts[seconds // 2]:
                    process.looked_at_anew()
                process.scraped(seconds, counter("events_total", amount))
                assert expected == total(connection)
                seconds += 2


@given(lives, st.lists(st.booleans(), min_size=30, max_size=30))
def test_start_times_tell_lives_apart(lives: list[list[int]], restarts: list[bool]) -> None:
    """Where a process says when it was started, a life counts in full even if it begins with more than the last had."""
    with metrics_file() as connection:
        process, expected, seconds = Process(connection), 0.0, 0
        for number, life in enumerate(lives):
            amount = 0.0
            for step in life:
                amount += step
                expected += step
                if restarts[seconds // 2]:
                    process.looked_at_anew()
                started = gauge("process_start_time_seconds", 1e9 + 10 * number)
                process.scraped(seconds, counter("events_total", amount), started)
                seconds += 2
        assert expected == total(connection)


@LONG
@given(
    st.lists(st.integers(1, 14), min_size=2, max_size=200),
    st.sampled_from([2, 3, 10, 60, 300]),
    st.floats(0.5, 100),
    st.sets(st.integers(0, 200), max_size=4),
)
def test_a_steady_rate_is_seen_as_one(apart: list[int], step: int, rate: float, restarts: set[int]) -> None:
    """What rises steadily has that rate in every step, however scrapes fall into steps, condensed or not."""
    with metrics_file() as connection:
        process, seconds, began = Process(connection), 0, 0
        for number, wait in enumerate(apart):
            started = gauge("process_start_time_seconds", 1e9 + 2 * began)
            process.scraped(seconds, counter("events_total", rate * (seconds - began)), started)
            if number in restarts:
                began = seconds
            seconds += wait
        over = samples.steps(T0, at(seconds), 200)._replace(step=step * SECOND)
        for _ in range(2):
            line = samples.rates(connection, "events_total", over)[""]
            assert any(line)
            assert all(found == pytest.approx(rate) for found in line if found is not None)
            condense(connection, at(seconds + HOUR))


@LONG
@given(st.integers(60, 600), st.randoms(use_true_random=False))
def test_coarser_samples_keep_rates_exact(scrapes: int, random: Random) -> None:
    """Rates over whole minutes are the same to the last digit before and after samples are condensed and expired."""
    with metrics_file() as connection:
        process, amount = Process(connection), 0
        for number in range(scrapes):
            # A process that starts again has counted nothing yet.
            amount = 0 if random.randrange(50) == 0 else amount + random.randrange(9)
            process.scraped(number * 2, counter("events_total", amount))
        over = Steps(T0, MINUTE * SECOND, 2 + scrapes // 30)
        before = samples.rates(connection, "events_total", over)
        condense(connection, at(10 * HOUR))
        assert before == samples.rates(connection, "events_total", over)
        kept = connection.execute("SELECT count(*) FROM samples WHERE tier = 0").fetchone()[0]
        assert 2 * 31 >= kept


def test_a_series_that_appears_counts_from_zero(connection: sqlite3.Connection) -> None:
    """What a process that was scraped before shows for the first time, it has counted since then; else nobody knows."""
    process = Process(connection)
    process.scraped(0, counter("events_total", 100, kind="old"))
    process.scraped(2, counter("events_total", 100, kind="old"), counter("events_total", 8, kind="new"))
    over = Steps(T0, 4 * SECOND, 1)
    assert {"old": [0.0], "new": [4.0]} == samples.rates(connection, "events_total", over, ("kind",))
    assert {"old": 0.0, "new": 4.0} == samples.rate_by(connection, "events_total", "kind", now=at(3))


def test_a_series_that_comes_back_counts_from_zero(connection: sqlite3.Connection) -> None:
    """A counter that a process had stopped showing began again at zero, even if it comes back with more."""
    process = Process(connection)
    process.scraped(0, counter("events_total", 5), gauge("level", 1))
    process.scraped(2, gauge("level", 1))
    process.scraped(4, counter("events_total", 7), gauge("level", 1))
    assert 12 == total(connection)
    assert [None, 0.0, 3.5] == samples.rates(connection, "events_total", Steps(T0, 2 * SECOND, 3))[""]


def test_no_rate_across_a_gap(connection: sqlite3.Connection) -> None:
    """While nobody looked no rate is known, and what was counted meanwhile makes no peak after it."""
    process = Process(connection)
    for seconds in (0, 10, 20, 320, 330):
        process.scraped(seconds, counter("events_total", seconds))
    line = samples.rates(connection, "events_total", Steps(T0, 10 * SECOND, 34))[""]
    assert [None, 1.0, 1.0, *[None] * 30, 1.0] == line
    assert 330 == total(connection)


def test_processes_add_up_and_are_told_apart(connection: sqlite3.Connection) -> None:
    """Rates go over all processes, each by its own scrapes; by label, by process, and for one value of a label."""
    one, other = Process(connection, "one"), Process(connection, "other")
    for seconds in range(0, 20, 2):
        one.scraped(seconds, counter("events_total", seconds, handler="threshold"))
    for seconds in range(1, 20, 5):
        other.scraped(seconds, counter("events_total", 3 * seconds, handler="popularity"))
    over = Steps(at(10), 5 * SECOND, 1)
    assert {"": [4.0]} == samples.rates(connection, "events_total", over)
    assert {"one": [1.0], "other": [3.0]} == samples.rates(connection, "events_total", over, ("process",))
    assert {"": [3.0]} == samples.rates(connection, "events_total", over, (), {"handler": "popularity"})
    assert {"": [4.0]} == samples.rates(connection, "events_total", over, (), {"handler": ("threshold", "popularity")})
    assert {"threshold": 1.0, "popularity": 3.0} == samples.rate_by(connection, "events_total", "handler", now=at(19))
    assert {} == samples.rates(connection, "never_seen_total", over)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_what_is_no_count(connection: sqlite3.Connection, value: float) -> None:
    """A counter that shows what can be no count is taken as if it had not changed."""
    process = Process(connection)
    for seconds, shown in ((0, 1.0), (2, 5.0), (4, value), (6, 7.0)):
        process.scraped(seconds, counter("events_total", shown))
    assert 7 == total(connection)


# ---- gauges


def test_values(connection: sqlite3.Connection) -> None:
    """A gauge is what the scrapes of a step showed at most; processes are added up, or the largest counts."""
    one, other = Process(connection, "one"), Process(connection, "other")
    for seconds, value in ((0, 1), (2, 9), (4, 2), (10, 3)):
        one.scraped(seconds, gauge("level", value))
        other.scraped(seconds, gauge("level", 1))
    over = Steps(T0, 5 * SECOND, 3)
    assert {"": [10.0, 3.0, 4.0]} == samples.values(connection, "level", over)
    assert {"": [9.0, 2.0, 3.0]} == samples.values(connection, "level", over, together=LARGEST)
    assert {"one": [9.0, 2.0, 3.0], "other": [1.0, 1.0, 1.0]} == samples.values(connection, "level", over, ("process",))
    assert {"": 4.0} == samples.value_by(connection, "level", now=at(11))
    assert {"": 3.0} == samples.value_by(connection, "level", now=at(11), largest=True)


def test_a_gauge_that_is_not_shown(connection: sqlite3.Connection) -> None:
    """A gauge that a process shows no longer, shows as no number, or cannot be asked for, has no value there."""
    process = Process(connection)
    process.scraped(0, gauge("level", 1))
    process.scraped(10, gauge("other", 1))
    process.scraped(20, gauge("level", math.nan))
    process.scraped(30, gauge("level", 4))
    process.missed(40)
    process.missed(100)
    over = Steps(T0, 10 * SECOND, 12)
    assert [1.0, None, None, 4.0, *[None] * 8] == samples.values(connection, "level", over)[""]
    assert {} == samples.value_by(connection, "level", now=at(100))
    up = samples.values(connection, "up", over)[""]
    assert [1.0, 1.0, 1.0, 1.0, *[None] * 8] == up


@LONG
@given(st.integers(40, 400), st.randoms(use_true_random=False))
def test_coarser_samples_keep_peaks(scrapes: int, random: Random) -> None:
    """The largest value of each minute is the same before and after samples are condensed."""
    shown = [random.randrange(-5, 50) for _ in range(scrapes)]
    with metrics_file() as connection:
        process = Process(connection)
        for number, value in enumerate(shown):
            process.scraped(number * 2, gauge("level", value))
        over = Steps(T0, MINUTE * SECOND, 1 + len(shown) // 30)
        expected = [max(shown[start : start + 30]) for start in range(0, len(shown), 30)]
        for _ in range(2):
            assert expected == [value for value in samples.values(connection, "level", over)[""] if value is not None]
            condense(connection, at(10 * HOUR))


# ---- histograms


@given(st.lists(st.lists(st.floats(0.001, 9.9), max_size=20), min_size=2, max_size=10), st.floats(0.01, 1))
def test_quantiles_lie_in_the_bucket_of_the_true_one(rounds: list[list[float]], share: float) -> None:
    """A quantile of what was observed in a time is within the bucket that holds the true one, of all processes."""
    with metrics_file() as connection:
        one, other, observed = Process(connection, "one"), Process(connection, "other"), list[float]()
        one.scraped(0, histogram("seconds", BOUNDS, [], handler="a"))
        other.scraped(0, histogram("seconds", BOUNDS, [], handler="a"))
        for number, more in enumerate(rounds):
            observed += more
            one.scraped(2 + 2 * number, histogram("seconds", BOUNDS, observed[::2], handler="a"))
            other.scraped(2 + 2 * number, histogram("seconds", BOUNDS, observed[1::2], handler="a"))
        over = Steps(T0, MINUTE * SECOND, 1)
        ((told,),) = samples.quantiles(connection, "seconds", [share], over)[""]
        now = samples.quantile_by(connection, share, "seconds", "handler", 60, now=at(2 + 2 * len(rounds)))
        if not observed:
            assert (None, {}) == (told, now)
            return
        true = sorted(observed)[math.ceil(share * len(observed)) - 1]
        upper = next(bound for bound in BOUNDS if true <= bound)
        lower = (0.0, *BOUNDS)[BOUNDS.index(upper)]
        assert told is not None
        # A share of all may fall on the border of two buckets by less than a float can tell.
        assert lower * 0.999 <= told <= upper * 1.001
        assert told == pytest.approx(now["a"])


def test_parts_of_a_histogram(connection: sqlite3.Connection) -> None:
    """Its count and its sum are counters, by the names they are shown by, and its mean is the one by the other."""
    process = Process(connection)
    process.scraped(0, histogram("seconds", BOUNDS, []))
    process.scraped(2, histogram("seconds", BOUNDS, [0.5, 1.5, 4.0]))
    over = Steps(T0, 4 * SECOND, 1)
    assert {"": [1.5]} == samples.rates(connection, "seconds_count", over)
    assert {"": [3.0]} == samples.rates(connection, "seconds_sum", over)
    assert {"": [1.5]} == samples.rates(connection, "seconds", over)
    assert {"": [2.0]} == samples.means(connection, "seconds", over)
    assert ({"": 3.0}, {"": 6.0}) == (
        samples.total_by(connection, "seconds"),
        samples.total_by(connection, "seconds_sum"),
    )


def test_histograms_of_two_versions(connection: sqlite3.Connection) -> None:
    """A histogram whose buckets are other ones after a new version was started goes on, with those."""
    process = Process(connection)
    process.scraped(0, histogram("seconds", (1.0,), [0.5]))
    process.scraped(2, histogram("seconds", (1.0,), [0.5, 0.5]))
    process.scraped(4, histogram("seconds", (0.4, 1.0), [0.5]))
    process.scraped(6, histogram("seconds", (0.4, 1.0), [0.5, 0.5]))
    assert {"": 4.0} == samples.total_by(connection, "seconds")
    process.scraped(8, histogram("seconds", (0.4,), [0.5, 0.5, 0.5]))
    assert {"": 7.0} == samples.total_by(connection, "seconds")
    over = Steps(T0, 2 * SECOND, 4)
    assert [None, 0.5, 0.5, 0.5] == samples.rates(connection, "seconds", over)[""]
    assert {"": [[None, 0.5, pytest.approx(0.7), pytest.approx(0.7)]]} == samples.quantiles(
        connection, "seconds", [0.5], over
    )


# ---- the present


def test_a_process_that_is_silent(connection: sqlite3.Connection) -> None:
    """A process that is not scraped any more has no rates and values; what it counted stays counted."""
    process = Process(connection)
    for seconds in range(0, 20, 2):
        process.scraped(seconds, counter("events_total", seconds), gauge("level", 1))
    assert {"": 1.0} == samples.rate_by(connection, "events_total", now=at(20))
    for late in (60, 90_000):
        assert {} == samples.rate_by(connection, "events_total", now=at(late))
        assert {} == samples.value_by(connection, "level", now=at(late))
    condense(connection, at(90_000))
    assert 18 == total(connection)


def test_a_process_that_is_seldom_scraped(connection: sqlite3.Connection) -> None:
    """A broker that is scraped every 15 s has rates and values at each moment, and in each step of a chart."""
    process = Process(connection, "rabbitmq")
    for seconds in range(0, 60, 15):
        process.scraped(seconds, counter("events_total", 2 * seconds), gauge("level", 5))
    assert {"": 2.0} == samples.rate_by(connection, "events_total", now=at(59))
    assert {"": 5.0} == samples.value_by(connection, "level", now=at(59))
    over = Steps(T0, 5 * SECOND, 10)
    assert [2.0] * 9 == samples.rates(connection, "events_total", over)[""][1:]
    assert [5.0] * 10 == samples.values(connection, "level", over)[""]


# ---- what is stored


def test_unchanged_values_are_not_stored_again(connection: sqlite3.Connection) -> None:
    """Of a series that does not change a sample a minute is stored, and that it was scraped each time."""
    process = Process(connection)
    for seconds in range(0, 120, 2):
        process.scraped(seconds, counter("events_total", 7))
    rows = dict(connection.execute("SELECT name, count(*) FROM samples JOIN series ON id = series GROUP BY name"))
    assert {"events_total": 2, "up": 60} == rows
    assert [0.0] * 11 == samples.rates(connection, "events_total", Steps(T0, 10 * SECOND, 12))[""][1:]


def test_what_is_kept_for_how_long(connection: sqlite3.Connection) -> None:
    """Each scrape of the last 15 minutes is kept, ten-second points of the last 6 hours, and minutes beyond."""
    process = Process(connection)
    for seconds in range(0, 8 * HOUR, 5):
        process.scraped(seconds, counter("events_total", seconds))
    condense(connection, at(8 * HOUR))
    found = {
        tier: (slots, rows / slots)
        for tier, slots, rows in connection.execute(
            "SELECT tier, count(DISTINCT slot), count(*) FROM samples JOIN series ON id = series "
            "WHERE name = 'events_total' GROUP BY tier"
        )
    }
    assert [15, 36, 8] == [slots for slots, _ in found.values()]
    assert [12.0, 60.0, 60.0] == pytest.approx([rows for _, rows in found.values()], rel=0.05)


@pytest.mark.parametrize("order", [1, -1])
def test_labels_in_any_order(connection: sqlite3.Connection, order: int) -> None:
    """A series is the same in whatever order its labels are shown."""
    labels = (("a", "1"), ("b", "2"))
    for seconds, shown in ((0, labels), (2, labels[::order])):
        samples.record(
            connection,
            "worker",
            at(seconds),
            [Family("events", "counter", "", [Sample("events_total", shown, seconds)])],
        )
    assert 1 == connection.execute("SELECT count(*) FROM series WHERE name = 'events_total'").fetchone()[0]
    assert 2 == total(connection)


def test_summaries(connection: sqlite3.Connection) -> None:
    """A summary's count and sum are counters, its quantiles gauges."""
    process = Process(connection)
    for seconds in (0, 2):
        labels = (("quantile", "0.5"),)
        shown = [Sample("s", labels, 0.25), Sample("s_count", (), float(seconds)), Sample("s_sum", (), 3.0 * seconds)]
        process.scraped(seconds, Family("s", "summary", "", shown))
    assert {"": 1.0} == samples.rate_by(connection, "s_count", now=at(3))
    assert {"0.5": 0.25} == samples.value_by(connection, "s", "quantile", now=at(3))


def test_exemplars_are_kept_once(connection: sqlite3.Connection) -> None:
    """An observation that is shown again and again is kept once; of one scrape's new ones the largest is."""
    process = Process(connection)
    for seconds, name in ((0, "a"), (2, "a"), (4, "b")):
        exemplar = Exemplar(at(0 if name == "a" else 3), 0.5, name * 32, None)
        process.scraped(seconds, histogram("seconds", BOUNDS, [0.5], exemplar))
    rows = connection.execute("SELECT time, value, trace_id FROM exemplars ORDER BY time").fetchall()
    assert [(at(0), 0.5, "a" * 32), (at(3), 0.5, "b" * 32)] == rows


# ---- forgetting


def test_pruning(connection: sqlite3.Connection) -> None:
    """The oldest goes first, whole stretches of time with their series; what is newer reads as before."""
    gone, process = Process(connection, "gone"), Process(connection)
    gone.scraped(0, counter("events_total", 1))
    for seconds in range(0, 3 * HOUR, 10):
        process.scraped(seconds, counter("events_total", seconds))
    condense(connection, at(3 * HOUR))
    assert T0 == samples.oldest(connection)
    while samples.prune_before(connection, at(2 * HOUR), 1_000):
        pass
    assert at(2 * HOUR) == samples.oldest(connection)
    assert [("worker",)] == connection.execute("SELECT DISTINCT process FROM series").fetchall()
    over = Steps(T0, 600 * SECOND, 18)
    line = samples.rates(connection, "events_total", over)[""]
    assert [*[None] * 12, *[1.0] * 6] == [rate and pytest.approx(rate) for rate in line]
    while samples.prune(connection, 1_000):
        pass
    assert (None, 0) == (samples.oldest(connection), samples.room(connection))


def test_a_series_that_was_pruned_goes_on(connection: sqlite3.Connection) -> None:
    """What is scraped while all that was known of it is forgotten is there again within a minute."""
    process = Process(connection)
    process.scraped(0, counter("events_total", 5, handler="threshold"))
    for table in ("samples", "series"):
        connection.execute(f"DELETE FROM {table}")
    for seconds in range(2, 130, 2):
        process.scraped(seconds, counter("events_total", seconds, handler="threshold"))
    assert {"threshold": 1.0} == samples.rate_by(connection, "events_total", "handler", now=at(128))


def test_the_beginning_of_time(connection: sqlite3.Connection) -> None:
    """A question about all of time reads no more than one about what is there."""
    process = Process(connection)
    for second in range(0, 600, 2):
        process.scraped(second, counter("c_total", second))
    asked: list[str] = []
    connection.set_trace_callback(asked.append)
    (line,) = samples.rates(connection, "c_total", samples.steps(0, at(600), 300)).values()
    assert 50 > len(asked)
    assert 0 < (line[-1] or 0.0)
