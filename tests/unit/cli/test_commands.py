"""The commands as such: options mirror the settings, the reference page is theirs, each can be imported."""

import dataclasses
from pathlib import Path

from tocsin.cli.main import make_app
from tocsin.cli.reference import page
from tocsin.cli.server import SettingFlags
from tocsin.config import SETTINGS

REFERENCE = Path(__file__).parents[3] / "docs/reference/cli.md"


def test_every_setting_is_an_option_of_serve():
    options = {field.name for field in dataclasses.fields(SettingFlags)}
    assert options - {"config"} == {setting.name for setting in SETTINGS}


def test_options_of_serve_reach_the_settings(tmp_path):
    flags = SettingFlags(
        database=f"sqlite:///{tmp_path}/a.db", allow_http=True, listen="127.0.0.1:1", log_level="error"
    )
    settings = flags.settings()
    assert (settings.database, settings.allow_http, settings.port, settings.log_level) == (
        tmp_path / "a.db",
        True,
        1,
        "error",
    )
    assert settings.values["listen"].origin == "flag"
    assert settings.values["master_key"].origin == "default"
    assert not SettingFlags(allow_http=False).settings().allow_http


def test_the_reference_page_equals_the_commands():
    assert REFERENCE.read_text(encoding="utf-8") == page(), "run python3 dev.py docs"


def test_every_command_can_be_imported_and_says_what_it_does():
    app = make_app(is_whole=True)
    names = {name for name in app if not name.startswith("-")}
    assert names >= {
        "demo", "serve", "config", "migrate", "run", "report", "change", "emit", "data-version", "endpoints",
        "deliveries", "replay", "erase", "keys", "receive", "bench", "openapi", "completion",
    }  # fmt: skip
    assert all(app[name].help or (app[name].default_command.__doc__ or "").strip() for name in names)
