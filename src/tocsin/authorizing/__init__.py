"""How a request is let in at the receiver: the headers of each kind of authorization, sent without being asked."""

from __future__ import annotations

import base64
import re
from typing import Final

from tocsin.model.endpoint import (
    ApiKeyAuthorization,
    Authorization,
    BasicAuthorization,
    BearerAuthorization,
    NoAuthorization,
)
from tocsin.model.exchange import HeaderPairs

__all__ = ["authorization_headers", "check_authorization"]

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_VISIBLE: Final = re.compile(r"[!-~]+")
_HEADER_VALUE: Final = re.compile(r"[!-~](?:[ -~\t]*[!-~])?")


def authorization_headers(authorization: Authorization) -> HeaderPairs:
    """The headers to add to every request of an endpoint; made once for each revision of it."""
    match authorization:
        case NoAuthorization():
            return ()
        case BasicAuthorization():
            credentials = f"{authorization.username}:{authorization.password.reveal()}".encode()
            return (("Authorization", "Basic " + base64.b64encode(credentials).decode()),)
        case BearerAuthorization():
            return (("Authorization", "Bearer " + authorization.token.reveal()),)
        case ApiKeyAuthorization():
            return ((authorization.header, authorization.value.reveal()),)


def check_authorization(authorization: Authorization) -> None:
    """ValueError, with a text for people, for credentials that cannot be sent. The name of an api_key header is judged
    with the other header fields; values that stand for stored ones were judged when they were stored."""
    match authorization:
        case NoAuthorization():
            pass
        case BasicAuthorization(username=username, password=password):
            if ":" in username:
                raise ValueError("a user name cannot contain a colon (RFC 7617)")
            if _CONTROL.search(username) or (not password.is_kept and _CONTROL.search(password.reveal())):
                raise ValueError("user name and password cannot contain control characters (RFC 7617)")
        case BearerAuthorization(token=token):
            if not token.is_kept and not _VISIBLE.fullmatch(token.reveal()):
                raise ValueError("a token is one word of visible ASCII characters (RFC 6750)")
        case ApiKeyAuthorization(value=value):
            if not value.is_kept and not _HEADER_VALUE.fullmatch(value.reveal()):
                raise ValueError("the key must be ASCII, without control characters or spaces around it")
