"""The server that a command talks to, and how it answers: options shared by most commands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Group, Parameter

from tocsin.cli.output import Mode
from tocsin.client import Client
from tocsin.client.transport import DEFAULT_URL

_SERVER = Group("Server", sort_key=10)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Connection:
    """How to reach the server."""

    url: Annotated[str, Parameter(env_var="TOCSIN_URL", group=_SERVER)] = DEFAULT_URL
    """Address of the server."""
    api_key: Annotated[str | None, Parameter(env_var="TOCSIN_API_KEY", group=_SERVER, show_default=False)] = None
    """API key; better given in the environment than in a command line that others can see."""
    tenant: Annotated[str | None, Parameter(env_var="TOCSIN_TENANT", group=_SERVER, show_default=False)] = None
    """Tenant, for operator keys."""
    timeout: Annotated[float, Parameter(group=_SERVER)] = 15.0
    """Seconds to wait for an answer."""
    output: Annotated[Mode, Parameter(name=["--output", "-o"], group=_SERVER)] = "text"
    """`json` for programs."""

    def client(self) -> Client:
        """A client; ValueError when the address is none."""
        return Client(self.url, self.api_key, tenant=self.tenant, timeout_seconds=self.timeout)

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, str | None] | None = None,
        content_type: str = "application/json",
    ) -> object:
        """One request; the decoded answer. Raises Problem and Unreachable."""
        with self.client() as client:
            return client.request(method, path, body, query=query, content_type=content_type)

    @property
    def is_json(self) -> bool:
        return self.output == "json"


HERE = Connection()
"""What a command gets when none of the options is given."""
