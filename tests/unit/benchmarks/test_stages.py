"""Each stage that `dev.py micro` measures runs: a benchmark that is not run rots."""

from __future__ import annotations

import pytest
from benchmarks.stages import STAGES, Stage


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_it_runs_again_and_gives_the_same(stage: Stage) -> None:
    run = stage.make()
    assert type(run()) is type(run())


def test_each_has_a_name_of_its_own() -> None:
    assert len({stage.name for stage in STAGES}) == len(STAGES) > 30
