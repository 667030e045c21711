"""What a log line never shows, whatever was put into it."""

import json
import subprocess
import sys

import pytest

from tocsin.model.secret import Secret
from tocsin.telemetry import redacted

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEsesame\nopen\n-----END RSA PRIVATE KEY-----"
FAULTY = """
import asyncio, logging, sys
from tocsin.model.secret import Secret
from tocsin.telemetry import log, set_up_logs

word = "ses" + "ame"

def fail(password):
    key = word + "-in-a-local"
    raise ValueError(f"the answer to 'Authorization: Bearer {word}-in-a-text'")

set_up_logs("debug")
try:
    fail(word + "-in-an-argument")
except ValueError as error:
    log.error("send.fault", exc_info=error, held=Secret(word), client_secret=word)
    logging.getLogger("library").warning("seen: %s", f"Basic {word}-of-a-library", exc_info=error)
"""


def line(**fields: object) -> dict[str, object]:
    return dict(redacted(None, "error", fields))


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "client_secret",
        "Authorization",
        "access_token",
        "private_key",
        "api_key",
        "master_key",
        "set_cookie",
    ],
)
def test_values_are_masked_by_their_name(name: str) -> None:
    assert line(**{name: "sesame", "path": "/v1"}) == {name: "***", "path": "/v1"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("sent Authorization: Bearer sesame.open-1, got 401", "sent Authorization: Bearer ***, got 401"),
        ("{'authorization': 'basic c2VzYW1l=='}", "{'authorization': 'basic ***'}"),
        ("key whsec_c2VzYW1l+/= is wrong", "key *** is wrong"),
        ("tok_c2VzYW1l-_", "***"),
        ("http://ann:sesame@proxy.example:3128/x", "http://***@proxy.example:3128/x"),
        (f"cannot read {PEM}!", "cannot read ***!"),
        (PEM[:50], "***"),
        ("the bearer of news", "the bearer *** news"),
        ("nothing at https://example.com/a@b", "nothing at https://example.com/a@b"),
    ],
)
def test_values_are_masked_by_their_form(text: str, shown: str) -> None:
    assert line(event=text) == {"event": shown}


def test_other_values_stay_as_they_are() -> None:
    fields = {"event": "serving", "url": "http://127.0.0.1:1", "delivery": 7, "none": None, "held": Secret("sesame")}
    assert line(**fields) == fields


def test_no_line_shows_locals_objects_or_texts_of_exceptions() -> None:
    ran = subprocess.run([sys.executable, "-c", FAULTY], capture_output=True, text=True, timeout=60, check=True)
    assert "sesame" not in ran.stderr
    ours = json.loads(ran.stderr.splitlines()[0])
    assert ours["held"] == "Secret(***)"
    assert ours["client_secret"] == "***"
    assert "ValueError: the answer to 'Authorization: Bearer ***'" in ours["exception"]
    assert "WARNING:library:seen: Basic ***" in ran.stderr
    assert ran.stderr.count("Traceback") == 2


def test_lines_go_to_the_standard_error_of_the_moment() -> None:
    script = """
import io, sys
from tocsin.telemetry import log, set_up_logs
real, sys.stderr = sys.stderr, io.StringIO()
set_up_logs("info")
sys.stderr.close()
sys.stderr = real
log.info("still here")
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(ran.stderr)["event"] == "still here"
