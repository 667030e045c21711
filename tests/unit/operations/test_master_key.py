"""The master key on a real store and real files: opened at start, changed while running, never made anew by mistake."""

import asyncio
import base64
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from tocsin.adapters.crypto.master_keys import AesMasterKeys, GivenMasterKeys, MasterKeysBeside
from tocsin.adapters.crypto.secret_box import AesSecretBox
from tocsin.adapters.sqlite.store import SqliteStore
from tocsin.errors import Conflict, Misconfigured
from tocsin.model.access import Role
from tocsin.model.audit import SERVER, Actor, AuditEntry
from tocsin.model.ids import IdMint, KeyId
from tocsin.operations.master_key import MasterKey
from tocsin.ports import AuditQuery, MasterKeySource

KEYS = {name: base64.b64encode(name.encode() * 32).decode() for name in "abc"}
IDS = {name: AesMasterKeys([name.encode() * 32]).ids[0] for name in "abc"}
BY = Actor(key_id=KeyId("key_1"), key_name="ann", role=Role.OPERATOR)
NOW = 1_800_000_000_000

Opened = Callable[[MasterKeySource], tuple[MasterKey, AesSecretBox]]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "a.db", lambda: NOW, time.monotonic)
    yield opened
    opened.close()


@pytest.fixture
def given(store: SqliteStore) -> Opened:
    """A server's master key and what it seals with, not opened yet."""

    def make(source: MasterKeySource) -> tuple[MasterKey, AesSecretBox]:
        box = AesSecretBox()
        mint = IdMint(lambda: NOW, os.urandom)
        return MasterKey(store.data_keys, source, box, mint=mint, now_ms=lambda: NOW, entropy=os.urandom), box

    return make


def value(names: str) -> MasterKeySource:
    return GivenMasterKeys(" ".join(KEYS[name] for name in names), None)


def written(path: Path, names: str) -> Path:
    path.write_text("\n".join(KEYS[name] for name in names))
    path.chmod(0o600)
    return path


async def wrapping(store: SqliteStore) -> list[str]:
    return [key.master_key for key in await store.data_keys.load()]


async def entries(store: SqliteStore) -> list[AuditEntry]:
    return [entry for _, entry in await store.views.audit(AuditQuery(tenant=None, limit=10))]


async def test_what_was_sealed_opens_after_a_restart_with_the_same_key(given: Opened, store: SqliteStore) -> None:
    master_key, box = given(value("a"))
    await master_key.open()
    sealed = box.seal(b"secret", "c")
    again, other = given(value("a"))
    await again.open()
    assert other.open(sealed, "c") == b"secret"
    assert other.fingerprint(b"secret") == box.fingerprint(b"secret")
    assert await wrapping(store) == [IDS["a"]]
    assert await entries(store) == []


async def test_the_store_holds_no_key_as_it_is(given: Opened, store: SqliteStore, tmp_path: Path) -> None:
    entropy = b"0123456789abcdef0123456789abcdef"
    mint = IdMint(lambda: NOW, os.urandom)
    master_key = MasterKey(
        store.data_keys,
        value("a"),
        AesSecretBox(),
        mint=mint,
        now_ms=lambda: NOW,
        entropy=lambda count: entropy[:count],
    )
    await master_key.open()
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert IDS["a"].encode() in kept
    assert entropy not in kept
    assert b"a" * 32 not in kept


async def test_another_key_is_refused_at_start_and_changes_nothing(given: Opened, store: SqliteStore) -> None:
    await given(value("a"))[0].open()
    before = await store.data_keys.load()
    with pytest.raises(
        Misconfigured, match=rf"sealed with master key {IDS['a']}, which was not given \(given: {IDS['b']}\)"
    ):
        await given(value("b"))[0].open()
    assert await store.data_keys.load() == before


async def test_a_damaged_data_key_is_named(given: Opened, store: SqliteStore) -> None:
    await given(value("a"))[0].open()
    (key,) = await store.data_keys.load()
    await store.data_keys.save([msgspec.structs.replace(key, wrapped=key.wrapped[:-1] + b"?")], None, over=[key])
    with pytest.raises(Misconfigured, match="Data key 1 in the database is damaged"):
        await given(value("a"))[0].open()


async def test_a_new_first_key_is_taken_at_start(given: Opened, store: SqliteStore) -> None:
    master_key, box = given(value("a"))
    await master_key.open()
    sealed = box.seal(b"secret", "c")
    await given(value("ba"))[0].open()
    assert await wrapping(store) == [IDS["b"]]
    (entry,) = await entries(store)
    assert (entry.actor, entry.action, entry.target, entry.tenant) == (SERVER, "master_key.rewrapped", IDS["b"], None)
    after, other = given(value("b"))
    await after.open()
    assert other.open(sealed, "c") == b"secret"
    with pytest.raises(Misconfigured, match="which was not given"):
        await given(value("a"))[0].open()


async def test_the_key_is_changed_while_the_server_runs(given: Opened, store: SqliteStore, tmp_path: Path) -> None:
    path = written(tmp_path / "a.db.key", "a")
    master_key, box = given(MasterKeysBeside(tmp_path / "a.db"))
    await master_key.open()
    old, name = box.seal(b"old", "c"), box.fingerprint(b"old")
    written(path, "ba")
    done = await master_key.rewrap(BY)
    assert (done.master_key, done.replaced, done.not_needed) == (IDS["b"], (IDS["a"],), (IDS["a"],))
    assert (done.data_keys, done.newest_data_key) == (2, 2)
    assert box.open(old, "c") == b"old"
    new = box.seal(b"new", "c")
    assert new[:5] == b"\x01\x00\x00\x00\x02"
    assert await wrapping(store) == [IDS["b"], IDS["b"]]
    (entry,) = await entries(store)
    assert entry.actor == BY
    assert entry.before is not None
    assert entry.after is not None
    assert msgspec.json.decode(entry.before) == {"master_keys": [IDS["a"]], "data_keys": 1}
    assert msgspec.json.decode(entry.after) == {"master_keys": [IDS["b"]], "data_keys": 2}
    written(path, "b")
    after, other = given(MasterKeysBeside(tmp_path / "a.db"))
    await after.open()
    assert (other.open(old, "c"), other.open(new, "c"), other.fingerprint(b"old")) == (b"old", b"new", name)


async def test_the_old_key_may_be_gone_from_the_file_already(given: Opened, store: SqliteStore, tmp_path: Path) -> None:
    path = written(tmp_path / "a.db.key", "a")
    master_key, _ = given(MasterKeysBeside(tmp_path / "a.db"))
    await master_key.open()
    for name in "bc":
        written(path, name)
        assert (await master_key.rewrap(BY)).master_key == IDS[name]
    assert await wrapping(store) == [IDS["c"]] * 3


async def test_with_the_same_first_key_new_values_get_a_new_data_key(given: Opened, tmp_path: Path) -> None:
    written(tmp_path / "a.db.key", "ab")
    master_key, box = given(MasterKeysBeside(tmp_path / "a.db"))
    await master_key.open()
    done = await master_key.rewrap(BY)
    assert (done.master_key, done.replaced, done.not_needed, done.newest_data_key) == (IDS["a"], (), (IDS["b"],), 2)
    assert box.seal(b"v", "c")[4] == 2


async def test_a_file_that_cannot_be_used_changes_nothing(given: Opened, store: SqliteStore, tmp_path: Path) -> None:
    path = written(tmp_path / "a.db.key", "a")
    master_key, box = given(MasterKeysBeside(tmp_path / "a.db"))
    await master_key.open()
    before = await store.data_keys.load()
    for spoil, problem in (
        (lambda: path.write_text("nonsense"), "must be base64 of 32 bytes"),
        (lambda: path.write_text(""), "holds no key"),
        (lambda: path.chmod(0o644), "its mode must be 0600"),
        (path.unlink, "is missing"),
    ):
        spoil()
        with pytest.raises(Conflict, match=problem):
            await master_key.rewrap(BY)
    assert not path.exists()
    assert await store.data_keys.load() == before
    assert await entries(store) == []
    assert box.seal(b"v", "c")[4] == 1


async def test_a_key_given_as_a_value_needs_a_restart(given: Opened, store: SqliteStore) -> None:
    master_key, _ = given(value("ab"))
    await master_key.open()
    with pytest.raises(Conflict, match="restart the server"):
        await master_key.rewrap(BY)
    assert await wrapping(store) == [IDS["a"]]


async def test_servers_that_start_at_once_have_one_first_data_key(given: Opened, store: SqliteStore) -> None:
    (one, first), (two, second) = given(value("a")), given(value("a"))
    await asyncio.gather(one.open(), two.open())
    assert second.open(first.seal(b"secret", "c"), "c") == b"secret"
    assert await wrapping(store) == [IDS["a"]]


async def test_a_data_key_that_another_server_made_is_opened(given: Opened, tmp_path: Path) -> None:
    path = written(tmp_path / "a.db.key", "a")
    (one, first), (two, second) = given(MasterKeysBeside(tmp_path / "a.db")), given(MasterKeysBeside(tmp_path / "a.db"))
    await one.open()
    await two.open()
    written(path, "b")
    await one.rewrap(BY)
    sealed = first.seal(b"new", "c")
    with pytest.raises(ValueError, match="a data key that is not there"):
        second.open(sealed, "c")
    await two.follow()
    assert (two.problem, second.open(sealed, "c")) == (None, b"new")


async def test_a_master_key_that_this_server_does_not_have_is_told(given: Opened, tmp_path: Path) -> None:
    written(tmp_path / "a.db.key", "a")
    one, first = given(MasterKeysBeside(tmp_path / "a.db"))
    await one.open()
    two, second = given(value("a"))
    await two.open()
    written(tmp_path / "a.db.key", "b")
    await one.rewrap(BY)
    await two.follow()
    assert "which was not given" in (two.problem or "")
    assert second.seal(b"v", "c")[4] == 1
    assert first.open(second.seal(b"v", "c"), "c") == b"v"


async def test_a_new_data_key_seals_when_the_others_have_had_time(store: SqliteStore, tmp_path: Path) -> None:
    written(tmp_path / "a.db.key", "a")
    box, mint = AesSecretBox(), IdMint(lambda: NOW, os.urandom)
    source = MasterKeysBeside(tmp_path / "a.db")
    key = MasterKey(
        store.data_keys, source, box, mint=mint, now_ms=lambda: NOW, entropy=os.urandom, spread_seconds=0.05
    )
    await key.open()
    await key.rewrap(BY)
    assert box.seal(b"v", "c")[4] == 1
    async with asyncio.timeout(10):
        while box.seal(b"v", "c")[4] != 2:
            await asyncio.sleep(0.01)
