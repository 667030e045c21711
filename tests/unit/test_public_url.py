"""The setting that says where the server is reached from outside."""

from __future__ import annotations

import pytest

from tocsin.config import load_settings, origin_of
from tocsin.errors import Misconfigured


@pytest.mark.parametrize(
    ("text", "url", "origin"),
    [
        ("https://hooks.example.com", "https://hooks.example.com", "hooks.example.com"),
        ("https://Hooks.Example.com:8443/", "https://Hooks.Example.com:8443", "hooks.example.com"),
        ("http://10.0.0.1:80/tocsin/", "http://10.0.0.1:80/tocsin", "10.0.0.1"),
    ],
)
def test_its_host_is_the_origin(text: str, url: str, origin: str) -> None:
    settings = load_settings({"public_url": text}, {})
    assert (settings.public_url, origin_of(settings)) == (url, origin)


def test_without_it_the_origin_is_the_machine() -> None:
    settings = load_settings({}, {})
    assert settings.public_url is None
    assert origin_of(settings).isprintable()
    assert origin_of(settings) == origin_of(settings).lower() != ""


@pytest.mark.parametrize(
    "text",
    [
        "hooks.example.com", "ftp://hooks.example.com", "https://", "https://u:p@hooks.example.com", "https://h.example?x=1",
        "https://h.example#f", "https://h.example/a b", "https://h.example/\r\nX", "https://h.example\n", "https://h\u00e4.example", "https://h:x",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_by_name(text: str) -> None:
    with pytest.raises(Misconfigured, match="TOCSIN_PUBLIC_URL"):
        load_settings({"public_url": text}, {})
