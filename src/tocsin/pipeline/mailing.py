"""Prepare, for endpoints whose URL is mailto: delivery and event become the exact mail. Pure like its sibling.

The standard library's `EmailMessage` takes milliseconds of the event loop for each mail; the few headers here are written out.
Source: RFC 5322, RFC 2045 (quoted-printable), RFC 2047 (encoded words), RFC 2919 (List-Id), RFC 3834 (Auto-Submitted).
"""

from __future__ import annotations

from base64 import b64encode
from binascii import b2a_qp
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final

from tocsin.authorizing.oauth2 import Token
from tocsin.formats import Rendered
from tocsin.formats.mail import SUBJECT, TEXT
from tocsin.model.endpoint import Endpoint
from tocsin.model.exchange import HeaderPairs, Outbound, OutboundMail
from tocsin.model.mail import MailFrom
from tocsin.model.replay import Replay
from tocsin.pipeline.prepare import Preparation
from tocsin.rules.mail import is_mail, recipients_of

_LONGEST_LINE: Final = 900
"""A line has 998 bytes at most (RFC 5322 section 2.1.1)."""
_LONGEST_PLAIN: Final = 66
_WORD_BYTES: Final = 42
"""An encoded word has 75 characters at most, its envelope included (RFC 2047 section 2)."""


def preparation_of(endpoint: Endpoint, origin: str, mail_from: MailFrom | None = None) -> Preparation:
    """An endpoint made ready for sending, by HTTP or by mail. `origin` is the name under which receivers know this system.
    ValueError for settings that nothing can be sent with."""
    if not is_mail(endpoint.config.url):
        return Preparation(endpoint, origin)
    # Without a mail server nothing leaves; what would have left is shown all the same.
    return MailPreparation(endpoint, mail_from or MailFrom(name="Tocsin", address=f"tocsin@{origin}"))


class MailPreparation(Preparation):
    """One that makes mails: to whom, and from whom."""

    __slots__ = ("_domain", "_recipients", "_sender", "_start")

    def __init__(self, endpoint: Endpoint, mail_from: MailFrom) -> None:
        self._render_by(endpoint)
        self.pool = ""
        self.token_source = None
        self._recipients = recipients_of(endpoint.config.url)
        self._sender = mail_from.address
        self._domain = mail_from.domain
        name = f"{_phrase(mail_from.name)} " if mail_from.name else ""
        self._start: HeaderPairs = (
            ("From", f"{name}<{mail_from.address}>"),
            ("To", ",\r\n ".join(self._recipients)),
            ("List-Id", f"<{endpoint.id}.{mail_from.domain}>"),
            ("Auto-Submitted", "auto-generated"),
            ("MIME-Version", "1.0"),
            ("Content-Type", TEXT),
        )

    def _outbound(  # noqa: PLR0917 (the parts of a request, in their order)
        self,
        webhook_id: str,
        number: int,  # noqa: ARG002 (mails of several attempts are the same mail)
        timestamp: int,
        trace: str,  # noqa: ARG002
        rendered: Rendered,
        token: Token | None,  # noqa: ARG002
        replay: Replay | None,  # noqa: ARG002
    ) -> Outbound:
        """The Message-ID is of the event and the endpoint, so that mail programs show a mail that came twice once."""
        subject = next((value for name, value in rendered.headers if name == SUBJECT), "")
        encoding, text = _encoded(rendered.body)
        own: HeaderPairs = (
            ("Date", format_datetime(datetime.fromtimestamp(timestamp, UTC))),
            ("Message-ID", f"<{webhook_id}.{self.endpoint.id}@{self._domain}>"),
            ("Content-Transfer-Encoding", encoding),
        )
        headers = (*self._start, *own, ("Subject", _unstructured(subject)))
        head = "".join([f"{name}: {value}\r\n" for name, value in headers])
        return OutboundMail(
            url=self.endpoint.config.url,
            body=rendered.body,
            shown=(*((name, value.replace("\r\n", "")) for name, value in (*self._start, *own)), ("Subject", subject)),
            timeout_seconds=self.endpoint.config.timeout_seconds,
            sender=self._sender,
            recipients=self._recipients,
            message=head.encode("ascii") + b"\r\n" + text,
        )


def _phrase(name: str) -> str:
    """A name before an address."""
    if name.isascii() and name.isprintable() and len(name) <= _LONGEST_PLAIN:
        return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return "\r\n ".join(_words(name))


def _unstructured(text: str) -> str:
    """As it is where that is short and plain, else encoded; what looks like an encoded word could stand for anything."""
    if text.isascii() and text.isprintable() and len(text) <= _LONGEST_PLAIN and "=?" not in text:
        return text
    return "\r\n ".join(_words(text))


def _words(text: str) -> Iterator[str]:
    """Encoded words, each of whole characters."""
    chunk = b""
    for character in text:
        more = character.encode(errors="replace")
        if len(chunk) + len(more) > _WORD_BYTES:
            yield f"=?utf-8?b?{b64encode(chunk).decode()}?="
            chunk = b""
        chunk += more
    if chunk:
        yield f"=?utf-8?b?{b64encode(chunk).decode()}?="


def _encoded(body: bytes) -> tuple[str, bytes]:
    """The name of the encoding, and the text in it."""
    text = body.replace(b"\r", b"").replace(b"\n", b"\r\n")
    if text.isascii() and all(len(line) <= _LONGEST_LINE for line in text.split(b"\r\n")):
        return "7bit", text
    return "quoted-printable", b2a_qp(text)
