"""`tenants`: who has events here."""

from __future__ import annotations

from tocsin.cli.connection import HERE, Connection
from tocsin.cli.lists import items, text
from tocsin.cli.output import print_json, print_table


def tenants(*, limit: int = 50, connection: Connection = HERE) -> int:
    """List the tenants that have events or deliveries; for operators.

    :param limit: How many at most.
    """
    found = items(connection, "/v1/tenants", {"tenant": None}, limit)
    if connection.is_json:
        print_json({"items": found})
        return 0
    print_table(("TENANT",), [(text(tenant, "tenant"),) for tenant in found], empty="No tenant has an event yet.")
    return 0
