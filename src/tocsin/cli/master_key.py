"""`master-key ...`: a new master key, and the change to it."""

from __future__ import annotations

import base64
import os
import sys
from typing import Annotated

from cyclopts import App, Parameter

from tocsin.cli.connection import HERE, Connection
from tocsin.cli.lists import one
from tocsin.cli.output import Mode, console, print_json, print_listing

app = App(name="master-key", help="The key of all secrets at rest.")
_KEY_BYTES = 32


@app.command
def new(*, output: Annotated[Mode, Parameter(name=["--output", "-o"])] = "text") -> int:
    """Print a new random master key. Nothing is changed by it: put it into `TOCSIN_MASTER_KEY` or its file.

    :param output: `json` for programs.
    """
    key = base64.b64encode(os.urandom(_KEY_BYTES)).decode()
    if output == "json":
        print_json({"master_key": key})
    else:
        sys.stdout.write(key + "\n")
    return 0


@app.command
def rewrap(*, connection: Connection = HERE) -> int:
    """Change to the first key in the master key's file, while the server runs. Needs an operator key."""
    done = one(connection.request("POST", "/v1/master-key/rewrap", query={"tenant": None}))
    if connection.is_json:
        print_json(done)
        return 0
    print_listing(done.items())
    if done.get("not_needed"):
        console().print("\nThe keys behind the first one are no longer needed in the file.")
    return 0
