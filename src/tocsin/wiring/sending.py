"""What sends: HTTP with the operator's egress policy, and mail where there is a mail server."""

from __future__ import annotations

from tocsin.adapters.http.resolver import Resolver
from tocsin.adapters.http.sender import HttpSender
from tocsin.adapters.http.tls import client_context
from tocsin.adapters.smtp.sender import SmtpSender
from tocsin.config import Settings, origin_of
from tocsin.errors import Misconfigured
from tocsin.model.mail import MailFrom
from tocsin.operations.mail_checks import mail_way_of
from tocsin.pipeline.send import Ways
from tocsin.rules.egress import EgressPolicy, parse_networks
from tocsin.rules.proxies import operators_proxy


def make_sender(settings: Settings) -> HttpSender:
    """The sender with the operator's egress policy. Raises Misconfigured."""
    try:
        networks = parse_networks(settings.allow_networks)
    except ValueError as error:
        raise Misconfigured(f"TOCSIN_ALLOW_NETWORKS: {error}.") from error
    policy = EgressPolicy(allow_networks=networks, allow_http=settings.allow_http)
    try:
        proxy = operators_proxy(settings.proxy.reveal()) if settings.proxy else None
    except ValueError as error:
        raise Misconfigured(f"TOCSIN_PROXY: {error}") from None
    return HttpSender(policy, Resolver(), client_context(), proxy=proxy)


def make_ways(settings: Settings, sender: HttpSender) -> tuple[Ways, MailFrom | None]:
    """Everything that sends, and whom mail comes from where there is a mail server. Raises Misconfigured."""
    if (way := mail_way_of(settings)) is None:
        return Ways(sender, None), None
    server, mail_from = way
    return Ways(sender, SmtpSender(server, client_context(), name=origin_of(settings))), mail_from
