"""A node whose cable is pulled: packets are lost, nobody is told, and everything that waits there waits for a network."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.kit.faults import cable_pulled
from tests.kit.lab import Lab
from tests.kit.namespaces import Cables, is_allowed
from tests.kit.trial import Trial


@pytest.mark.timeout(300)
@pytest.mark.skipif(not is_allowed(), reason="needs the rights of root, and iproute2")
async def test_a_cable_that_is_pulled(tmp_path: Path) -> None:
    with Cables() as cables:
        async with (
            Lab(tmp_path, cables=cables) as lab,
            Trial(lab, 1) as trial,
        ):
            await cable_pulled(trial)
            await trial.load.more(30)
            await trial.finish()
