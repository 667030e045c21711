"""Secrets that are planted, and the search for them in whatever was written."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import apsw
import msgspec

from tocsin.model.secret import Secret

PIECE = 12
"""Fewer characters of a secret in a row are not looked for."""


class Planted(NamedTuple):
    """A secret: where it is set, and pieces of its text from the beginning on that nothing else contains."""

    field: str
    text: str
    pieces: tuple[str, ...]


def planted(field: str, number: int = 0) -> Planted:
    """A secret text of its own for a field."""
    text = hashlib.sha256(f"{field} {number}".encode()).hexdigest()
    return Planted(field, text, (text[:PIECE], text[-PIECE:]))


def planted_key(field: str, prefix: str) -> Planted:
    """A key as Standard Webhooks writes them: a prefix and 32 bytes in base64."""
    text = base64.b64encode(hashlib.sha256(field.encode()).digest()).decode()
    return Planted(field, prefix + text, (text[:PIECE], text[-PIECE:]))


def planted_pem(field: str, pem: str, at: int) -> Planted:
    """A private key; `at` is where in its base64 text the private part is."""
    body = "".join(pem.strip().splitlines()[1:-1])
    return Planted(field, pem, (body[at : at + PIECE], body[at + PIECE : at + 2 * PIECE]))


def known(field: str, text: str) -> Planted:
    """A secret that the server made."""
    core = text.partition("_")[2] or text
    return Planted(field, text, (core[:PIECE], core[-PIECE:]))


def forms(secret: Planted) -> Iterator[bytes]:
    """As text, in hexadecimal, and in base64 wherever it may begin there."""
    for piece in secret.pieces:
        data = piece.encode()
        yield data
        yield data.hex().encode()
        for shift in range(3):
            encoded = base64.b64encode(b"." * shift + data)
            yield encoded[(0, 2, 3)[shift] : -4].rstrip(b"=")


def found(secrets: list[Planted], where: str, data: bytes) -> list[str]:
    """Which of them the data holds."""
    return [f"{secret.field} in {where}: {form!r}" for secret in secrets for form in forms(secret) if form in data]


def files_of(database: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of a database, as it is."""
    for path in sorted(database.parent.glob(database.name + "*")):
        yield path.name, path.read_bytes()


def cells_of(database: Path) -> Iterator[tuple[str, bytes]]:
    """Every value in a database that nobody has open, whole, wherever its pages lie."""
    connection = apsw.Connection(str(database))
    try:
        tables = [
            row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        ]
        for table in tables:
            for row in connection.execute(f'SELECT * FROM "{table}"').fetchall():
                for value in row:
                    yield table, value if isinstance(value, bytes) else str(value).encode()
    finally:
        connection.close()


def secret_fields(kind: type) -> set[str]:
    """The name of every field that holds a secret, anywhere in the settings of this type."""
    names: set[str] = set()
    waiting = [("", msgspec.inspect.type_info(kind))]
    seen: set[type] = set()
    while waiting:
        name, info = waiting.pop()
        match info:
            case msgspec.inspect.CustomType(cls=cls) if cls is Secret:
                names.add(name)
            case msgspec.inspect.StructType(cls=cls, fields=fields) if cls not in seen:
                seen.add(cls)
                waiting += [(f"{cls.__name__}.{field.name}", field.type) for field in fields]
            case msgspec.inspect.UnionType(types=types):
                waiting += [(name, inner) for inner in types]
            case msgspec.inspect.VarTupleType(item_type=item):
                waiting.append((name, item))
            case msgspec.inspect.DictType(value_type=value):
                waiting.append((name, value))
            case msgspec.inspect.Metadata(type=inner):
                waiting.append((name, inner))
            case _:
                pass
    return names
