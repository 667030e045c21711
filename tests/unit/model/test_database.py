"""URLs of databases: which are taken, and what people see of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tocsin.adapters.crypto.master_keys import master_keys_of
from tocsin.config import load_settings
from tocsin.errors import Misconfigured
from tocsin.model.database import SharedDatabase, database_of, without_password

SHARED = "postgresql://ann:se:c@ret@db.example.com:5432/tocsin?sslmode=require&password=too"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///tocsin.db", "sqlite:///tocsin.db"),
        ("postgresql://db/tocsin", "postgresql://db/tocsin"),
        ("postgresql://ann@db/tocsin", "postgresql://ann@db/tocsin"),
        (SHARED, "postgresql://ann:********@db.example.com:5432/tocsin?..."),
    ],
)
def test_nobody_sees_the_password(url: str, shown: str) -> None:
    assert without_password(url) == shown
    assert str(database_of(url)) in {shown, "tocsin.db"}


def test_a_file_or_a_shared_database() -> None:
    assert database_of("sqlite:////var/lib/tocsin.db") == Path("/var/lib/tocsin.db")
    shared = database_of("postgres://db/tocsin")
    assert isinstance(shared, SharedDatabase)
    assert shared.url.reveal() == "postgres://db/tocsin"
    assert "c@ret" not in repr(database_of(SHARED))


@pytest.mark.parametrize(
    "url",
    ["", "tocsin.db", "sqlite:///", "sqlite:///:memory:", "mysql://db/tocsin", "postgresql://db", "postgresql://db/"],
)
def test_what_names_no_database_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must"):
        database_of(url)


def test_a_shared_database_needs_a_master_key_that_is_given(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(SHARED + "\n", encoding="utf-8")
    settings = load_settings({}, {"TOCSIN_DATABASE_FILE": str(file)})
    assert settings.database == database_of(SHARED)
    with pytest.raises(Misconfigured, match="TOCSIN_MASTER_KEY"):
        master_keys_of(settings)
