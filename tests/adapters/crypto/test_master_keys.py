"""Master keys: as they may be written, what they wrap, and the files they come from."""

import base64
from pathlib import Path

import pytest

from tocsin.adapters.crypto.master_keys import AesMasterKeys, GivenMasterKeys, MasterKeysBeside, master_keys_from
from tocsin.errors import Misconfigured

OLD, NEW = base64.b64encode(b"o" * 32).decode(), base64.b64encode(b"n" * 32).decode()
OLD_ID, NEW_ID = AesMasterKeys([b"o" * 32]).ids[0], AesMasterKeys([b"n" * 32]).ids[0]


@pytest.mark.parametrize("between", [" ", "\n", ",", ", ", "\n\n  ,\t"])
def test_several_keys_have_white_space_or_commas_between_them(between: str) -> None:
    assert master_keys_from(f" {NEW}{between}{OLD}\n", "here").ids == (NEW_ID, OLD_ID)


def test_an_id_does_not_tell_the_key_and_a_key_twice_counts_once() -> None:
    keys = AesMasterKeys([b"n" * 32, b"o" * 32, b"n" * 32])
    assert keys.ids == (NEW_ID, OLD_ID)
    assert all(len(name) == 16 and int(name, 16) for name in keys.ids)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "here holds no key"),
        (" , ", "here holds no key"),
        ("AAAA", "here must be base64 of 32 bytes"),
        (OLD[:-1], "here must be base64 of 32 bytes"),
        (base64.urlsafe_b64encode(b"\xff" * 32).decode(), "here must be base64 of 32 bytes"),
        ("ключ", "here must be base64 of 32 bytes"),
        (f"{OLD} nonsense", "Key 2 in here must be base64 of 32 bytes"),
    ],
)
def test_what_is_no_key_is_refused_and_not_repeated(text: str, problem: str) -> None:
    with pytest.raises(Misconfigured, match=problem) as caught:
        master_keys_from(text, "here")
    assert not [word for word in text.replace(",", " ").split() if word in str(caught.value)]


def test_the_first_key_wraps_and_each_opens() -> None:
    wrapped = AesMasterKeys([b"o" * 32]).wrap(b"data key", "data key 1")
    both = AesMasterKeys([b"n" * 32, b"o" * 32])
    assert both.unwrap(OLD_ID, wrapped, "data key 1") == b"data key"
    assert both.unwrap("0123456789abcdef", wrapped, "data key 1") is None
    anew = both.wrap(b"data key", "data key 1")
    assert AesMasterKeys([b"n" * 32]).unwrap(NEW_ID, anew, "data key 1") == b"data key"
    assert AesMasterKeys([b"o" * 32]).unwrap(NEW_ID, anew, "data key 1") is None
    for key_id, context, value in (
        (NEW_ID, "data key 1", wrapped),
        (NEW_ID, "data key 2", anew),
        (NEW_ID, "data key 1", b""),
    ):
        with pytest.raises(ValueError, match="does not open"):
            both.unwrap(key_id, value, context)


def test_the_file_beside_the_database_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    source = MasterKeysBeside(tmp_path / "a.db")
    made = source.read(may_make=True)
    path = tmp_path / "a.db.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["a.db.key"]
    assert source.read(may_make=True).ids == source.read(may_make=False).ids == made.ids
    other = MasterKeysBeside(tmp_path / "b.db").read(may_make=True)
    assert other.ids != made.ids


def test_what_a_crash_left_of_making_it_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "a.db.key.new").write_text("hal")
    assert len(MasterKeysBeside(tmp_path / "a.db").read(may_make=True).ids) == 1


def test_no_key_is_made_for_a_database_that_has_one_somewhere(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"a\.db\.key is missing"):
        MasterKeysBeside(tmp_path / "a.db").read(may_make=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a.db.key"
    path.write_text(OLD)
    path.chmod(mode)
    with pytest.raises(Misconfigured, match="its mode must be 0600"):
        MasterKeysBeside(tmp_path / "a.db").read(may_make=True)


def test_a_file_that_was_named_is_read_anew_each_time(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    path.write_text(OLD)
    source = GivenMasterKeys(OLD, path)
    assert source.is_file
    assert source.read(may_make=False).ids == (OLD_ID,)
    path.write_text(f"{NEW}\n{OLD}\n")
    assert source.read(may_make=False).ids == (NEW_ID, OLD_ID)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(Misconfigured, match=r"master\.key must be base64"):
        source.read(may_make=False)
    path.unlink()
    with pytest.raises(Misconfigured, match=r"master\.key cannot be read: No such file"):
        source.read(may_make=False)


def test_a_key_given_as_a_value_stays() -> None:
    source = GivenMasterKeys(OLD, None)
    assert not source.is_file
    assert source.read(may_make=True).ids == (OLD_ID,)
    with pytest.raises(Misconfigured, match="TOCSIN_MASTER_KEY must be base64"):
        GivenMasterKeys("short", None).read(may_make=True)
