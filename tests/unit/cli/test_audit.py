"""What differs between before and after, in words."""

import pytest

from tocsin.cli.audit import differences


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"name": "old", "n": 1}, {"name": "new", "n": 2}, ["n: 1 -> 2", "name: old -> new"]),
        ({"enabled": True}, {"enabled": False}, ["enabled: true -> false"]),
        ({"rate": None}, {"rate": {"n": 1}}, ['rate: null -> {"n": 1}']),
        ({}, {"b": "x"}, ["b: null -> x"]),
        (
            {"signing": {"kind": "hmac", "key": {"set": True, "fingerprint": "one"}}},
            {"signing": {"kind": "hmac", "key": {"set": True, "fingerprint": "two"}}},
            ["signing.key.fingerprint: one -> two"],
        ),
        ({"headers": [{"name": "a"}]}, {"headers": []}, ['headers: [{"name": "a"}] -> []']),
    ],
)
def test_each_field_that_differs_is_told_by_its_path(before, after, told):
    assert list(differences(before, after)) == told
