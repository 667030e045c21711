"""What every payload format shares: the rendered bytes, the renderer, and how a vendor's words are written down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol, TypeVar

import msgspec

from tocsin.model.endpoint import EndpointConfig
from tocsin.model.event_view import EventView
from tocsin.model.exchange import HeaderPairs
from tocsin.model.noun import Noun
from tocsin.model.setting import Setting

JSON: Final = "application/json"

SettingT = TypeVar("SettingT", bound=Setting)

encode: Final = msgspec.json.Encoder().encode


class Rendered(Noun, frozen=True, kw_only=True):
    """An event in one format. `headers` are those of the format itself (`ce-*` in CloudEvents binary mode)."""

    content_type: str
    body: bytes
    headers: HeaderPairs = ()


class Expressing(Protocol):
    """A format with the settings of one endpoint, as far as fan-out is concerned. Pure."""

    def expresses(self, view: EventView) -> bool:
        """Whether the format has words for this event; if not, nothing is sent."""


class Renderer(Expressing, Protocol):
    """One that renders by itself, as all do but templates. Pure."""

    def render(self, view: EventView) -> Rendered:
        """The event in this format; only for an event that it expresses."""


class Expression(Noun, frozen=True):
    """A vendor's word for one of our event types, and the condition under which it is said (empty: always)."""

    word: str
    only: str = ""


Expressions = Mapping[str, Expression]
"""By event type. An event type that is absent is not sent."""


def setting_of(config: EndpointConfig, kind: type[SettingT]) -> SettingT:
    """The format settings of `config`, which must be of this kind. TypeError otherwise: a defect of the caller."""
    setting = config.format
    if not isinstance(setting, kind):
        raise TypeError(f"the format is {type(setting).__name__}, not {kind.__name__}")
    return setting
