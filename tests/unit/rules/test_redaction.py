"""Secrets that a receiver sends back: masked however they are spelled, also where the end cuts them in two."""

import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.model.exchange import HeaderPairs, Response
from tocsin.rules.redaction import MASK, SHORTEST, masked, spellings, without

ECHOES: dict[str, Callable[[str], bytes]] = {
    "as it is": str.encode,
    "JSON": lambda value: json.dumps(value).encode(),
    "JSON in UTF-8": lambda value: json.dumps(value, ensure_ascii=False).encode(),
    "JSON of PHP": lambda value: json.dumps(value).replace("/", "\\/").encode(),
    "a form": lambda value: quote_plus(value).encode(),
    "a URL": lambda value: quote(value, safe="").encode(),
    "a path": lambda value: quote(value).encode(),
    "HTML": lambda value: html.escape(value).encode(),
    "HTML of Go": lambda value: html.escape(value).replace("&quot;", "&#34;").replace("&#x27;", "&#39;").encode(),
}
SECRET_TEXT = st.text(st.sampled_from("abcXYZ019+/=\"'\\<>&: é€"), min_size=SHORTEST, max_size=40)
AROUND = st.text(st.sampled_from("gh{}[]\n,"), max_size=20).map(str.encode)


def response(body: bytes = b"", headers: HeaderPairs = (), body_bytes: int | None = None) -> Response:
    return Response(status=200, headers=headers, body=body, body_bytes=len(body) if body_bytes is None else body_bytes)


@pytest.mark.parametrize("spelled", ECHOES.values(), ids=ECHOES)
@given(value=SECRET_TEXT, before=AROUND, after=AROUND)
def test_an_echo_is_masked_and_the_rest_is_kept(
    spelled: Callable[[str], bytes], value: str, before: bytes, after: bytes
) -> None:
    echo = spelled(value)
    echo = echo[1:-1] if echo.startswith(b'"') and echo.endswith(b'"') and spelled is not str.encode else echo
    kept = without(spellings([value]), response(before + echo + after))
    assert echo not in kept.body
    assert kept.body == before + MASK.encode() + after


@given(value=st.text(st.sampled_from("abcXYZ019+/=é"), min_size=SHORTEST, max_size=40))
def test_an_echo_in_a_header_is_masked(value: str) -> None:
    headers = (("Date", "today"), ("X-Seen", f"[{value}]"), ("X-Utf-8", f"[{value}]".encode().decode("latin-1")))
    kept = without(spellings([value]), response(headers=headers))
    assert kept.headers == (("Date", "today"), ("X-Seen", "[***]"), ("X-Utf-8", "[***]"))


def test_a_name_of_a_header_may_hold_it_too() -> None:
    kept = without(spellings(["letmein"]), response(headers=(("x-letmein-x", "1"),)))
    assert kept.headers == (("x-***-x", "1"),)


@given(value=st.text(st.sampled_from("ab"), min_size=8, max_size=60), length=st.integers(0, 60), data=AROUND)
def test_no_beginning_of_a_value_is_left_where_the_body_was_cut(value: str, length: int, data: bytes) -> None:
    piece = value[:length].encode()
    kept = without(spellings([value]), response(data + piece, body_bytes=100_000)).body
    left = kept.removeprefix(data).removesuffix(MASK.encode())
    assert len(left) < SHORTEST
    assert (kept == data + piece) == (len(piece) < SHORTEST)


def test_a_value_that_ends_as_it_begins_is_masked_whole_where_the_body_was_cut() -> None:
    kept = without(spellings(["babaababa"]), response(b"x babaababa", body_bytes=100_000))
    assert kept.body == b"x ***"


def test_the_end_of_a_whole_body_is_kept() -> None:
    whole = response(b"the beginning of sesa")
    assert without(spellings(["sesame-sesame"]), whole) is whole


def test_a_whole_value_at_the_cut_that_ends_as_it_begins_is_masked_whole() -> None:
    assert without(spellings(["baaabaaa"]), response(b"..baaabaaa", body_bytes=99)).body == b"..***"


def test_the_longest_beginning_at_the_cut_is_masked() -> None:
    kept = without(spellings(["ababab-1", "xyxyabab"]), response(b"..xyxyab", body_bytes=9))
    assert kept.body == b"..***"


@pytest.mark.parametrize("count", [1, 100])
def test_headers_that_were_cut_keep_no_beginning_of_a_value(count: int) -> None:
    rest = tuple((f"X-{number}", "." * (16_000 // count)) for number in range(count))
    kept = without(spellings(["sesame-open"]), response(headers=(*rest, ("X-Last", "[sesame-op"))))
    assert kept.headers == (*rest, ("X-Last", "[***"))


def test_what_holds_no_secret_is_the_same_object() -> None:
    for body, size in ((b"", 0), (b"ok", 2), (b"x" * 16384, 20000)):
        answer = response(body, (("Content-Type", "text/plain"), ("X-Long", "y" * 100)), size)
        assert without(spellings(["sesame", "another secret"]), answer) is answer
        assert without((), answer) is answer


def test_a_value_of_many_lines_is_masked_line_by_line() -> None:
    lines = ("-----BEGIN PRIVATE KEY-----", "MIIE" + "a/b+" * 15, "c" * 64, "ends==", "-----END PRIVATE KEY-----")
    hidden = spellings(["\n".join(lines) + "\n"])
    for between in ("\n", "\r\n", "\\\\n", "%5Cn", "<br>"):
        for spelled in (str, quote_plus):
            kept = without(hidden, response(between.join(map(spelled, lines)).encode())).body
            assert not [line for line in lines[1:3] if spelled(line).encode() in kept]
            assert b"***" in kept
    assert min(map(len, hidden)) >= 24


def test_the_longest_value_is_masked_first() -> None:
    hidden = spellings(["sesame", "sesame-open"])
    assert without(hidden, response(b"sesame-open sesame")).body == b"*** ***"


@pytest.mark.parametrize("value", ["", "a", "abc"])
def test_very_short_values_are_left(value: str) -> None:
    assert spellings([value]) == ()


@given(value=SECRET_TEXT)
def test_a_decoded_text_is_masked(value: str) -> None:
    assert masked(f"[{value}] €", spellings([value])) == "[***] €"
    assert masked("nothing \ud800", spellings([value])) == "nothing \ud800"
