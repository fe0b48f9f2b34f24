"""What the limits come to against somebody patient: found by search, and a bound that no schedule exceeds. Pure.

A guess is worth ten thousand times more against four digits than against eight, so the whole art of guessing is to
wait. A strategy therefore says when it stops waiting for short codes: until then it lets windows pass.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations_with_replacement

from users.rates import Rate

DAY = 24 * 3600.0
YEAR = 365 * DAY
FOREVER = math.inf
# When a strategy stops waiting, in parts of the year: never, at once, and at the very end, when nothing can be lost.
SWITCHES = (0.0, 0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 364 / 365, 1.0)
MOST_STEPS = 50_000


@dataclass(frozen=True)
class Rules:
    """The settings, as far as they bound guessing at codes and the sending of them.

    `lengths` maps how many digits a code may have to the rates of failures of its phone that bring it there.
    """

    tries: int
    lengths: dict[int, tuple[Rate, ...]]
    sends_per_phone: tuple[Rate, ...]
    sends_per_address: tuple[Rate, ...]
    sends_per_network: tuple[Rate, ...]
    sends_of_everybody: tuple[Rate, ...]
    failures_per_address: tuple[Rate, ...]
    failures_of_everybody: tuple[Rate, ...]
    digits_for_everybody: int

    @property
    def steps(self) -> list[int]:
        """The lengths that codes can come to have."""
        return sorted(digits for digits, rates in self.lengths.items() if rates or digits == self.shortest)

    @property
    def shortest(self) -> int:
        return min(self.lengths)


@dataclass(frozen=True)
class Attacker:
    """`sides`: 1 elsewhere or at home, 2 from both, whose messages are counted apart. One address, or any number."""

    name: str
    sides: int
    one_address: bool


ATTACKERS = (
    Attacker("one address, not the phone's home", 1, True),
    Attacker("any number of addresses", 1, False),
    Attacker("any number, and one at the phone's home", 2, False),
)


@dataclass(frozen=True)
class Outcome:
    """Guesses compared within a year, by the length of the code."""

    compared: dict[int, float]

    @property
    def chance(self) -> float:
        """That one of them was right."""
        missed = sum(count * math.log1p(-(10.0**-digits)) for digits, count in self.compared.items())
        return -math.expm1(missed)


def best(rules: Rules, attacker: Attacker) -> Outcome:
    """The best of the strategies, by trying each."""
    outcomes = [Game(rules, attacker, strategy).play() for strategy in _strategies(rules)]
    return max(outcomes, key=lambda outcome: outcome.chance)


def ceiling(rules: Rules, attacker: Attacker) -> Outcome:
    """What no strategy exceeds, however it waits.

    A code of some length is compared only while no rate that would bring a longer one is reached, so within each of
    its windows no more are than its count; and a year has no more of those windows than fit into it, begun ones too.
    """
    compared, so_far = {}, 0.0
    sent = rules.tries * _most(_sends(rules, attacker), YEAR) * attacker.sides
    everything = min(sent, _most(_failures(rules, attacker), YEAR))
    for digits in sorted(rules.lengths):
        longer = [rate for length, rates in rules.lengths.items() if length > digits for rate in rates]
        most = min(everything, _most(longer, YEAR))
        compared[digits] = most - so_far if most > so_far else 0
        so_far = max(so_far, most)
    return Outcome(compared)


def accounts_a_day(rules: Rules, *, addresses_at_home: int = 0) -> float:
    """Expected accounts taken over in a day by strangers who try everybody, from any number of addresses.

    Until the limit on everybody's failures is reached they guess at the shortest codes, then at longer ones; from an
    address that they share with those they attack, at the shortest ones always.
    """
    tried = rules.tries * _most(rules.sends_of_everybody, DAY)
    if math.isinf(tried):
        return FOREVER
    short = min(tried, _most(rules.failures_of_everybody, DAY))
    at_home = min(rules.tries * _most(rules.sends_per_address, DAY), _most(rules.failures_per_address, DAY))
    longer = max(rules.digits_for_everybody, rules.shortest)
    return (short + addresses_at_home * at_home) * 10.0**-rules.shortest + (tried - short) * 10.0**-longer


def messages_a_day(rules: Rules) -> dict[str, float]:
    """The most that are sent in a day, and so the most that somebody can cost."""
    return {
        "to one phone": 2 * _most(rules.sends_per_phone, DAY),
        "from one address": _most(rules.sends_per_address, DAY),
        "from one network of IPv6": _most(rules.sends_per_network, DAY),
        "by strangers together": _most(rules.sends_of_everybody, DAY),
        "by everybody, those at home too": 2 * _most(rules.sends_of_everybody, DAY),
    }


def _most(rates: Sequence[Rate], seconds: float) -> float:
    """The most events in so many seconds."""
    return min((rate.count * math.ceil(seconds / rate.window.total_seconds()) for rate in rates), default=FOREVER)


def _sends(rules: Rules, attacker: Attacker) -> tuple[Rate, ...]:
    return (*rules.sends_per_phone, *(rules.sends_per_address if attacker.one_address else ()))


def _failures(rules: Rules, attacker: Attacker) -> tuple[Rate, ...]:
    """Beyond which no guess is compared at all."""
    return rules.failures_per_address if attacker.one_address else ()


def _strategies(rules: Rules) -> Iterator[tuple[float, ...]]:
    """For each length but the longest, the moment until which longer ones are not tried."""
    return combinations_with_replacement([part * YEAR for part in SWITCHES], len(rules.steps) - 1)


@dataclass
class Game:
    """One year of one strategy against one phone, guess by guess. A guess takes no time; waiting does."""

    rules: Rules
    attacker: Attacker
    strategy: tuple[float, ...]
    now: float = 0.0
    failures: list[float] = field(default_factory=list)
    compared: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))

    def play(self) -> Outcome:
        self.sends: list[list[float]] = [[] for _ in range(self.attacker.sides)]
        for _ in range(MOST_STEPS):
            if self.now >= YEAR or self._is_settled():
                break
            self._step()
        if self.now < YEAR:
            self._go_on_at_the_same_pace()
        return Outcome(self.compared)

    def _step(self) -> None:
        waited = self._until_short_enough()
        if waited > self.now:
            self.now = waited
            return
        side = min(self.sends, key=self._until_sent)
        waited = self._until_sent(side)
        if waited > self.now:
            self.now = waited
            return
        side.append(self.now)
        self._guess(self._digits())

    def _guess(self, digits: int) -> None:
        """As often as one code takes, while it is not too short."""
        for _ in range(self.rules.tries):
            if self._digits() > digits or self._until_allowed() > self.now:
                return
            self.compared[digits] += 1
            self.failures.append(self.now)

    def _digits(self) -> int:
        reached = [
            length for length, rates in self.rules.lengths.items() for rate in rates if self._until(rate) > self.now
        ]
        return max([self.rules.shortest, *reached])

    def _until_short_enough(self) -> float:
        """When codes are as short as the strategy wants them now, or it wants others."""
        wanted = self._wanted()
        waits = [self._until(rate) for length, rates in self.rules.lengths.items() if length > wanted for rate in rates]
        waited = max(waits, default=self.now)
        if waited <= self.now:
            return max(self.now, self._until_allowed())
        return min([waited, *(moment for moment in self.strategy if moment > self.now)])

    def _wanted(self) -> int:
        """The longest codes the strategy tries now."""
        passed = sum(self.now >= moment for moment in self.strategy)
        return self.rules.steps[passed]

    def _until_allowed(self) -> float:
        return max((self._until(rate) for rate in _failures(self.rules, self.attacker)), default=0.0)

    def _until(self, rate: Rate) -> float:
        """When the rate is not reached any more by the failures so far."""
        return _free_again(self.failures, rate)

    def _until_sent(self, side: list[float]) -> float:
        return max((_free_again(side, rate) for rate in _sends(self.rules, self.attacker)), default=0.0)

    def _is_settled(self) -> bool:
        """Whether nothing is waited for any more and the pace itself keeps codes as long as they are."""
        longest = self.rules.steps[-1]
        if self._wanted() < longest or self._digits() < longest:
            return False
        rates = self.rules.lengths[longest]
        return not rates or any(self._a_second() * rate.window.total_seconds() >= 2 * rate.count for rate in rates)

    def _a_second(self) -> float:
        """Guesses, in the long run."""
        sent = _pace(_sends(self.rules, self.attacker)) * self.attacker.sides
        return min(sent * self.rules.tries, _pace(_failures(self.rules, self.attacker)))

    def _go_on_at_the_same_pace(self) -> None:
        left = self._a_second() * (YEAR - self.now)
        self.compared[self._digits()] += left if math.isinf(left) else math.ceil(left)


def _pace(rates: Sequence[Rate]) -> float:
    """Events a second, in the long run."""
    return min((rate.count / rate.window.total_seconds() for rate in rates), default=FOREVER)


def _free_again(events: list[float], rate: Rate) -> float:
    """The moment from which on so many events are not in the window any more."""
    return events[-rate.count] + rate.window.total_seconds() if len(events) >= rate.count else 0.0
