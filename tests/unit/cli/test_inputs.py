"""What was typed, and what is made of it."""

import io
import sys
from types import SimpleNamespace

import pytest

from tocsin.cli.inputs import Usage, duration, json_argument, json_object, pairs, resources, secret_argument, values


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2s", 2.0), ("500ms", 0.5), ("1m", 60.0), ("2", 2.0), ("0", 0.0), ("1.5s", 1.5), ("0.25", 0.25)],
)
def test_durations(text, seconds):
    assert duration(text, "--delay") == seconds


@pytest.mark.parametrize("text", ["", "s", "soon", "-1s", "1h", "1.5.2", "ms", "1 s"])
def test_durations_must_be_readable(text):
    with pytest.raises(Usage, match=r"^--delay must be written like 2s or 500ms"):
        duration(text, "--delay")


def test_json_is_typed_or_in_a_file_or_on_standard_input(tmp_path, monkeypatch):
    (tmp_path / "a.json").write_text('{"a": 1}')
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"[2]")))
    assert json_argument("3", "--data") == 3
    assert json_argument(f"@{tmp_path / 'a.json'}", "--data") == {"a": 1}
    assert json_argument("-", "--data") == [2]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "--data is not JSON"),
        ("@/nowhere", "--data: /nowhere cannot be read"),
        ("[]", "--data is not a JSON object"),
    ],
)
def test_json_that_is_none(text, complaint):
    with pytest.raises(Usage, match=f"^{complaint}"):
        json_object(text, "--data")


def test_pairs_values_and_resources():
    assert pairs(["a=1", "b=x=y", "c="], "--label") == {"a": "1", "b": "x=y", "c": ""}
    assert values(["a=1", 'b={"c": null}', "d=text", "e=true"], "--attribute") == {
        "a": 1,
        "b": {"c": None},
        "d": "text",
        "e": True,
    }
    assert resources(["source:s1", "source:s2:Crm: old"]) == [
        {"kind": "source", "id": "s1"},
        {"kind": "source", "id": "s2", "name": "Crm: old"},
    ]
    assert (pairs(None, "x"), values(None, "x"), resources(None)) == ({}, {}, [])


@pytest.mark.parametrize(("call", "text"), [(pairs, "a"), (pairs, "=a"), (values, "a")])
def test_pairs_need_a_key_and_an_equals_sign(call, text):
    with pytest.raises(Usage, match=r"^--label must be written key=value"):
        call([text], "--label")


@pytest.mark.parametrize("text", ["source", "source:", ":s1"])
def test_resources_need_kind_and_id(text):
    with pytest.raises(Usage, match=r"^--resource must be written"):
        resources([text])


def test_a_secret_is_typed_or_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "s").write_text("in a file\r\n")
    monkeypatch.setenv("SECRET_OF_TEST", "in the environment")
    monkeypatch.setattr(sys, "stdin", io.StringIO("on standard input\nmore\n"))
    assert secret_argument("plain: -@", "--secret") == "plain: -@"
    assert secret_argument(f"@{tmp_path / 's'}", "--secret") == "in a file"
    assert secret_argument("env:SECRET_OF_TEST", "--secret") == "in the environment"
    assert secret_argument("-", "--secret") == "on standard input"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("env:", "there is nothing in env:"),
        ("@/nowhere", "/nowhere cannot be read"),
        ("@{here}", ".* is not a text"),
        ("-", "there is nothing in -"),
    ],
)
def test_a_secret_that_is_not_there(tmp_path, monkeypatch, text, complaint):
    (tmp_path / "s").write_bytes(b"\xff")
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    with pytest.raises(Usage, match=f"^--secret: {complaint}"):
        secret_argument(text.format(here=tmp_path / "s"), "--secret")
