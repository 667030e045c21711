"""Templates: jq programs over the event as a structured CloudEvent. What evaluates them is elsewhere (the port `Templates`);
here is what they are evaluated over, and what is made of what they give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from tocsin.formats.cloudevents import CloudEventsRenderer
from tocsin.formats.rendering import Rendered, setting_of
from tocsin.model.endpoint import CloudEventsFormat, EndpointConfig, TemplateFormat
from tocsin.model.event_view import EventView
from tocsin.model.noun import Noun
from tocsin.ports import Cause, NoValue

_decode_raw: Final = msgspec.json.Decoder(msgspec.Raw).decode
_decode_text: Final = msgspec.json.Decoder(str).decode


class Unrendered(Noun, frozen=True, kw_only=True):
    """Why there is nothing to send: which program is to blame (0 the body's, then those of the headers), and what people
    are told."""

    cause: Cause
    reason: str
    program: int = 0

    @property
    def is_failure(self) -> bool:
        """Whether something is wrong; not so when the template wants nothing sent, or when it may be tried again."""
        return self.cause not in {"nothing", "busy"}


class Template:
    """The programs of an endpoint: of the body first, then of its headers."""

    __slots__ = ("_content_type", "_names", "_source", "programs")

    def __init__(self, config: EndpointConfig) -> None:
        setting = setting_of(config, TemplateFormat)
        self.programs = (setting.program, *setting.headers.values())
        self._content_type = setting.content_type
        self._names = tuple(setting.headers)
        self._source = CloudEventsRenderer(msgspec.structs.replace(config, format=CloudEventsFormat()))

    def expresses(self, view: EventView) -> bool:  # noqa: ARG002 (what it gives is seen only when it is evaluated)
        return True

    def document(self, view: EventView) -> bytes:
        """What the programs see: the event as the format `cloudevents` renders it."""
        return self._source.render(view).body

    def rendered(self, gave: Sequence[str] | NoValue) -> Rendered | Unrendered:
        """What is sent when the programs gave this; whether the texts can stand in headers is not looked at."""
        if isinstance(gave, NoValue):
            index = gave.program or 0
            cause = "failed" if gave.cause == "nothing" and index else gave.cause
            return self.failure(index, gave.message, cause)
        body = gave[0].encode()
        try:
            _decode_raw(body)
        except (msgspec.DecodeError, RecursionError):
            # jq writes a mark in place of what is nested more than 10 000 levels deep; receivers give up earlier
            return self.failure(0, "gave what is too deeply nested")
        headers: list[tuple[str, str]] = []
        for index, text in enumerate(gave[1:], start=1):
            try:
                headers.append((self._names[index - 1], _decode_text(text)))
            except msgspec.ValidationError:
                return self.failure(index, "gave no text")
        return Rendered(content_type=self._content_type, headers=tuple(headers), body=body)

    def failure(self, program: int, message: str, cause: Cause = "failed") -> Unrendered:
        """What is said when this program is to blame."""
        what = f"the template of the header {self._names[program - 1]}" if program else "the template"
        return Unrendered(cause=cause, program=program, reason=f"{what} {message}")
