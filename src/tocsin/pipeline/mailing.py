"""Prepare, for endpoints whose URL is mailto: delivery and event become the exact mail. Pure like its sibling."""

from __future__ import annotations

from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from tocsin.authorizing.oauth2 import Token
from tocsin.formats import Rendered
from tocsin.formats.mail import SUBJECT
from tocsin.model.endpoint import Endpoint
from tocsin.model.exchange import Outbound, OutboundMail
from tocsin.model.mail import MailFrom
from tocsin.model.replay import Replay
from tocsin.pipeline.prepare import Preparation
from tocsin.rules.mail import is_mail, recipients_of

_LONGEST_LINE: Final = 900
"""A line has 998 bytes at most (RFC 5322 section 2.1.1)."""


def preparation_of(endpoint: Endpoint, origin: str, mail_from: MailFrom | None = None) -> Preparation:
    """An endpoint made ready for sending, by HTTP or by mail. `origin` is the name under which receivers know this system.
    ValueError for settings that nothing can be sent with."""
    if not is_mail(endpoint.config.url):
        return Preparation(endpoint, origin)
    # Without a mail server nothing leaves; what would have left is shown all the same.
    return MailPreparation(endpoint, mail_from or MailFrom(name="Tocsin", address=f"tocsin@{origin}"))


class MailPreparation(Preparation):
    """One that makes mails: to whom, and from whom."""

    __slots__ = ("_from", "_list_id", "_recipients", "_sender")

    def __init__(self, endpoint: Endpoint, mail_from: MailFrom) -> None:
        self._render_by(endpoint)
        self.token_source = None
        self._recipients = recipients_of(endpoint.config.url)
        self._sender = mail_from
        self._from = Address(display_name=mail_from.name, addr_spec=mail_from.address)
        self._list_id = f"<{endpoint.id}.{mail_from.domain}>"

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
        mail = EmailMessage(policy=SMTP)
        mail["From"] = self._from
        mail["To"] = ", ".join(self._recipients)
        mail["Subject"] = _subject(rendered)
        mail["Date"] = format_datetime(datetime.fromtimestamp(timestamp, UTC))
        mail["Message-ID"] = f"<{webhook_id}.{self.endpoint.id}@{self._sender.domain}>"
        mail["List-Id"] = self._list_id
        mail["Auto-Submitted"] = "auto-generated"
        text = rendered.body.decode()
        mail.set_content(text, cte="7bit" if _is_plain(text) else "quoted-printable")
        return OutboundMail(
            url=self.endpoint.config.url,
            body=rendered.body,
            shown=tuple((name, str(value)) for name, value in mail.items()),
            timeout_seconds=self.endpoint.config.timeout_seconds,
            sender=self._sender.address,
            recipients=self._recipients,
            message=mail.as_bytes(),
        )


def _subject(rendered: Rendered) -> str:
    """Without what would be read as an encoded word, which could stand for anything (RFC 2047)."""
    given = next((value for name, value in rendered.headers if name == SUBJECT), "")
    return given.replace("=?", "= ?")


def _is_plain(text: str) -> bool:
    return text.isascii() and all(len(line) <= _LONGEST_LINE for line in text.split("\n"))
