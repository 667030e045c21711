"""`records ...`: the history of a golden record."""

from __future__ import annotations

from urllib.parse import quote

from cyclopts import App

from tocsin.cli.connection import HERE, Connection
from tocsin.cli.lists import items, part, text
from tocsin.cli.output import print_json, print_table

app = App(name="records", help="What became of golden records.")


@app.command
def history(record_id: str, /, *, table: str = "default", limit: int = 50, connection: Connection = HERE) -> int:
    """List the versions of a record, newest first.

    :param table: Its table.
    :param limit: How many at most.
    """
    path = f"/v1/records/{quote(table, safe='')}/{quote(record_id, safe='')}/history"
    found = items(connection, path, {}, limit)
    if connection.is_json:
        print_json({"items": found})
        return 0
    rows = [
        (
            text(part(event, "data"), "version_id"),
            text(event, "time"),
            text(part(event, "data"), "action"),
            text(event, "verb"),
            ", ".join(_others(event.get("parts"), text(event, "subject_id"))),
            text(event, "id"),
        )
        for event in found
    ]
    print_table(("VERSION", "TIME", "ACTION", "RECORD WAS", "WITH", "EVENT"), rows, empty="No such versions.")
    return 0


def _others(subjects: object, own: str) -> list[str]:
    """The other records of a merge or an unmerge."""
    return [str(subject) for subject in subjects if subject != own] if isinstance(subjects, list) else []
