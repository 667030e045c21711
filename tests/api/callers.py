"""Callers of one tenant of their own, so that tests can share a server."""

from __future__ import annotations

from itertools import count
from typing import Any

from tests.kit.server import Answer, Server

_numbers = count(1)


class Caller:
    """The keys of a tenant that no other test uses. Calls are made as its admin unless told otherwise."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.tenant = f"tenant-{next(_numbers)}"
        self._keys: dict[str, str] = {}

    def key(self, role: str) -> str:
        if role not in self._keys:
            made = self.server.post("/v1/api-keys", {"name": role, "role": role, "tenant": self.tenant})
            assert made.status == 201, made
            self._keys[role] = made.json["value"]
        return self._keys[role]

    def call(self, method: str, path: str, body: object = None, *, role: str = "admin", **options: Any) -> Answer:
        return self.server.call(method, path, body, key=self.key(role), **options)

    def post(self, path: str, body: object = None, **options: Any) -> Answer:
        return self.call("POST", path, body, **options)

    def get(self, path: str, **options: Any) -> Answer:
        return self.call("GET", path, **options)

    def endpoint(self, **fields: object) -> dict[str, Any]:
        """Create an endpoint that nobody answers at; gives the answer."""
        made = self.post("/v1/endpoints", {"name": "e", "url": "http://127.0.0.1:9/"} | fields)
        assert made.status == 201, made
        return made.json


def problem_of(answer: Answer) -> tuple[str, int, list[str]]:
    """Slug, status and pointers of a problem document, checked to be one."""
    assert answer.headers["content-type"] == "application/problem+json", answer
    document = answer.json
    assert document["status"] == answer.status
    assert document["title"]
    kind = document["type"]
    assert kind.startswith("/problems/")
    return kind.removeprefix("/problems/"), answer.status, [error["pointer"] for error in document.get("errors", [])]
