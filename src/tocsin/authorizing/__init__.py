"""How a request is let in at the receiver: the headers of each kind of authorization, sent without being asked."""

from __future__ import annotations

import base64

from tocsin.model.authorization import (
    ApiKeyAuthorization,
    Authorization,
    BasicAuthorization,
    BearerAuthorization,
    NoAuthorization,
    OAuth2Authorization,
)
from tocsin.model.exchange import HeaderPairs

__all__ = ["authorization_headers"]


def authorization_headers(authorization: Authorization) -> HeaderPairs:
    """The headers to add to every request of an endpoint; made once for each revision of it."""
    match authorization:
        case NoAuthorization() | OAuth2Authorization():
            return ()
        case BasicAuthorization():
            credentials = f"{authorization.username}:{authorization.password.reveal()}".encode()
            return (("Authorization", "Basic " + base64.b64encode(credentials).decode()),)
        case BearerAuthorization():
            return (("Authorization", "Bearer " + authorization.token.reveal()),)
        case ApiKeyAuthorization():
            return ((authorization.header, authorization.value.reveal()),)
