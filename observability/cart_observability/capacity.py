"""The queueing arithmetic of a handler: how busy it is, how much more it can take, when its queue is empty.

A handler is c slots that share one queue. lambda is the rate at which events come to it, T_process the time that one
event costs a slot, W the time that an event spends from its birth to its effect. `prometheus/rules/recording.yml`
(group `capacity`) computes the same in Prometheus.

Rates are per second, times in seconds. The mean of T_process is taken as given: where a handler works in batches it
falls as load grows, and what is computed here for a higher load is the worse case.

Sources: Little, A Proof for the Queuing Formula L = lambda W (1961); Kleinrock, Queueing Systems I (1975), sections
2.1 for rho and 3.5 for M/M/m; Beyer et al., Site Reliability Engineering (2016), chapter 18 for planning against a
load that is still to come.
"""

import math
from dataclasses import dataclass

TARGET_UTILISATION = 0.8
"""The utilisation to plan for. With one slot an event already waits four times T_process there (M/M/1), and time
enough is left to drain what piled up while the handler stood still."""


@dataclass(frozen=True, slots=True)
class Load:
    """What comes to a handler, and what it meets it with.

    Attributes:
        arrival_rate: lambda, events per second.
        processing_time: E[T_process], seconds of a slot for one event.
        slots: c, events that can be in work at once, over all processes.
        backlog: Events that wait or are in work now.
    """

    arrival_rate: float
    processing_time: float
    slots: int
    backlog: float = 0.0


@dataclass(frozen=True, slots=True)
class Capacity:
    """What follows from a load.

    Attributes:
        utilisation: rho, the share of time that a slot is busy.
        service_rate: Events per second that all slots together can finish.
        headroom: Events per second that may come on top before rho passes the target; negative beyond it.
        drain_seconds: Until the backlog is gone; infinite where it never will be.
        slots_needed: Slots with which rho does not pass the target.
        waiting_seconds: Mean time in the queue of events that come at random (Erlang C); infinite from rho = 1 on.
    """

    utilisation: float
    service_rate: float
    headroom: float
    drain_seconds: float
    slots_needed: int
    waiting_seconds: float


def assess(load: Load, target: float = TARGET_UTILISATION) -> Capacity:
    """What follows from a load; raises ValueError as the functions below do."""
    arrivals, processing, slots = load.arrival_rate, load.processing_time, load.slots
    served = service_rate(processing, slots)
    return Capacity(
        utilisation=utilisation(arrivals, processing, slots),
        service_rate=served,
        headroom=headroom(arrivals, served, target),
        drain_seconds=time_to_drain(load.backlog, arrivals, served),
        slots_needed=slots_needed(arrivals, processing, target),
        waiting_seconds=waiting_time(arrivals, processing, slots),
    )


def utilisation(arrival_rate: float, processing_time: float, slots: int) -> float:
    """Share of time that a handler slot is busy, rho = lambda * E[T_process] / c.

    1 or more means that the backlog grows without bound. Raises ValueError for fewer than one slot, a negative rate or
    a time that is not positive. Source: Kleinrock (1975), section 2.1.
    """
    _check(arrival_rate=arrival_rate)
    return arrival_rate / service_rate(processing_time, slots)


def service_rate(processing_time: float, slots: int) -> float:
    """Events per second that c busy slots finish, c / E[T_process]: the load at which rho = 1.

    Raises ValueError for fewer than one slot, or a time that is not positive.
    """
    if slots < 1:
        raise ValueError(f"a handler has one slot or more, not {slots}")
    return slots / _positive(processing_time)


def headroom(arrival_rate: float, service_rate: float, target: float = TARGET_UTILISATION) -> float:
    """Events per second that may come on top before utilisation passes the target; negative where it has.

    Raises ValueError for a negative rate, or a target that is not above 0 and at most 1.
    """
    _check(arrival_rate=arrival_rate, service_rate=service_rate)
    return _target(target) * service_rate - arrival_rate


def slots_needed(arrival_rate: float, processing_time: float, target: float = TARGET_UTILISATION) -> int:
    """The fewest slots with which utilisation does not pass the target; 0 where nothing comes.

    Raises ValueError for a negative rate, a time that is not positive, or a target that is not above 0 and at most 1.
    """
    _check(arrival_rate=arrival_rate)
    return math.ceil(arrival_rate * _positive(processing_time) / _target(target))


def time_to_drain(backlog: float, arrival_rate: float, service_rate: float) -> float:
    """Seconds until the backlog is gone, worked on by all slots while events go on coming.

    0 without a backlog; infinite where events come as fast as they can be finished, or faster.
    Raises ValueError for a negative backlog or rate.
    """
    _check(backlog=backlog, arrival_rate=arrival_rate, service_rate=service_rate)
    if backlog == 0:
        return 0.0
    return backlog / (service_rate - arrival_rate) if service_rate > arrival_rate else math.inf


def forecast(backlog: float, growth: float, seconds: float) -> float:
    """Events that will wait so many seconds from now if the backlog goes on growing by `growth` a second; 0 at least.

    Raises ValueError for a negative backlog or time.
    """
    _check(backlog=backlog, seconds=seconds)
    return max(0.0, backlog + growth * seconds)


def events_in_system(arrival_rate: float, time_in_system: float) -> float:
    """Little's law: L = lambda * W, the mean number of events under way.

    It holds for the means of any system that neither loses events nor piles them up, whatever the order and the
    distributions. Raises ValueError for a negative rate or time. Source: Little (1961).
    """
    _check(arrival_rate=arrival_rate, time_in_system=time_in_system)
    return arrival_rate * time_in_system


def waiting_time(arrival_rate: float, processing_time: float, slots: int) -> float:
    """Mean seconds that an event waits for a slot, in a queue M/M/c; infinite from rho = 1 on.

    Exact for Poisson arrivals (our shoppers') and exponential processing times, an estimate otherwise: steadier
    processing waits less, bursts and batches wait longer. Raises ValueError as `utilisation` does.
    Source: Erlang's C formula, Kleinrock (1975), section 3.5.
    """
    busy = utilisation(arrival_rate, processing_time, slots)
    if busy >= 1:
        return math.inf
    return _probability_of_waiting(busy, slots) * processing_time / (slots * (1 - busy))


def _probability_of_waiting(utilisation: float, slots: int) -> float:
    # By Erlang's B formula, whose recursion neither overflows nor cancels as the factorials of the textbook form do.
    offered, blocked = utilisation * slots, 1.0
    for slot in range(1, slots + 1):
        blocked = offered * blocked / (slot + offered * blocked)
    return blocked / (1 - utilisation * (1 - blocked))


def _check(**quantities: float) -> None:
    for name, quantity in quantities.items():
        if not 0 <= quantity < math.inf:
            raise ValueError(f"{name.replace('_', ' ')} is 0 or more and finite, not {quantity}")


def _positive(processing_time: float) -> float:
    if not 0 < processing_time < math.inf:
        raise ValueError(f"processing time is more than 0 and finite, not {processing_time}")
    return processing_time


def _target(target: float) -> float:
    if not 0 < target <= 1:
        raise ValueError(f"the target of utilisation is above 0 and at most 1, not {target}")
    return target
