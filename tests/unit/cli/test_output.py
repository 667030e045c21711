"""What is printed: nothing from outside steers the terminal, nothing is cut where nobody looks."""

import json

from hypothesis import given
from hypothesis import strategies as st

from tocsin.cli.output import pretty, print_json, print_listing, print_table, visible


@given(st.text())
def test_control_characters_never_reach_the_terminal(text):
    shown = visible(text)
    assert all(c.isprintable() or c in "\n\t" for c in shown)
    if all(c.isprintable() or c in "\n\t" for c in text):
        assert shown == text


def test_escapes_are_shown():
    assert visible("a\x1b[31mb\x07\u202ec\n") == "a\\x1b[31mb\\x07\\u202ec\n"
    assert pretty({"a": "\x9b1m"}) == '{\n  "a": "\\x9b1m"\n}'


def test_a_table_is_plain_and_whole_without_a_terminal(capsys):
    long = "x" * 300
    print_table(("ID", "STATE"), [("a", "dead"), (long, None), ("[red]b", True)], empty="none")
    assert capsys.readouterr().out.splitlines() == [
        "ID" + " " * 300 + "STATE",
        "a" + " " * 301 + "dead",
        long,
        "[red]b" + " " * 296 + "yes",
    ]


def test_an_empty_table_says_so(capsys):
    print_table(("ID",), [], empty="There is nothing.")
    assert capsys.readouterr().out == "There is nothing.\n"


def test_a_listing_leaves_out_what_is_absent(capsys):
    print_listing([("id", "a"), ("reason", None), ("enabled", False), ("long", "y" * 200)])
    assert capsys.readouterr().out == f"id       a\nenabled  no\nlong     {'y' * 200}\n"


def test_json_is_whole_and_unescaped(capsys):
    print_json({"name": "Zoë"})
    print_json({"name": "Zoë"}, line=True)
    assert capsys.readouterr().out == '{\n  "name": "Zoë"\n}\n{"name": "Zoë"}\n'
    print_json([1])
    assert json.loads(capsys.readouterr().out) == [1]
