"""Microsoft Teams messages, by webhooks of Workflows: a message with an Adaptive Card.

All that an event says stands in text runs, which have no Markdown; text blocks and facts would have. No `entities` are sent, so
that nothing can be a mention.
Source: learn.microsoft.com, "Create incoming webhooks with Workflows" (28 KB), "Format cards in Teams"; adaptivecards.io,
RichTextBlock and TextRun (since 1.2).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from tocsin.formats.plain_text import inert
from tocsin.formats.rendering import JSON, Rendered, encode, setting_of
from tocsin.formats.summary import Summary, Tone
from tocsin.formats.telling import Digest, Teller
from tocsin.model.endpoint import EndpointConfig, TeamsFormat

MAX_BYTES: Final = 28_000
_COLOURS: Final[dict[Tone, str]] = {"bad": "Attention", "warning": "Warning", "good": "Good", "neutral": "Default"}


class TextRun(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel", tag_field="type", tag="TextRun"
):
    """A piece of text without Markdown."""

    text: str
    size: Literal["Default", "Large"] = "Default"
    weight: Literal["Default", "Bolder"] = "Default"
    color: str = "Default"
    is_subtle: bool = False
    font_type: Literal["Default", "Monospace"] = "Default"


class Paragraph(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type", tag="RichTextBlock"):
    """Text runs in a line."""

    inlines: tuple[TextRun, ...]
    spacing: Literal["Default", "None", "Small", "Medium"] = "Default"


class OpenUrl(msgspec.Struct, frozen=True, tag_field="type", tag="Action.OpenUrl"):
    """A button that opens a page."""

    url: str
    title: str = "Open"


class FullWidth(msgspec.Struct, frozen=True):
    """What only Teams understands of a card."""

    width: Literal["Full"] = "Full"


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """An Adaptive Card."""

    schema: str = msgspec.field(name="$schema", default="http://adaptivecards.io/schemas/adaptive-card.json")
    type: Literal["AdaptiveCard"] = "AdaptiveCard"
    version: Literal["1.4"] = "1.4"
    msteams: FullWidth = FullWidth()
    body: tuple[Paragraph, ...]
    actions: tuple[OpenUrl, ...]


class Attachment(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The card in its envelope."""

    content_type: str = "application/vnd.microsoft.card.adaptive"
    content_url: None = None
    content: Card


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What the webhook takes."""

    type: Literal["message"] = "message"
    attachments: tuple[Attachment, ...]


class TeamsRenderer(Teller):
    """`title` and `link` of the endpoint."""

    most_named = 20

    def __init__(self, config: EndpointConfig) -> None:
        setting = setting_of(config, TeamsFormat)
        super().__init__(setting.title, setting.link)

    def told(self, summary: Summary, link: str | None) -> Rendered:
        def body() -> Iterator[Paragraph]:
            yield _headline(f"{self._title}{summary.headline}", summary.tone)
            for label, value in summary.facts:
                runs = (TextRun(text=f"{inert(label)}: ", weight="Bolder"), TextRun(text=inert(value)))
                yield Paragraph(runs, spacing="Small")
            for number, words in enumerate(summary.words):
                run = TextRun(text=inert(words), font_type="Monospace")
                yield Paragraph((run,), spacing="None" if number else "Medium")
            yield _footer(summary.footer)

        return _message(tuple(body()), () if link is None else (OpenUrl(link),))

    def summed_up(self, digest: Digest) -> Rendered:
        def body() -> Iterator[Paragraph]:
            yield _headline(f"{self._title}{digest.headline}", digest.tone)
            yield Paragraph((TextRun(text=inert(", ".join(digest.counts))),))
            for entry in digest.named:
                yield Paragraph((TextRun(text=inert(f"\u2022 {entry}")),), spacing="Small")
            if digest.more:
                yield Paragraph((TextRun(text=f"and {digest.more} more"),), spacing="Small")
            yield _footer(digest.footer)

        return _message(tuple(body()), ())


def _headline(text: str, tone: Tone) -> Paragraph:
    return Paragraph((TextRun(text=inert(text), size="Large", weight="Bolder", color=_COLOURS[tone]),))


def _footer(text: str) -> Paragraph:
    return Paragraph((TextRun(text=inert(text), is_subtle=True),), spacing="Medium")


def _message(body: tuple[Paragraph, ...], actions: tuple[OpenUrl, ...]) -> Rendered:
    message = Message(attachments=(Attachment(content=Card(body=body, actions=actions)),))
    return Rendered(content_type=JSON, body=encode(message))
