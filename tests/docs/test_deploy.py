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
from tests.kit.nats import program as nats_server

from tocsin import __version__
from tocsin.config import SETTINGS

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file())
CLI_ONLY = {"TOCSIN_CONFIG"}


def said(*command: str) -> tuple[int, str]:
    """How a command ended, and what it had to say."""
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    return ended.returncode, ended.stdout + ended.stderr


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
    code, text_of = said(verify, "verify", str(tmp_path / name))
    assert (code, [line for line in text_of.splitlines() if name in line]) == (0, [])
    broken = tmp_path / f"broken-{name}"
    broken.write_text(text.replace("Restart=always", "Restart=perhaps"))
    assert "perhaps" in said(verify, "verify", str(broken))[1], "it finds nothing at all"


def test_the_servers_of_the_intake_take_their_file(tmp_path: Path) -> None:
    given = DEPLOY / "compose/nats.conf"
    assert said(nats_server(), "-t", "-c", str(given))[0] == 0
    broken = tmp_path / "nats.conf"
    broken.write_text(given.read_text().replace("sync_interval: always", "sync_interval: perhaps"))
    assert said(nats_server(), "-t", "-c", str(broken))[0] != 0


def test_helm_takes_the_chart() -> None:
    if (helm := shutil.which("helm")) is None:
        pytest.skip("no helm here")
    code, text = said(
        helm, "template", "t", str(DEPLOY / "helm/tocsin"), "-f", str(DEPLOY / "helm/example-values.yaml")
    )
    assert code == 0, text
    kinds = sorted(document["kind"] for document in yaml.safe_load_all(text) if document)
    assert kinds.count("Deployment") == 2


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
