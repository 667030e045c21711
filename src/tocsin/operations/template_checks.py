"""What must hold of a template beyond the types of its fields: names and content type at once, the programs by trying."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from tocsin.errors import FieldError, InvalidRequest
from tocsin.formats import Rendered, Template
from tocsin.formats.samples import FOREIGN_TYPE, SAMPLE_TENANT, SAMPLE_TYPES, sample_event
from tocsin.model.endpoint import Endpoint, EndpointConfig, TemplateFormat
from tocsin.model.event_view import EventView
from tocsin.model.ids import EndpointId
from tocsin.operations.endpoint_codec import with_fields
from tocsin.operations.pointers import escaped, said
from tocsin.pipeline.rendering import rendered
from tocsin.ports import NoValue, Templates
from tocsin.rules.header_fields import check_header
from tocsin.rules.matching import wants

_NOT_BY_TEMPLATE: Final = {
    "content-type": "The content type of a template is its setting content_type.",
    "authorization": "A template cannot authorize.",
}
_UNUSABLE: Final = frozenset({"not_compiled", "killed"})
_MEDIA_TYPE: Final = re.compile(r"[\w!#$%&'*+.^`|~-]+/[\w!#$%&'*+.^`|~-]+(?:[ \t]*;[ -~\t]*[!-~])?", re.ASCII)


def template_errors(config: EndpointConfig, taken: Mapping[str, str]) -> Iterator[FieldError]:
    """What can be said without evaluating; `taken` are lower-case names of headers that authorization and signing set, with
    what to say about them."""
    if not isinstance(config.format, TemplateFormat):
        return
    if _MEDIA_TYPE.fullmatch(config.format.content_type) is None:
        yield FieldError("/format/content_type", "A content type looks like application/json (RFC 9110 section 8.3.1).")
    rows = {row.name.lower(): f"The header {row.name} is there twice." for row in config.headers}
    known = rows | dict(taken) | _NOT_BY_TEMPLATE
    for name in config.format.headers:
        pointer = f"/format/headers/{escaped(name)}"
        said_of = known.setdefault(name.lower(), "")
        if said_of:
            yield FieldError(pointer, said_of)
        else:
            yield from said(lambda: check_header(name, ""), pointer)  # noqa: B023 (called at once)
            known[name.lower()] = f"The header {name} is there twice."


async def check_programs(config: EndpointConfig, templates: Templates) -> None:
    """Raises InvalidRequest when a program does not compile or had to be stopped, and when the template fails for every
    sample event that the endpoint wants. Producers' own event types are not judged by: samples of them are made up."""
    if not isinstance(config.format, TemplateFormat):
        return
    template = Template(config)
    pointers = ("/format/program", *(f"/format/headers/{escaped(name)}" for name in config.format.headers))
    document = template.document(_sample(FOREIGN_TYPE))
    for pointer, program in zip(pointers, template.programs, strict=True):
        gave = await templates.evaluate((program,), document)
        if isinstance(gave, NoValue) and gave.cause in _UNUSABLE:
            raise InvalidRequest.at(pointer, f"The program {gave.message}.")
    first: InvalidRequest | None = None
    for kind, view in _wanted(config):
        made = await rendered(template, view, templates)
        if isinstance(made, Rendered) or not made.is_failure:
            return
        first = first or InvalidRequest.at(
            pointers[made.program], f"With every sample event that the endpoint wants it fails; {kind}: {made.reason}."
        )
        if made.cause in _UNUSABLE:
            break
    if first is not None:
        raise first


def _wanted(config: EndpointConfig) -> Iterator[tuple[str, EventView]]:
    """Samples of Tocsin's own event types that the endpoint's filters match."""
    endpoint = Endpoint(
        number=0,
        id=EndpointId(""),
        tenant=SAMPLE_TENANT,
        revision=0,
        active_from=-1,
        created_at=0,
        config=with_fields(config, enabled=True),
    )
    for kind in SAMPLE_TYPES:
        if kind != FOREIGN_TYPE and wants(endpoint, view := _sample(kind)):
            yield kind, view


def _sample(kind: str) -> EventView:
    event = sample_event(kind)
    assert event is not None, kind
    return EventView(event)
