"""What must hold of endpoints that tell people, and of the settings by which mail leaves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tocsin.config import Settings
from tocsin.errors import FieldError, Misconfigured
from tocsin.formats.plain_text import check_link
from tocsin.model.authorization import NoAuthorization
from tocsin.model.endpoint import EmailFormat, EndpointConfig, SlackFormat, TeamsFormat
from tocsin.model.mail import MailFrom, MailServer
from tocsin.model.signing import NoSigning
from tocsin.operations.pointers import said
from tocsin.rules.mail import is_mail, mail_from, mail_server, recipients_of

_NOT_FOR_MAIL: Final = "There is no such thing for mail: it leaves by the operator's mail server."


def mail_way_of(settings: Settings) -> tuple[MailServer, MailFrom] | None:
    """The mail server and whom mail comes from, where they are set. Raises Misconfigured, which names the setting."""
    if settings.smtp is None:
        return None
    if not settings.mail_from:
        raise Misconfigured("TOCSIN_SMTP needs TOCSIN_MAIL_FROM: whom the mail comes from.")
    try:
        server = mail_server(settings.smtp.reveal())
    except ValueError as error:
        raise Misconfigured(f"TOCSIN_SMTP: {error}") from None
    try:
        return server, mail_from(settings.mail_from)
    except ValueError as error:
        raise Misconfigured(f"TOCSIN_MAIL_FROM: {error}") from None


def link_errors(config: EndpointConfig) -> Iterator[FieldError]:
    """What is wrong with the address of the page about an event."""
    if isinstance(config.format, SlackFormat | TeamsFormat | EmailFormat) and (link := config.format.link) is not None:
        yield from said(lambda: check_link(link), "/format/link")


def mail_errors(config: EndpointConfig, *, sends_mail: bool) -> Iterator[FieldError]:
    """Every field that is wrong; `sends_mail`: whether there is a mail server."""
    to_mailboxes, is_email = is_mail(config.url), isinstance(config.format, EmailFormat)
    if is_email and not to_mailboxes:
        yield FieldError("/url", "The format email needs a URL like mailto:ann@example.com.")
    if not to_mailboxes:
        return
    yield from said(lambda: recipients_of(config.url), "/url")
    if not sends_mail:
        yield FieldError("/url", "This server sends no mail: its operator has to set TOCSIN_SMTP.")
    if not is_email:
        yield FieldError("/format/kind", "A mailto URL goes with the format email only.")
    yield from _other_errors(config)


def _other_errors(config: EndpointConfig) -> Iterator[FieldError]:
    """Settings that mean something for HTTP only."""
    if not isinstance(config.authorization, NoAuthorization):
        yield FieldError("/authorization/kind", _NOT_FOR_MAIL)
    if config.signing is not None and not isinstance(config.signing, NoSigning):
        yield FieldError("/signing/kind", "Mail is not signed here; use the kind none.")
    if config.headers:
        yield FieldError("/headers", "Mail has no headers of the endpoint's own.")
    if config.validation != "off":
        yield FieldError("/validation", "A mailbox cannot be asked for its consent; use off.")
    for name, value in (("tls", config.tls), ("proxy", config.proxy)):
        if value is not None:
            yield FieldError(f"/{name}", _NOT_FOR_MAIL)
