"""How an event becomes a body and a content type: one module per payload format, and the table of formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from tocsin.formats import lytics, tamr, telmai, visier
from tocsin.formats.cloudevents import CloudEventsRenderer
from tocsin.formats.lytics import LyticsRenderer
from tocsin.formats.mail import EmailRenderer
from tocsin.formats.rendering import Expressing, Expression, Expressions, Rendered, Renderer
from tocsin.formats.samples import SAMPLE_TYPES, sample_event, sample_for
from tocsin.formats.slack import SlackRenderer
from tocsin.formats.standard_webhooks import StandardWebhooksRenderer
from tocsin.formats.tamr import TamrRenderer
from tocsin.formats.teams import TeamsRenderer
from tocsin.formats.telling import Teller
from tocsin.formats.telmai import TelmaiRenderer
from tocsin.formats.template import Template, Unrendered
from tocsin.formats.visier import VisierRenderer
from tocsin.model.endpoint import (
    CloudEventsFormat,
    EmailFormat,
    EndpointConfig,
    LyticsFormat,
    SlackFormat,
    StandardWebhooksFormat,
    TamrFormat,
    TeamsFormat,
    TelmaiFormat,
    TemplateFormat,
    VisierFormat,
)
from tocsin.model.setting import Setting

__all__ = [
    "EXPRESSIONS",
    "FORMATS",
    "KINDS",
    "SAMPLE_TYPES",
    "Expressing",
    "Expression",
    "Rendered",
    "Renderer",
    "Teller",
    "Template",
    "Unrendered",
    "renderer_of",
    "sample_event",
    "sample_for",
]

FORMATS: Final[Mapping[type[Setting], Callable[[EndpointConfig], Renderer | Template]]] = {
    CloudEventsFormat: CloudEventsRenderer,
    StandardWebhooksFormat: StandardWebhooksRenderer,
    TamrFormat: TamrRenderer,
    LyticsFormat: LyticsRenderer,
    TelmaiFormat: TelmaiRenderer,
    VisierFormat: VisierRenderer,
    TemplateFormat: Template,
    SlackFormat: SlackRenderer,
    TeamsFormat: TeamsRenderer,
    EmailFormat: EmailRenderer,
}
"""By type of setting: what makes the renderer of an endpoint."""

KINDS: Final[Mapping[str, type[Setting]]] = {
    str(setting.__struct_config__.tag): setting for setting in FORMATS if setting is not TemplateFormat
}
"""By `format.kind`, as it is written in an endpoint: those that say something of themselves, without a program."""

EXPRESSIONS: Final[Mapping[str, Expressions]] = {
    "tamr": tamr.EXPRESSIONS,
    "lytics": lytics.EXPRESSIONS,
    "telmai": telmai.EXPRESSIONS,
    "visier": visier.EXPRESSIONS,
}
"""By `format.kind`: the words of the formats that do not know every event type."""


def renderer_of(config: EndpointConfig) -> Renderer | Template:
    """The renderer of an endpoint, to be made once for each revision of it."""
    return FORMATS[type(config.format)](config)
