"""The queueing arithmetic, and that Prometheus computes the same by the recording rules."""

import json
import math
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cart_observability import capacity
from cart_observability.capacity import Load
from conftest import skip_or_fail

RULES = Path(__file__).parent.parent / "prometheus/rules/recording.yml"
ROUNDING = 1 + 1e-9

rates = st.floats(0, 1e6)
positive_rates = st.floats(1e-3, 1e6)
times = st.floats(1e-6, 1e3)
slots = st.integers(1, 200)
backlogs = st.floats(1e-3, 1e9)
targets = st.floats(0.05, 1)


@given(rates, rates, times, slots)
def test_utilisation_grows_with_load_and_falls_with_slots(rate: float, more: float, time: float, slots: int) -> None:
    """More events or slower ones make slots busier, more slots make them idler."""
    busy = capacity.utilisation(rate, time, slots)
    assert capacity.utilisation(rate + more, time, slots) >= busy
    assert capacity.utilisation(rate, time * 2, slots) >= busy
    assert capacity.utilisation(rate, time, slots + 1) <= busy


@given(times, slots)
def test_slots_are_fully_busy_at_the_service_rate(time: float, slots: int) -> None:
    """The service rate is the load at which utilisation is 1."""
    assert capacity.utilisation(capacity.service_rate(time, slots), time, slots) == pytest.approx(1)


@given(positive_rates, times, targets)
def test_as_many_slots_as_needed_and_not_one_more(rate: float, time: float, target: float) -> None:
    """The slots needed keep utilisation at the target or below; one slot fewer does not."""
    needed = capacity.slots_needed(rate, time, target)
    assert capacity.utilisation(rate, time, needed) <= target * ROUNDING
    if needed > 1:
        assert capacity.utilisation(rate, time, needed - 1) >= target / ROUNDING


@given(rates, times, slots, targets)
def test_headroom_is_what_may_come_on_top(rate: float, time: float, slots: int, target: float) -> None:
    """A load with its headroom on top is at the target; headroom is negative exactly where the target is passed."""
    served = capacity.service_rate(time, slots)
    spare = capacity.headroom(rate, served, target)
    assert capacity.utilisation(max(0.0, rate + spare), time, slots) == pytest.approx(target, abs=1e-6)
    assert (spare < 0) == (rate > target * served)


@given(rates, rates)
def test_nothing_takes_no_time_to_drain(rate: float, served: float) -> None:
    """Without a backlog there is nothing to wait for, whatever the load."""
    assert 0 == capacity.time_to_drain(0, rate, served)


@given(backlogs, rates, positive_rates)
def test_a_drained_backlog_is_forecast_to_be_gone(backlog: float, rate: float, spare: float) -> None:
    """After the time to drain the forecast is empty, and half way there half of the backlog is left."""
    served = rate + spare
    seconds = capacity.time_to_drain(backlog, rate, served)
    assert capacity.forecast(backlog, rate - served, seconds) == pytest.approx(0, abs=backlog * 1e-6)
    assert capacity.forecast(backlog, rate - served, seconds / 2) == pytest.approx(backlog / 2, rel=1e-6)


@given(backlogs, rates, rates)
def test_an_overloaded_handler_never_drains(backlog: float, served: float, excess: float) -> None:
    """Where events come as fast as they are finished, or faster, the backlog stays for ever."""
    assert math.inf == capacity.time_to_drain(backlog, served + excess, served)


@given(positive_rates, times)
def test_littles_law_inverts(rate: float, time: float) -> None:
    """The events under way divided by the rate give back the time each of them spends."""
    assert capacity.events_in_system(rate, time) / rate == pytest.approx(time)


@given(st.floats(0, 0.99), times)
def test_one_slot_waits_as_the_textbook_says(busy: float, time: float) -> None:
    """In M/M/1 the mean wait is T * rho / (1 - rho)."""
    assert capacity.waiting_time(busy / time, time, 1) == pytest.approx(time * busy / (1 - busy), rel=1e-6)


@pytest.mark.parametrize(
    ("offered", "slots", "probability"),
    [(1.0, 2, 1 / 3), (2.0, 3, 4 / 9), (3.0, 4, 27 / 53), (18.0, 20, 0.5507690048161176)],
)
def test_erlang_c_of_known_systems(offered: float, slots: int, probability: float) -> None:
    """The wait is Erlang's C times T / (c - a); C by its definition in fractions, or by its sum in exact arithmetic."""
    assert capacity.waiting_time(offered, 1.0, slots) == pytest.approx(probability / (slots - offered))


@given(st.floats(0.01, 0.98), times, slots)
def test_waiting_grows_with_load_and_falls_with_slots(busy: float, time: float, slots: int) -> None:
    """A busier handler lets events wait longer; the same load meets a shorter wait with a slot more."""
    rate = busy * slots / time
    wait = capacity.waiting_time(rate, time, slots)
    assert capacity.waiting_time(rate * 1.01, time, slots) >= wait
    assert capacity.waiting_time(rate, time, slots + 1) <= wait


@given(st.floats(1.001, 1e3), times, slots)
def test_an_overloaded_queue_lets_events_wait_for_ever(busy: float, time: float, slots: int) -> None:
    """From utilisation 1 on there is no mean waiting time."""
    assert math.inf == capacity.waiting_time(busy * slots / time, time, slots)


def test_a_load_and_what_follows_from_it() -> None:
    """Thirty events a second of 50 ms in two slots: numbers that can be checked by hand."""
    found = capacity.assess(Load(arrival_rate=30, processing_time=0.05, slots=2, backlog=100))
    expected = {
        "utilisation": 0.75,
        "service_rate": 40,
        "headroom": 2,
        "drain_seconds": 10,
        "slots_needed": 2,
        "waiting_seconds": 0.05 * 9 / 7,
    }
    assert expected == pytest.approx(asdict(found))


NONSENSE: dict[str, Callable[[], float]] = {
    "no slot": lambda: capacity.service_rate(1, 0),
    "a negative rate": lambda: capacity.utilisation(-1, 1, 1),
    "a rate that is no number": lambda: capacity.utilisation(math.nan, 1, 1),
    "an infinite rate": lambda: capacity.slots_needed(math.inf, 1),
    "work that takes no time": lambda: capacity.service_rate(0, 1),
    "work that never ends": lambda: capacity.slots_needed(1, math.inf),
    "a target of nothing": lambda: capacity.slots_needed(1, 1, 0),
    "a target above all": lambda: capacity.headroom(1, 1, 1.1),
    "a negative backlog": lambda: capacity.time_to_drain(-1, 1, 2),
    "a forecast of the past": lambda: capacity.forecast(1, 1, -1),
    "a negative time": lambda: capacity.events_in_system(1, -1),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_nonsense_is_refused(case: str) -> None:
    """What cannot be is refused, not computed with."""
    with pytest.raises(ValueError, match="not "):
        NONSENSE[case]()


@dataclass(frozen=True)
class Case:
    """A handler as Prometheus sees it, steady for ten minutes: rates per second, times in seconds."""

    handled: float
    processing_time: float
    slots: int
    backlog: float = 0.0
    growth: float = 0.0
    age: float = 0.1
    outbox: float = 0.0

    @property
    def load(self) -> Load:
        """The load at the end of the ten minutes."""
        return Load(self.handled + self.growth, self.processing_time, self.slots, self.backlog + self.growth * SECONDS)

    def series(self) -> list[dict[str, str]]:
        """What ten minutes of scrapes every 15 s leave behind, in promtool's notation, all of handler `h`."""
        labels = 'handler="h",process="worker-h"'
        queue = 'rabbitmq_detailed_queue_messages{handler="h",queue="cart.h",queue_role="work"}'
        return [
            _line(f"messaging_process_duration_seconds_count{{{labels}}}", 0, self.handled),
            _line(f"messaging_process_duration_seconds_sum{{{labels}}}", 0, self.handled * self.processing_time),
            _line(f"cartscope_event_age_seconds_count{{{labels}}}", 0, self.handled),
            _line(f"cartscope_event_age_seconds_sum{{{labels}}}", 0, self.handled * self.age),
            # Another handler gets three times as much of what is published.
            _line('cartscope_events_published_total{outcome="confirmed"}', 0, self.handled * 4),
            _line("cartscope_outbox_pending_events", self.outbox, 0),
            _line(f"cartscope_handler_slots{{{labels}}}", self.slots, 0),
            _line(queue, self.backlog, self.growth),
        ]


SECONDS = 600
STEP = 15


def _line(series: str, start: float, per_second: float) -> dict[str, str]:
    return {"series": series, "values": f"{start}{per_second * STEP:+}x{SECONDS // STEP}"}


CASES = {
    "idle": Case(handled=1, processing_time=0.002, slots=1),
    "busy": Case(handled=30, processing_time=0.05, slots=2, backlog=100, outbox=6),
    "draining": Case(handled=40, processing_time=0.05, slots=2, backlog=6100, growth=-10, age=12.5),
    "just enough": Case(handled=64, processing_time=0.0125, slots=1),
    "growing": Case(handled=20, processing_time=0.1, slots=2, backlog=4, growth=2.5),
    "many slots": Case(handled=300, processing_time=0.1, slots=50, backlog=12, age=0.12),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_recording_rules_compute_the_same(case: Case, tmp_path: Path) -> None:
    """Each rule of the group `capacity` gives, for a steady handler, what the function of this arithmetic gives."""
    if not shutil.which("promtool"):
        skip_or_fail("promtool")
    load, found = case.load, capacity.assess(case.load)
    expected = {
        "handler:events_arrived:rate5m": (load.arrival_rate,),
        "handler:messaging_process_duration_seconds:mean5m": (load.processing_time,),
        "handler:cartscope_handler_slots:sum": (load.slots,),
        "handler:rabbitmq_queue_messages:sum": (load.backlog,),
        "handler:utilisation:ratio5m": (found.utilisation,),
        "handler:capacity:rate5m": (found.service_rate,),
        "handler:slots_needed:ceil5m": (found.slots_needed,),
        "handler:drain_seconds:estimate5m": (found.drain_seconds,),
        "handler:rabbitmq_queue_messages:predict1h": (capacity.forecast(load.backlog, case.growth, 3600),),
        # Prometheus 3 leaves out the sample on the window's edge, 2 takes it in.
        "handler:events_in_system:measured5m": (
            load.backlog - case.growth * 150 + case.outbox / 4,
            abs(case.growth) * STEP,
        ),
        "handler:events_in_system:computed5m": (capacity.events_in_system(case.handled, case.age),),
    }
    questions = {
        "rule_files": [str(RULES)],
        "evaluation_interval": f"{STEP}s",
        "tests": [
            {
                "interval": f"{STEP}s",
                "input_series": case.series(),
                "promql_expr_test": [_is(rule, *answer) for rule, answer in expected.items()],
            }
        ],
    }
    file = tmp_path / "capacity.yml"
    file.write_text(json.dumps(questions))
    told = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, check=False)
    assert 0 == told.returncode, told.stdout + told.stderr


def _is(rule: str, value: float, within: float = 0.0) -> dict[str, object]:
    """A question to promtool that is answered with 1 when the rule gives the value, but for rounding."""
    tolerance = within + 1e-9 * (1 + abs(value))
    near = f"{rule} == bool Inf" if math.isinf(value) else f"abs({rule} - {value}) <= bool {tolerance}"
    return {
        "expr": near,
        "eval_time": f"{SECONDS}s",
        "exp_samples": [{"labels": '{handler="h"}', "value": 1}],
    }
