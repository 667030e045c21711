"""What came of a load: every event counted at every endpoint that it is for, by id and by order. Pure, so that it can be shown to fail."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple


class Sent(NamedTuple):
    """An event that was submitted and answered 202: the `number`-th of its subject, from 0."""

    tenant: str
    subject: str
    number: int

    @property
    def id(self) -> str:
        return f"{self.tenant}/{self.subject}/{self.number}"

    @classmethod
    def of(cls, event_id: str) -> Sent:
        """ValueError when it is not an id of ours."""
        tenant, subject, number = event_id.split("/")
        return cls(tenant, subject, int(number))


class Target(NamedTuple):
    """An endpoint: what requests to it have as their path, and which events of its tenant it wants. `endpoint` is its id."""

    path: str
    tenant: str
    is_ordered: bool = False
    is_batch: bool = False
    wants: Callable[[Sent], bool] = lambda sent: True
    endpoint: str = ""


class Arrival(NamedTuple):
    """A request at a receiver. `is_taken`: it was answered with a 2xx. A batch has several events. `attempt` is the number that the
    request says it has."""

    path: str
    events: tuple[Sent, ...]
    webhook_id: str
    is_taken: bool = True
    at: float = 0.0
    attempt: int = 1


class Account(NamedTuple):
    """What was counted. Each fault is told as a line; none of these may be, except repeats within their bound."""

    lost: list[str]
    """Never taken by an endpoint that wanted it."""
    early: list[str]
    """Came to an ordered endpoint before an earlier one of its subject had been taken."""
    stale: list[str]
    """Came to an ordered endpoint once more, after a later one of its subject had been taken."""
    strange: list[str]
    """Not wanted, not submitted, under two webhook ids at one endpoint, or in a batch whose events changed."""
    repeats: Counter[str]
    """By the path of the endpoint: how many were taken again."""

    def repeated(self, targets: Iterable[Target]) -> int:
        """How many these took again."""
        return sum(self.repeats[target.path] for target in targets)


def count(submitted: Iterable[Sent], targets: Sequence[Target], arrivals: Iterable[Arrival]) -> Account:
    """`arrivals` in the order in which they came."""
    by_tenant: dict[str, list[Sent]] = defaultdict(list)
    for sent in submitted:
        by_tenant[sent.tenant].append(sent)
    counts = {t.path: _Count(t, [s for s in by_tenant[t.tenant] if t.wants(s)]) for t in targets}
    account = Account([], [], [], [], Counter())
    for arrival in arrivals:
        if (counted := counts.get(arrival.path)) is None:
            account.strange.append(f"{arrival.path} is nobody's")
        else:
            counted.add(arrival, account)
    for counted in counts.values():
        account.lost.extend(f"{counted.target.path}: {sent.id}" for sent in sorted(counted.wanted - counted.taken))
    return account


class _Count:
    """Of one endpoint."""

    def __init__(self, target: Target, wanted: Sequence[Sent]) -> None:
        self.target = target
        self.wanted = set(wanted)
        self.taken: set[Sent] = set()
        self._lines: dict[str, list[int]] = defaultdict(list)
        for sent in sorted(wanted):
            self._lines[sent.subject].append(sent.number)
        self._place = {sent: place for line in self._lines for place, sent in enumerate(self._of(line))}
        self._next: Counter[str] = Counter()
        self._webhook_ids: dict[Sent, str] = {}
        self._batches: dict[str, tuple[Sent, ...]] = {}

    def _of(self, subject: str) -> Iterable[Sent]:
        return (Sent(self.target.tenant, subject, number) for number in self._lines[subject])

    def add(self, arrival: Arrival, account: Account) -> None:
        path = arrival.path
        if not arrival.webhook_id:
            account.strange.append(f"{path}: no webhook id")
        if self.target.is_batch and self._batches.setdefault(arrival.webhook_id, arrival.events) != arrival.events:
            account.strange.append(f"{path}: {arrival.webhook_id} has other events than before")
        begun = self._next.copy()
        last = {sent.subject: sent for sent in arrival.events}
        for sent in arrival.events:
            if sent not in self.wanted:
                account.strange.append(f"{path}: {sent.id} is not for it")
                continue
            if (
                not self.target.is_batch
                and self._webhook_ids.setdefault(sent, arrival.webhook_id) != arrival.webhook_id
            ):
                account.strange.append(f"{path}: {sent.id} under two webhook ids")
            if self.target.is_ordered:
                self._judge_order(sent, begun, account, is_last=last[sent.subject] is sent)
            if arrival.is_taken:
                account.repeats[path] += sent in self.taken
                self.taken.add(sent)
        if arrival.is_taken:
            self._next = begun

    def _judge_order(self, sent: Sent, following: Counter[str], account: Account, *, is_last: bool) -> None:
        """`following`: by subject, the place of the first one that was not taken, as if this request had been, so far. A batch
        that comes again is judged by the last of each subject in it."""
        place, expected = self._place[sent], following[sent.subject]
        if place > expected:
            account.early.append(f"{self.target.path}: {sent.id}, {place - expected} before it were not taken")
        elif is_last and place < expected - 1:
            account.stale.append(f"{self.target.path}: {sent.id}, {expected - 1 - place} after it were taken")
        following[sent.subject] = max(expected, place + 1)


class Silence(NamedTuple):
    """So many seconds in which an endpoint took nothing, and when it ended."""

    seconds: float
    until: float
    path: str


def silences(arrivals: Iterable[Arrival], since: float, until: float) -> dict[str, Silence]:
    """By path: the longest, of those that ended or began between these moments."""
    last: dict[str, float] = {}
    longest: dict[str, Silence] = {}
    for arrival in arrivals:
        if not arrival.is_taken:
            continue
        before = last.get(arrival.path)
        last[arrival.path] = arrival.at
        if before is not None and arrival.at >= since and before <= until:
            one = Silence(arrival.at - before, arrival.at, arrival.path)
            longest[arrival.path] = max(longest.get(arrival.path, one), one)
    return longest
