"""Lists of endpoints: by state, by format, by what stands in the name or the URL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from tocsin.model.endpoint import Standing
from tocsin.model.ids import Millis
from tocsin.model.noun import Noun
from tocsin.operations.pieces import Pieces
from tocsin.ports import EndpointQuery, Rows, StoredEndpoint, Views
from tocsin.rules.health import EndpointState, endpoint_state

_PAGE: Final = 200
_LOOKED_AT: Final = 5000
"""Endpoints that one page of a list looks at, at most: then it ends, and says where to go on."""


class EndpointsAsked(Noun, frozen=True, kw_only=True):
    """Which endpoints are wanted; None: whatever it is. `search` stands in the name or the URL, in any case of letters."""

    state: EndpointState | None = None
    format: str | None = None
    search: str | None = None


class _Format(msgspec.Struct):
    kind: str


class _Settings(msgspec.Struct):
    """What is looked at of an endpoint's stored settings: no secret is opened."""

    name: str
    url: str
    enabled: bool
    format: _Format


_decode: Final = msgspec.json.Decoder(_Settings).decode


class EndpointLists:
    """Lists of the endpoints that a caller may see. `standing` is asked by endpoint number."""

    def __init__(self, views: Views, standing: Callable[[int], Standing | None], now_ms: Callable[[], Millis]) -> None:
        self._views = views
        self._standing = standing
        self._now_ms = now_ms

    async def page(self, query: EndpointQuery, asked: EndpointsAsked) -> Rows[StoredEndpoint]:
        """A page, newest first."""
        if asked == EndpointsAsked():
            return Rows(await self._views.endpoints(query))
        found: Rows[StoredEndpoint] = Rows()
        now, pieces, before = self._now_ms(), Pieces(), query.before
        search = None if asked.search is None else asked.search.casefold()
        for _ in range(_LOOKED_AT // _PAGE):
            rows = await self._views.endpoints(EndpointQuery(tenant=query.tenant, limit=_PAGE, before=before))
            for row in rows:
                await pieces.step()
                if self._is_wanted(row, asked, search, now):
                    found.append(row)
                    if len(found) == query.limit:
                        return found
            if len(rows) < _PAGE:
                return found
            before = rows[-1].number
        found.rest = before
        return found

    def _is_wanted(self, row: StoredEndpoint, asked: EndpointsAsked, search: str | None, now: Millis) -> bool:
        settings = _decode(row.config)
        if asked.format is not None and settings.format.kind != asked.format:
            return False
        if search is not None and search not in settings.name.casefold() and search not in settings.url.casefold():
            return False
        if asked.state is None:
            return True
        standing = self._standing(row.number) or Standing(endpoint=row.number)
        return endpoint_state(settings.enabled, standing, now)[0] == asked.state
