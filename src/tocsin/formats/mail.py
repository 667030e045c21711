"""Mail for people: a subject and a plain text. The mail around them is made where the request is prepared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tocsin.formats.plain_text import line
from tocsin.formats.rendering import Rendered, setting_of
from tocsin.formats.summary import Summary
from tocsin.formats.telling import Digest, Teller
from tocsin.model.endpoint import EmailFormat, EndpointConfig

TEXT: Final = "text/plain; charset=utf-8"
SUBJECT: Final = "Subject"
_MAX_SUBJECT: Final = 250


class EmailRenderer(Teller):
    """`subject_prefix` and `link` of the endpoint, whose name stands at the end: so one knows what to look for."""

    most_named = 100

    def __init__(self, config: EndpointConfig) -> None:
        setting = setting_of(config, EmailFormat)
        super().__init__(setting.subject_prefix, setting.link)
        self._sender = f"Sent by Tocsin for its endpoint {line(config.name, 256)}"

    def told(self, summary: Summary, link: str | None) -> Rendered:
        width = max((len(label) for label, _ in summary.facts), default=0) + 2
        text = [
            summary.headline,
            "",
            *(f"{label + ':':{width}}{value}" for label, value in summary.facts),
            *(("", *summary.words) if summary.words else ()),
            *(("", link) if link is not None else ()),
        ]
        return self._mail(summary.headline, text, summary.footer)

    def summed_up(self, digest: Digest) -> Rendered:
        text = [
            digest.headline,
            "",
            *digest.counts,
            "",
            *(f"- {entry}" for entry in digest.named),
            *((f"and {digest.more} more",) if digest.more else ()),
        ]
        return self._mail(f"{digest.headline}: {', '.join(digest.counts)}", text, digest.footer)

    def _mail(self, headline: str, text: Sequence[str], footer: str) -> Rendered:
        body = "\n".join((*text, "", "--", f"{self._sender}: {footer}", ""))
        subject = line(f"{self._title}{headline}", _MAX_SUBJECT)
        return Rendered(content_type=TEXT, headers=((SUBJECT, subject),), body=body.encode())
