"""YAML that is written reads back as the same values, to us and to any other reader of it."""

import yaml
from hypothesis import given
from hypothesis import strategies as st

from tocsin.cli.as_code.reading import read_source
from tocsin.operations.yaml_text import plain_value, to_yaml

TRICKY = ("no", "yes", "on", "~", "", "null", "12", "1e3", "0x1f", "0o17", "12:30", "1_000", "2020-01-01", "=", "<<", "- a",
    "a: b", "# x", "x #y", "'", '"', "*", "*a", "&a", "!a", "%a", "@a", "`a", "{", "[", "a\nb\n", "\n", " a", "a ", "\ta",
    "é\u2028x", "\x85", "\x1b[31m", "\U0001f600", "\ufeff", "if .a then\n  .b\nelse empty end\n", ".", "1.", ".5", "+1")  # fmt: skip
TEXTS = st.one_of(st.sampled_from(TRICKY), st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**30), 10**30), FLOATS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=12,
)


def exact(value: object) -> object:
    """1, 1.0 and True are three values here."""
    if isinstance(value, dict):
        return {name: exact(member) for name, member in value.items()}
    return [exact(item) for item in value] if isinstance(value, list) else (type(value), value)


@given(value=VALUES)
def test_what_is_written_reads_back_as_the_very_same(value, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "written.yaml"
    path.write_text(to_yaml({"it": value}), encoding="utf-8")
    assert exact(read_source(str(path)).value) == exact({"it": value})


@given(value=VALUES)
def test_another_reader_of_yaml_sees_the_same(value):
    assert exact(yaml.safe_load(to_yaml({"it": value}))) == exact({"it": value})


def test_plain_scalars_mean_what_the_core_schema_says():
    plain = {
        "no": "no",
        "on": "on",
        "12:30": "12:30",
        "0o17": "0o17",
        "true": True,
        "~": None,
        "": None,
        "-7": -7,
        "1e3": 1000.0,
    }
    assert {text: plain_value(text) for text in plain} == plain


def test_long_texts_stand_in_blocks_and_short_lists_on_a_line():
    document = {"program": "if .a then\n  .b\nelse empty end\n", "types": ["job.*", "a.b"], "seconds": [5, 0.5]}
    assert to_yaml(document) == (
        "program: |\n  if .a then\n    .b\n  else empty end\ntypes: [job.*, a.b]\nseconds: [5, 0.5]\n"
    )
