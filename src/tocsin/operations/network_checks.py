"""What must hold of an endpoint's TLS and proxy settings beyond the types of their fields."""

from __future__ import annotations

from collections.abc import Iterator

from tocsin.errors import FieldError
from tocsin.model.endpoint import EndpointConfig


def network_errors(config: EndpointConfig) -> Iterator[FieldError]:
    """Every field that is wrong."""
    if config.tls is not None:
        yield FieldError("/tls", "Not supported yet.")
    if config.proxy is not None:
        yield FieldError("/proxy", "Not supported yet.")
