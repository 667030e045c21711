"""What the pages need of the API: calls in the same process, as the caller of the session, answered with bytes and a status."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Protocol, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from tocsin.model.access import Caller
from tocsin.model.noun import Noun

T = TypeVar("T")
Query = Mapping[str, str | int | None]
"""Query parameters; those that are None or empty are left out."""


class FieldProblem(Noun, frozen=True):
    """One bad field: a JSON pointer, or the name of a query parameter."""

    pointer: str
    detail: str


class ProblemShown(Noun, frozen=True, kw_only=True):
    """A problem document of the API (RFC 9457)."""

    title: str
    status: int
    type: str = "about:blank"
    detail: str = ""
    errors: tuple[FieldProblem, ...] = ()


class ApiAnswer(Noun, frozen=True, kw_only=True):
    """What the API answered."""

    status: int
    body: bytes = b""

    @property
    def is_ok(self) -> bool:
        return self.status < 400

    def read(self, kind: type[T]) -> T:
        """The document. `kind` names the fields that a page wants; others are passed over."""
        return msgspec.json.decode(self.body, type=kind)

    @property
    def problem(self) -> ProblemShown:
        """What went wrong, of an answer that is not ok."""
        return self.read(ProblemShown)


class Calls(Protocol):
    """The API's side: answers as it does over HTTP, by the same routes, with the same checks."""

    async def __call__(self, caller: Caller, method: str, target: str, body: bytes, once: str = "") -> ApiAnswer:
        """`target` is the path with its query, both percent-encoded; `once` is an Idempotency-Key. Nothing is raised for what
        the caller did wrong."""
        ...

    def stream(self, caller: Caller, target: str) -> AsyncGenerator[bytes, None]:
        """A route that never ends, like the tail; ends with the server. Nothing is raised: a refusal is the only chunk,
        an event `refused` with the problem."""
        ...


class Refused(Exception):
    """The API refused what a page cannot do without; the shell shows its problem."""

    def __init__(self, problem: ProblemShown) -> None:
        super().__init__(problem.title)
        self.problem = problem


class Api:
    """The API as one request of the web interface calls it. `made` are the calls that give the page, and those of its form, as
    people could make them."""

    __slots__ = ("_caller", "_calls", "_tenant", "made")

    def __init__(self, calls: Calls, caller: Caller, tenant: str | None) -> None:
        self._calls = calls
        self._caller = caller
        self._tenant = tenant
        self.made: list[str] = []

    async def get(self, path: str, query: Query | None = None) -> ApiAnswer:
        """Read. The tenant that the page is about is added, unless the query names one (None: for all)."""
        target = self._target(path, query)
        self.made.append(f"GET {target}")
        return await self._calls(self._caller, "GET", target, b"")

    async def read(self, path: str, kind: type[T], query: Query | None = None) -> T:
        """Read a document that the page cannot do without. Raises Refused."""
        answer = await self.get(path, query)
        if not answer.is_ok:
            raise Refused(answer.problem)
        return answer.read(kind)

    async def send(
        self, method: str, path: str, document: object = None, query: Query | None = None, *, once: str = ""
    ) -> ApiAnswer:
        """Change something: `POST`, `PATCH`, `PUT` or `DELETE`. `once`: a form that is sent twice, with the same, changes once."""
        body = b"" if document is None else msgspec.json.encode(document)
        return await self._calls(self._caller, method, self._target(path, query), body, once)

    async def change(self, method: str, path: str, document: object = None, query: Query | None = None) -> ApiAnswer:
        """The same where there is no form to go back to. Raises Refused."""
        answer = await self.send(method, path, document, query)
        if not answer.is_ok:
            raise Refused(answer.problem)
        return answer

    def stream(self, path: str, query: Query | None = None) -> AsyncGenerator[bytes, None]:
        """A route that never ends."""
        return self._calls.stream(self._caller, self._target(path, query))

    def note(self, path: str, query: Query | None = None, method: str = "GET") -> None:
        """What the page's script asks by itself, or its form sends: it stands in the footer too."""
        self.made.append(f"{method} {self._target(path, query)}")

    def _target(self, path: str, query: Query | None) -> str:
        given: dict[str, str | int | None] = {"tenant": self._tenant, **(query or {})}
        return target_of(path, given)


def target_of(path: str, query: Query) -> str:
    """A path with its query. Names within the path have been escaped by `segment`."""
    kept = {name: str(value) for name, value in query.items() if value not in {None, ""}}
    return f"{path}?{urlencode(kept, quote_via=quote, safe=':,*')}" if kept else path


def segment(name: str) -> str:
    """A name that may hold any character, as one segment of a path."""
    return quote(name, safe="")
