"""Slack messages, by incoming webhooks: a text for notifications, and blocks.

Source: docs.slack.dev, "Block Kit" (section: 3000 characters, 10 fields of 2000; 50 blocks), "Formatting message text" (`&`,
`<` and `>` are escaped; `verbatim` leaves plain names and addresses alone, so that only what is in angle brackets becomes a
link or a mention, and we alone write those).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from tocsin.formats.plain_text import ELLIPSIS, cut, inert
from tocsin.formats.rendering import JSON, Rendered, encode, setting_of
from tocsin.formats.summary import Summary, Tone
from tocsin.formats.telling import Digest, Teller
from tocsin.model.endpoint import EndpointConfig, SlackFormat

SECTION: Final = 3000
_MARKS: Final[dict[Tone, str]] = {"bad": "\U0001f534 ", "warning": "\U0001f7e0 ", "good": "\U0001f7e2 ", "neutral": ""}
_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class Text(msgspec.Struct, frozen=True):
    """A text object."""

    text: str
    type: Literal["mrkdwn"] = "mrkdwn"
    verbatim: bool = True


class Section(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="section"):
    """A text, or fields in two columns."""

    text: Text | None = None
    fields: tuple[Text, ...] = ()


class Context(msgspec.Struct, frozen=True, tag_field="type", tag="context"):
    """Small print."""

    elements: tuple[Text, ...]


class Message(msgspec.Struct, frozen=True):
    """What the webhook takes. `text` is what notifications show."""

    text: str
    blocks: tuple[Section | Context, ...]


class SlackRenderer(Teller):
    """`title` and `link` of the endpoint."""

    most_named = 20

    def __init__(self, config: EndpointConfig) -> None:
        setting = setting_of(config, SlackFormat)
        super().__init__(setting.title, setting.link)

    def told(self, summary: Summary, link: str | None) -> Rendered:
        headline = f"{_MARKS[summary.tone]}{self._title}{summary.headline}"
        blocks: list[Section | Context] = [_bold(headline)]
        if summary.facts:
            blocks.append(Section(fields=tuple(_field(label, value) for label, value in summary.facts)))
        if summary.words:
            blocks.append(Section(text=Text(escaped("\n".join(summary.words), SECTION))))
        if link is not None:
            blocks.append(Section(text=Text(f"<{link.translate(_ESCAPES)}|Open>")))
        return _message(headline, blocks, summary.footer)

    def summed_up(self, digest: Digest) -> Rendered:
        headline = f"{_MARKS[digest.tone]}{self._title}{digest.headline}: {', '.join(digest.counts)}"
        blocks: list[Section | Context] = [_bold(headline)]
        entries = [f"\u2022 {entry}".translate(_ESCAPES) for entry in digest.named]
        if digest.more:
            entries.append(f"and {digest.more} more")
        blocks.extend(Section(text=Text(text)) for text in _packed(entries))
        return _message(headline, blocks, digest.footer)


def escaped(text: str, limit: int) -> str:
    """The text with what Slack reads as control characters escaped, at most `limit` characters long."""
    whole = text.translate(_ESCAPES)
    if len(whole) <= limit:
        return whole
    kept, length = 0, len(ELLIPSIS)
    for character in text:
        length += len(character.translate(_ESCAPES))
        if length > limit:
            break
        kept += 1
    return text[:kept].translate(_ESCAPES) + ELLIPSIS


def _bold(headline: str) -> Section:
    return Section(text=Text(f"*{escaped(headline, SECTION - 2)}*"))


def _field(label: str, value: str) -> Text:
    return Text(f"*{label.translate(_ESCAPES)}*\n{escaped(value, 1500)}")


def _packed(entries: Sequence[str]) -> list[str]:
    """The entries as lines of as few texts as hold them."""
    texts: list[str] = []
    for entry in entries:
        if texts and len(texts[-1]) + 1 + len(entry) <= SECTION:
            texts[-1] += f"\n{entry}"
        else:
            texts.append(entry)
    return texts


def _message(headline: str, blocks: list[Section | Context], footer: str) -> Rendered:
    """With the headline once more, for notifications. There is no `verbatim` there, so names in it are made inert."""
    small = Context((Text(escaped(footer, SECTION)),))
    text = inert(cut(headline, 500)).translate(_ESCAPES)
    return Rendered(content_type=JSON, body=encode(Message(text=text, blocks=(*blocks, small))))
