"""`backup`: a copy of the running server's database, written here."""

from __future__ import annotations

import base64
import hashlib
import os
import sys
from pathlib import Path
from typing import Annotated, BinaryIO, Final

from cyclopts import Parameter

from tocsin.cli.connection import HERE, Connection
from tocsin.cli.inputs import Usage
from tocsin.cli.output import console, print_json, visible
from tocsin.client import Unreachable
from tocsin.client.transport import Download

STDOUT: Final = "-"
_SECONDS: Final = 3600.0
_CHUNK: Final = 256 * 1024


def backup(file: Annotated[str, Parameter(allow_leading_hyphen=True)], /, *, connection: Connection = HERE) -> int:
    """Write a copy of the running server's database, as it is now, to a new file (mode 0600). Producers and deliveries go on.

    Secrets in it stay sealed. The master key is not in it: keep that elsewhere, without it they cannot be opened.

    :param file: The file to make; - for standard output.
    """
    if file != STDOUT and Path(file).exists():
        raise Usage(f"{file} is there already")
    with connection.client() as client, client.download("POST", "/v1/backups", timeout_seconds=_SECONDS) as download:
        if file == STDOUT:
            size, digest = _pass_on(download, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        else:
            size, digest = _write(download, Path(file))
    if connection.is_json and file != STDOUT:
        print_json({"file": file, "bytes": size, "sha256": digest})
    elif file != STDOUT:
        console(stderr=True).print(visible(f"{file}: {size} bytes, SHA-256 {digest}"), soft_wrap=True)
    return 0


def _write(download: Download, path: Path) -> tuple[int, str]:
    """Whole and on disk, or not there at all."""
    begun = path.with_name(f"{path.name}.part")
    try:
        opened = os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise Usage(f"{begun} cannot be made: {error.strerror}") from None
    try:
        with os.fdopen(opened, "wb") as out:
            size, digest = _pass_on(download, out)
            out.flush()
            os.fsync(out.fileno())
        begun.rename(path)
    except BaseException:
        begun.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return size, digest


def _pass_on(download: Download, out: BinaryIO) -> tuple[int, str]:
    """Raises Unreachable when it did not come through whole."""
    size, digest = 0, hashlib.sha256()
    while chunk := download.read(_CHUNK):
        out.write(chunk)
        digest.update(chunk)
        size += len(chunk)
    said = download.header("Repr-Digest")
    if said is not None and said != f"sha-256=:{base64.b64encode(digest.digest()).decode()}:":
        raise Unreachable("the backup did not come through whole: its digest is another one")
    return size, digest.hexdigest()
