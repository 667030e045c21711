"""A trial of a lab: one load on its nodes, whatever happens to them meanwhile, and everything counted in the end."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Final, Self

from tests.kit.counting import Account, Arrival, Sent, Target, count, silences
from tests.kit.lab import Lab, Node
from tests.kit.load import SUBJECTS, Load, Receivers, make_targets
from tests.kit.waiting import until

from tocsin.workers.rotation import CREDITS

TENANTS: Final = 12
PATIENCE_SECONDS: Final = 90


class Trial:
    """One load on a lab, with tenants, endpoints and receivers of its own. `hurts` counts how often a node was hurt by us, `fenced`
    how often others found one silent, which may be for a machine that is slow: each time, what was in flight on it may come twice."""

    def __init__(self, lab: Lab, seed: int, *, answer_seconds: float = 3) -> None:
        lab.trials += 1
        self.lab = lab
        self.chance = random.Random(seed)
        self.hurts = 0
        self._fenced_before = lab.fenced()
        self._tenants = [f"t{lab.trials}-{seed}-{number}" for number in range(TENANTS)]
        self._open = AsyncExitStack()
        self.receivers = Receivers(seed, lab.here)
        self.load = Load(lab.places, self._tenants, seed, answer_seconds)
        self.targets: list[Target] = []
        self.notes: list[str] = []
        self._hurt: list[Node] = []

    async def __aenter__(self) -> Self:
        try:
            await self.lab.restore()
            await self._open.enter_async_context(self.receivers)
            program = self.lab.nodes[0].program
            self.targets = await asyncio.to_thread(make_targets, program, self.receivers, self._tenants)
            await self._open.enter_async_context(self.load)
            await self.load.more()
            await self.caught_up()
        except BaseException:
            await self._open.aclose()
            raise
        self.began = time.time()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    @contextmanager
    def hurting(self, hurts: int = 1) -> Iterator[Node]:
        """One of the nodes that are whole, by the seed, to be hurt meanwhile."""
        node = self.chance.choice([node for node in self.lab.nodes if node not in self._hurt])
        self._hurt.append(node)
        self.hurts += hurts
        try:
            yield node
        finally:
            self._hurt.remove(node)

    @property
    def fenced(self) -> int:
        return self.lab.fenced() - self._fenced_before

    def note(self, what: str, seconds: float) -> None:
        """How long something took, for the line that is printed in the end."""
        self.notes.append(f"{what}: {seconds:.1f} s")

    async def until(self, look: Callable[[], bool]) -> None:
        """Wait for it, while the load goes on."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not look():
                await asyncio.sleep(0.02)

    async def until_in_thread(self, look: Callable[[], bool]) -> None:
        """The same, of what has to wait for an answer."""
        await until(look, seconds=PATIENCE_SECONDS)

    async def caught_up(self) -> float:
        """Until everything that was accepted so far has arrived; gives how many seconds that took."""
        began = time.monotonic()
        missing = self._missing()
        while missing := missing - self.receivers.taken:
            if time.monotonic() - began > PATIENCE_SECONDS:
                raise AssertionError(f"not within {PATIENCE_SECONDS} s: {await self._told(missing)}")
            await asyncio.sleep(0.05)
        return time.monotonic() - began

    async def finish(self) -> Account:
        """Submit nothing more, and count, once everything is settled. What must hold in any case is asserted here."""
        healed = time.time()
        await self.load.stop()
        await self.caught_up()
        await until(lambda: not self._listed("pending"), seconds=PATIENCE_SECONDS)
        assert await asyncio.to_thread(self._listed, "dead") == []
        arrivals = await asyncio.to_thread(self._as_sent)
        account = count(self.load.submitted, self.targets, arrivals)
        await asyncio.to_thread(self._tell, account, healed)
        assert account.lost == [], account.lost[:10]
        assert account.early == [], account.early[:10]
        assert account.stale == [], account.stale[:10]
        assert account.strange == [], account.strange[:10]
        swept = await asyncio.to_thread(self._swept)
        assert swept == [], f"due, and nobody had it: {swept}"
        hurts = self.hurts + self.fenced
        for target in self.targets:
            if target.is_ordered and not target.is_batch:
                assert account.repeats[target.path] <= hurts * SUBJECTS, target.path
        assert account.repeats.total() <= hurts * CREDITS
        return account

    def _as_sent(self) -> list[Arrival]:
        """What arrived, as who sent it knows: what was answered when the time for it was over was not taken. Looked up of what was
        taken more than once."""
        arrivals = self.receivers.arrivals
        taken = Counter((one.path, one.webhook_id) for one in arrivals if one.is_taken)
        late = {
            (path, webhook_id, attempt)
            for (path, webhook_id), times in taken.items()
            if times > 1
            for attempt in self._timed_out(path, webhook_id)
        }
        if late:
            print("answered too late:", *sorted(late))
        return [
            one._replace(is_taken=one.is_taken and (one.path, one.webhook_id, one.attempt) not in late)
            for one in arrivals
        ]

    def _timed_out(self, path: str, webhook_id: str) -> list[int]:
        """The numbers of the attempts that were given up as nobody had answered."""
        program = next(node.program for node in self.lab.nodes if node.is_up)
        target = next(target for target in self.targets if target.path == path)
        which = (
            f"{'batch' if target.is_batch else 'event'}={webhook_id}&endpoint={target.endpoint}&tenant={target.tenant}"
        )
        delivery = program.get(f"/v1/deliveries?{which}&limit=1").json["items"][0]
        attempts = program.get(f"/v1/deliveries/{delivery['id']}?tenant={target.tenant}").json["attempts"]
        return [attempt["number"] for attempt in attempts if (attempt["error"] or {}).get("kind") == "timeout"]

    def _swept(self) -> list[str]:
        """The endpoints of this trial in which something was due that nobody had, as the nodes' logs say."""
        logs = self.lab.logs()
        numbers = set(re.findall(r'"endpoint": (\d+), "lane": \d+, "event": "delivery.swept"', logs))
        ids = {endpoint_id for number, endpoint_id in self.lab.endpoints() if str(number) in numbers}
        return [target.path for target in self.targets if target.endpoint in ids]

    def _missing(self) -> set[tuple[str, Sent]]:
        wanted = {tenant: [t for t in self.targets if t.tenant == tenant] for tenant in self._tenants}
        return {(t.path, sent) for sent in self.load.submitted for t in wanted[sent.tenant] if t.wants(sent)}

    def _listed(self, state: str) -> list[str]:
        """Deliveries in that state, as the API shows them."""
        program = next(node.program for node in self.lab.nodes if node.is_up)
        found = []
        for tenant in self._tenants:
            answer = program.get(f"/v1/deliveries?tenant={tenant}&state={state}&limit=20")
            assert answer.status == 200, answer
            found += [str(item) for item in answer.json["items"]]
        return found

    async def _told(self, missing: set[tuple[str, Sent]]) -> str:
        """What is known of those that did not come, for whoever looks for the reason."""
        some = [f"{path}: {sent.id}" for path, sent in sorted(missing)[:20]]
        try:
            pending = await asyncio.to_thread(self._listed, "pending")
        except (OSError, AssertionError, StopIteration) as error:
            pending = [repr(error)]
        logs = [f"{node.name}: {node.log.read_text()[-3000:]}" for node in self.lab.nodes if node.log.exists()]
        return "\n".join([f"{len(missing)}, such as", *some, f"pending: {len(pending)}", *pending[:5], *logs])

    def _tell(self, account: Account, healed: float) -> None:
        longest = silences(self.receivers.arrivals, self.began, healed)
        worst = [
            max((silence for path, silence in longest.items() if path.endswith(kind)), default=None)
            for kind in ("ordered", "loose", "batches")
        ]
        told = [
            f"{s.path} {s.seconds:.1f} s until {time.strftime('%H:%M:%S', time.gmtime(s.until))}" for s in worst if s
        ]
        print(
            f"accepted {len(self.load.submitted)} {dict(self.load.outcomes)}, refused {dict(self.load.refused)}, "
            f"arrivals {len(self.receivers.arrivals)}, again {account.repeats.total()} for {self.hurts} hurts, "
            f"longest silence {', '.join(told)}; " + ", ".join(self.notes)
        )
