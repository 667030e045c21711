"""`endpoints export`: writes endpoints as the file that `tocsin apply` takes."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Final

from tocsin.cli.as_code.references import by_name
from tocsin.cli.connection import HERE, Connection
from tocsin.cli.inputs import Usage
from tocsin.cli.lists import Document, items, one, text
from tocsin.cli.output import print_error, print_json
from tocsin.cli.reporting import Flag
from tocsin.operations.as_code import document_as_code
from tocsin.operations.yaml_text import to_yaml

_ALL: Final = 1_000_000


def export(*endpoint_ids: str, by_env: Flag = False, connection: Connection = HERE) -> int:
    """Write endpoints as the file that `tocsin apply` takes, in YAML; with `--output json`, in JSON.

    A secret is written as its fingerprint: on the same server that keeps it.

    :param endpoint_ids: Which ones; all that you may see, when none is named.
    :param by_env: Write secrets as `{env: NAME}` instead, for another server; the names are told on standard error.
    """
    if endpoint_ids:
        found = [one(connection.request("GET", f"/v1/endpoints/{endpoint_id}")) for endpoint_id in endpoint_ids]
    else:
        found = items(connection, "/v1/endpoints", {}, _ALL)
    _check_names(found)
    document = document_as_code(found)
    if by_env:
        document = _by_env(document)
    if connection.is_json:
        print_json(document)
    else:
        sys.stdout.write(to_yaml(document))
    return 0


def _check_names(found: list[Document]) -> None:
    """Raises Usage when two could not be told apart in the file."""
    names = Counter((text(endpoint, "tenant"), text(endpoint, "name")) for endpoint in found)
    for (tenant, name), count in names.items():
        if count > 1:
            raise Usage(f"{count} endpoints of {tenant} are called {name}: in a file they need names of their own")


def _by_env(document: dict[str, object]) -> dict[str, object]:
    written: list[object] = []
    endpoints = document["endpoints"]
    assert isinstance(endpoints, list)
    for settings in endpoints:
        named, names = by_name(settings, str(settings["name"]))
        written.append(named)
        for name in names:
            print_error(f"to be set: {name}")
    return document | {"endpoints": written}
