"""What an endpoint gets, in a line."""

from __future__ import annotations

import pytest

from tocsin.ui.pages.endpoint_head import gets


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, "everything but operational events, one by one"),
        ({"filters": [{}]}, "everything, one by one"),
        (
            {"filters": [{"event_types": ["job.*", "record.merged"], "where": "data.n > 1", "states": []}]},
            "event types job.*, record.merged and where data.n > 1, one by one",
        ),
        (
            {
                "filters": [
                    {"labels": {"team": "mdm"}},
                    {"resources": [{"kind": "table", "id": "t"}], "after_failures": 3},
                ],
                "delivery": {"mode": "batch", "max_events": 7},
                "ordering": "subject",
            },
            "labels team=mdm or resources kind=table, id=t and after failures 3, in batches of up to 7, in order by subject",
        ),
    ],
)
def test_what_it_gets_is_said_in_a_line(document: dict[str, object], words: str) -> None:
    assert gets(document) == words
