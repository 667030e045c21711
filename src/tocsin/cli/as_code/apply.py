"""`apply`: makes the endpoints of the server like those in a file, after showing what that changes."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final, TextIO

from cyclopts import Parameter

from tocsin.cli.as_code.planning import Change, Plan, Planner
from tocsin.cli.as_code.reading import STDIN, Source, entries, read_source
from tocsin.cli.as_code.references import in_plain_text, resolved_entries
from tocsin.cli.as_code.showing import plan_document, print_plan
from tocsin.cli.connection import HERE, Connection
from tocsin.cli.inputs import Usage
from tocsin.cli.lists import one, part
from tocsin.cli.output import console, print_error, print_json, visible
from tocsin.cli.reporting import Flag
from tocsin.client import Client, Problem

REFUSED: Final = 4


@dataclass(frozen=True)
class _Made:
    """A signing secret that the server made, which is shown once."""

    tenant: str
    name: str
    secret: str


def apply(
    file: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    dry_run: Flag = False,
    yes: Flag = False,
    prune: Flag = False,
    secrets_file: Path | None = None,
    connection: Connection = HERE,
) -> int:
    """Make endpoints like those in a file, after showing what that changes. A second time nothing changes.

    The file is YAML, or JSON: `endpoints`, a list of endpoints as the API takes them, found again by tenant and name; what is not
    named has its default. `{env: NAME}` and `{file: PATH}` stand for a text that is not in the file, like a secret.
    `tocsin endpoints export` writes such a file.

    :param file: The file; - for standard input.
    :param dry_run: Only show what would change. The exit code is 1 when something would.
    :param yes: Do not ask.
    :param prune: Remove endpoints of the file's tenants (else of your own) that are not in the file.
    :param secrets_file: Write signing secrets that the server makes to this new file (mode 0600) instead of showing them.
    """
    source = read_source(file)
    found = entries(source, connection.tenant)
    wanted, wrong = resolved_entries(source, found, os.environ)
    if wrong:
        raise Usage("\n".join(wrong))
    for entry, resolved in wanted:
        for pointer in in_plain_text(resolved):
            print_error(
                f"{source.at(entry.pointer + pointer)}: a secret stands here; better {{env: NAME}}, {{file: PATH}}"
            )
    with connection.client() as client:
        plan = Planner(client, source).plan(wanted, _pruned(source, connection), prune=prune)
        if plan.refusals:
            return _refused(connection, plan)
        if not connection.is_json:
            print_plan(plan)
        if dry_run or not plan.changes:
            if connection.is_json:
                print_json(plan_document(plan) | {"applied": False})
            return 1 if plan.changes else 0
        if not yes and not _agreed(connection, file):
            return 1
        with _kept_in(secrets_file) as file_of_secrets:
            made = _apply(client, plan, file_of_secrets)
    _tell(connection, plan, made)
    return 0


def _pruned(source: Source, connection: Connection) -> list[str | None]:
    """The tenant that the whole file is about; endpoints name others."""
    top = source.value
    return [top.get("tenant") or connection.tenant] if isinstance(top, dict) else []


def _refused(connection: Connection, plan: Plan) -> int:
    if connection.is_json:
        print_json(plan_document(plan) | {"applied": False, "refusals": list(plan.refusals)})
    for refusal in plan.refusals:
        print_error(refusal)
    return REFUSED


def _agreed(connection: Connection, file: str) -> bool:
    if file == STDIN or connection.is_json or not sys.stdin.isatty():
        raise Usage("nobody can be asked here: say --yes to apply this, or --dry-run")
    console(stderr=True).print("\nApply? Only yes is taken for yes: ", end="")
    return sys.stdin.readline().strip().lower() == "yes"


@contextlib.contextmanager
def _kept_in(path: Path | None) -> Iterator[TextIO | None]:
    """A new file that nobody else can read, there before anything is applied. Raises Usage."""
    if path is None:
        yield None
        return
    try:
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise Usage(f"--secrets-file: {path} cannot be made: {error.strerror}") from None
    with os.fdopen(opened, "w", encoding="utf-8") as file:
        yield file


def _apply(client: Client, plan: Plan, file: TextIO | None) -> list[_Made]:
    """The secrets that were made, save those that went to the file. Raises Problem after saying how far it came."""
    made: list[_Made] = []
    for number, change in enumerate(plan.changes):
        try:
            secret = _do(client, change)
        except Problem:
            print_error(f"{number} of {len(plan.changes)} changes were applied; apply it again for the rest.")
            for one_made in made:
                print_error(f"made for {one_made.tenant}/{one_made.name}: {one_made.secret}")
            raise
        if secret is None:
            continue
        if file is None:
            made.append(_Made(change.tenant, change.name, secret))
        else:
            file.write(f"{change.tenant}/{change.name}\t{secret}\n")
            file.flush()
    return made


def _do(client: Client, change: Change) -> str | None:
    """The signing secret that was made, if one was."""
    query = {"tenant": change.tenant}
    if change.action == "remove":
        client.request("DELETE", f"/v1/endpoints/{change.id}", query=query)
        return None
    if change.action == "create":
        answer = client.request("POST", "/v1/endpoints", change.settings, query=query)
    else:
        answer = client.request("PUT", f"/v1/endpoints/{change.id}", change.settings, query=query)
    secret = part(one(answer), "signing").get("secret")
    return secret if isinstance(secret, str) else None


def _tell(connection: Connection, plan: Plan, made: list[_Made]) -> None:
    if connection.is_json:
        print_json(plan_document(plan) | {"applied": True, "secrets": [asdict(one_made) for one_made in made]})
        return
    screen = console()
    screen.print("Applied.")
    if made:
        screen.print("\nSigning secrets that were made; they are shown this once:", style="bold yellow")
    for one_made in made:
        screen.print(visible(f"  {one_made.tenant}/{one_made.name}  {one_made.secret}"), soft_wrap=True)
