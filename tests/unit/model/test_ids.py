"""Ids: time-ordered, growing, well formed."""

from __future__ import annotations

import os
import uuid

from hypothesis import given
from hypothesis import strategies as st

from tocsin.model.ids import IdMint, plain_uuid


@given(st.lists(st.integers(0, 2**48 - 1), min_size=1, max_size=50))
def test_ids_grow_whatever_the_clock_does(times: list[int]) -> None:
    clock = iter(times)
    mint = IdMint(lambda: next(clock), os.urandom)
    made = [mint.uuid() for _ in times]
    assert made == sorted(set(made))


def test_an_id_is_a_version_7_uuid_of_its_moment() -> None:
    mint = IdMint(lambda: 1_795_341_600_123, os.urandom)
    event_id = mint.event()
    assert event_id.startswith("evt_")
    parsed = uuid.UUID(plain_uuid(event_id))
    assert str(parsed) == plain_uuid(event_id)
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert parsed.int >> 80 == 1_795_341_600_123


def test_a_full_counter_goes_on_in_the_next_millisecond() -> None:
    mint = IdMint(lambda: 5, lambda n: b"\xff" * n)
    made = [mint.uuid()]
    mint._counter = (1 << 62) - 2 * (1 << 20)
    made += [mint.uuid() for _ in range(4)]
    assert made == sorted(set(made))
    assert [text[:13] for text in made] == ["00000000-0005"] * 2 + ["00000000-0006"] * 3


def test_prefixes_name_the_kind() -> None:
    mint = IdMint(lambda: 1, os.urandom)
    made = (mint.event(), mint.endpoint(), mint.delivery(), mint.attempt(), mint.key(), mint.erasure())
    assert [text[:4] for text in made] == ["evt_", "end_", "dlv_", "att_", "key_", "ers_"]
