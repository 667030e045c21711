"""What `deploy/` names exists: settings, commands, paths; and the units and the Compose file can be read by what reads them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.docs.repository_files import ROOT

from tocsin import __version__
from tocsin.config import SETTINGS

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file())
CLI_ONLY = {"TOCSIN_CONFIG"}


def compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_every_setting_that_is_named_exists(path: Path) -> None:
    known = {setting.variable for setting in SETTINGS} | CLI_ONLY
    known |= {f"{setting.variable}_FILE" for setting in SETTINGS if setting.is_secret}
    named = set(re.findall(r"\bTOCSIN_[A-Z_]+\b", path.read_text()))
    assert named <= known


def test_there_is_something_to_check() -> None:
    assert len(UNITS) == 3
    assert any("TOCSIN_DATABASE_FILE" in path.read_text() for path in FILES)


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_units_are_understood(unit: Path, tmp_path: Path) -> None:
    if (verify := shutil.which("systemd-analyze")) is None:
        pytest.skip("no systemd here")
    text = unit.read_text().replace("/opt/tocsin/bin/tocsin", shutil.which("true") or "/bin/true")
    name = unit.name.replace("@", "@8080")
    (tmp_path / name).write_text(text)
    checked = subprocess.run([verify, "verify", str(tmp_path / name)], capture_output=True, text=True, timeout=60)
    assert (checked.returncode, [line for line in checked.stderr.splitlines() if name in line]) == (0, [])
    broken = tmp_path / f"broken-{name}"
    broken.write_text(text.replace("Restart=always", "Restart=perhaps"))
    checked = subprocess.run([verify, "verify", str(broken)], capture_output=True, text=True, timeout=60)
    assert "perhaps" in checked.stderr, "it finds nothing at all"


def test_the_page_shows_the_unit() -> None:
    unit = (DEPLOY / "systemd/tocsin.service").read_text()
    page = (ROOT / "docs/how-to/run-under-systemd.md").read_text()
    (shown,) = re.findall(r"```ini\n(.*?)```", page, re.DOTALL)
    assert shown == unit


def test_the_compose_file_is_whole() -> None:
    document = compose()
    services = document["services"]
    assert {"postgres", "nats-1", "nats-2", "nats-3", "tocsin-1", "tocsin-2", "proxy"} == set(services)
    for service in services.values():
        assert set(service.get("depends_on", ())) <= set(services)
        assert {config["source"] for config in service.get("configs", ())} <= set(document["configs"])
        volumes = {str(volume).split(":")[0] for volume in service.get("volumes", ())}
        assert volumes <= set(document["volumes"])
    for config in document["configs"].values():
        assert (DEPLOY / "compose" / config["file"]).is_file()
    build = services["tocsin-1"]["build"]
    context = DEPLOY / "compose" / build["context"]
    assert (context / build["dockerfile"]).resolve() == DEPLOY / "Dockerfile"


def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((DEPLOY / "helm/tocsin/Chart.yaml").read_text())
    assert chart["appVersion"] == __version__


def test_every_value_of_the_chart_is_used_and_every_used_one_exists() -> None:
    values = yaml.safe_load((DEPLOY / "helm/tocsin/values.yaml").read_text())
    text = "".join(path.read_text() for path in (DEPLOY / "helm/tocsin/templates").iterdir())
    used = {
        name.removeprefix("root.").removeprefix(".") for name in re.findall(r"(?:Values|values)\.([a-zA-Z.]+)", text)
    }
    for name in used:
        place: Any = values
        for part in name.split("."):
            assert part in place, name
            place = place[part]
    assert {name.split(".")[0] for name in used} == set(values)
    example = yaml.safe_load((DEPLOY / "helm/example-values.yaml").read_text())
    assert set(example) <= set(values)
