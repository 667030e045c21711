"""Values sealed with data keys: open only where they belong, under the key that sealed them, unharmed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.adapters.crypto.secret_box import AesSecretBox

FIRST, SECOND = b"1" * 32, b"2" * 32
BOX = AesSecretBox({1: FIRST})


@given(st.binary(max_size=200), st.text(max_size=40))
def test_what_was_sealed_opens_in_its_place_and_nowhere_else(plain: bytes, context: str) -> None:
    sealed = BOX.seal(plain, context)
    assert BOX.open(sealed, context) == plain
    with pytest.raises(ValueError, match="does not open here"):
        BOX.open(sealed, context + "x")


def test_the_same_value_is_sealed_differently_each_time() -> None:
    assert len({BOX.seal(b"value", "c") for _ in range(20)}) == 20


def test_a_sealed_value_names_version_and_data_key() -> None:
    box = AesSecretBox({1: FIRST, 258: SECOND})
    sealed = box.seal(b"value", "c")
    assert sealed[:5] == b"\x01\x00\x00\x01\x02"
    assert len(sealed) == 5 + 12 + len(b"value") + 16


@pytest.mark.parametrize("at", range(5 + 12 + 5 + 16))
def test_a_single_bit_is_noticed(at: int) -> None:
    sealed = bytearray(BOX.seal(b"value", "c"))
    sealed[at] ^= 1
    with pytest.raises(ValueError, match=r"sealed|open"):
        BOX.open(bytes(sealed), "c")


@pytest.mark.parametrize("length", range(5 + 12 + 5 + 16))
def test_a_value_cut_short_does_not_open(length: int) -> None:
    with pytest.raises(ValueError, match=r"sealed|open"):
        BOX.open(BOX.seal(b"value", "c")[:length], "c")


def test_new_values_are_sealed_with_the_newest_key_and_old_ones_still_open() -> None:
    box = AesSecretBox({1: FIRST})
    old, name = box.seal(b"old", "c"), box.fingerprint(b"old")
    box.hold({1: FIRST, 2: SECOND})
    assert box.open(old, "c") == b"old"
    assert box.fingerprint(b"old") == name
    new = box.seal(b"new", "c")
    with pytest.raises(ValueError, match="not there"):
        BOX.open(new, "c")
    with pytest.raises(ValueError, match="does not open here"):
        AesSecretBox({1: FIRST, 2: FIRST}).open(new, "c")


def test_fingerprints_tell_values_apart_and_depend_on_the_key() -> None:
    assert BOX.fingerprint(b"a") != BOX.fingerprint(b"b")
    assert BOX.fingerprint(b"a") != AesSecretBox({1: SECOND}).fingerprint(b"a")
    assert len(BOX.fingerprint(b"a")) == 12
