"""Several events in one body: the array of what each would be alone, or a digest for people, where the format has either."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tocsin.formats.rendering import JSON, Rendered
from tocsin.model.endpoint import (
    CloudEventsFormat,
    EmailFormat,
    FormatSetting,
    LyticsFormat,
    SlackFormat,
    TamrFormat,
    TeamsFormat,
    TemplateFormat,
)

CLOUDEVENTS_BATCH: Final = "application/cloudevents-batch+json"
"""CloudEvents JSON format section 4.2."""


def batch_content_type(setting: FormatSetting) -> str | None:
    """The content type of an array in this format; None when the format has none."""
    match setting:
        case CloudEventsFormat(mode="structured") | TamrFormat():
            return CLOUDEVENTS_BATCH
        case LyticsFormat():
            return JSON
        case TemplateFormat(content_type=content_type):
            return content_type
        case _:
            return None


def takes_batches(setting: FormatSetting) -> bool:
    """Whether there is a form for several events in this format."""
    return isinstance(setting, SlackFormat | TeamsFormat | EmailFormat) or batch_content_type(setting) is not None


def batched(bodies: Sequence[bytes], content_type: str) -> Rendered:
    """A JSON array of bodies that are JSON each."""
    return Rendered(content_type=content_type, body=b"[" + b",".join(bodies) + b"]")
