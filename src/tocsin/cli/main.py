"""The program: its commands, and what ends it with which exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final, Literal

from cyclopts import App, CycloptsError, Group

from tocsin import __version__
from tocsin.cli.connection import HERE, Connection
from tocsin.cli.inputs import Usage
from tocsin.cli.output import print_error, print_json
from tocsin.client import Problem, Unreachable
from tocsin.errors import Misconfigured, TocsinError

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
REFUSED: Final = 4

_SERVE = Group("Run it", sort_key=1)
_TELL = Group("Tell what happened", sort_key=2)
_LOOK = Group("Deliver, look and repair", sort_key=3)
_MORE = Group("More", sort_key=4)
_COMMANDS: Final = (
    (_SERVE, "demo", "tocsin.cli.demo.command:demo", "See it all work, in a minute."),
    (_SERVE, "serve", "tocsin.cli.server:serve", "Run the server."),
    (_SERVE, "work", "tocsin.cli.server:work", "Deliver beside servers, on the same PostgreSQL."),
    (_SERVE, "config", "tocsin.cli.server:config", "Show each setting and where it comes from."),
    (_SERVE, "migrate", "tocsin.cli.server:migrate", "Bring the database up to date."),
    (_TELL, "run", "tocsin.cli.run:run", "Run a command as a reported job."),
    (_TELL, "report", "tocsin.cli.reporting:report", "Report on a job."),
    (_TELL, "change", "tocsin.cli.reporting:change", "Tell of a change to a golden record."),
    (_TELL, "data-version", "tocsin.cli.reporting:data_version", "Tell that a data version was published."),
    (_TELL, "emit", "tocsin.cli.reporting:emit", "Send any event as a CloudEvent."),
    (_TELL, "receipt", "tocsin.cli.reporting:receipt", "What came of a submission that was queued."),
    (_LOOK, "endpoints", "tocsin.cli.endpoints:app", "Where events are delivered to."),
    (_LOOK, "apply", "tocsin.cli.as_code.apply:apply", "Make endpoints like those in a file."),
    (_LOOK, "deliveries", "tocsin.cli.deliveries:app", "Which event was brought where, and how it went."),
    (_LOOK, "events", "tocsin.cli.events:app", "What was reported, and where it went."),
    (_LOOK, "tail", "tocsin.cli.tail:tail", "Watch events and attempts live."),
    (_LOOK, "listen", "tocsin.cli.listen:listen", "Receive events on this machine, live, without a tunnel."),
    (_LOOK, "jobs", "tocsin.cli.jobs:app", "What was reported on jobs, and what they caused."),
    (_LOOK, "records", "tocsin.cli.records:app", "What became of golden records."),
    (_LOOK, "stats", "tocsin.cli.stats:stats", "What is pending, what was delivered, how fast."),
    (_LOOK, "replay", "tocsin.cli.replay:app", "Send past events to an endpoint again."),
    (_LOOK, "erase", "tocsin.cli.erase:app", "Erase everything about a subject, for good."),
    (_LOOK, "receive", "tocsin.cli.receive:receive", "Receive webhooks here, verify and print them."),
    (_MORE, "keys", "tocsin.cli.keys:app", "API keys: who may do what."),
    (_MORE, "audit", "tocsin.cli.audit:audit", "Who changed what."),
    (_MORE, "tenants", "tocsin.cli.tenants:tenants", "Whose events are here."),
    (_MORE, "retention", "tocsin.cli.retention:app", "What is kept how long."),
    (_MORE, "master-key", "tocsin.cli.master_key:app", "The key of all secrets at rest."),
    (_MORE, "intake", "tocsin.cli.intake:app", "The replicated intake, after its stream was lost."),
    (_MORE, "doctor", "tocsin.cli.doctor:doctor", "What is wrong, and what to do."),
    (_MORE, "backup", "tocsin.cli.backup:backup", "Copy the database of the running server."),
    (_MORE, "bench", "tocsin.bench.command:bench", "Measure this machine."),
)


def make_app(*, named: str | None = None, is_whole: bool = False) -> App:
    """The commands; each is imported only when it is called. The one that is `named` tells its own help, with
    `is_whole` all do; otherwise the help is the one line in the table above."""
    app = App(
        name="tocsin",
        help="Tells other systems by webhook when a job or a golden record changes.",
        version=__version__,
        help_format="markdown",
    )
    for flag in ("--help", "--version"):
        app[flag].group = _MORE
    for group, name, target, text in _COMMANDS:
        if is_whole or name == named:
            app.command(target, name=name, group=group)
        else:
            app.command(target, name=name, help=text, group=group)
    app.command(_openapi, name="openapi", group=_MORE)

    @app.command(group=_MORE)
    def completion(shell: Literal["bash", "zsh", "fish"], /) -> int:
        """Print the completion script for a shell: `source <(tocsin completion bash)`."""
        sys.stdout.write(make_app(is_whole=True).generate_completion(shell=shell) + "\n")
        return OK

    return app


def _openapi(*, connection: Connection = HERE) -> int:
    """Print the OpenAPI document of the running server."""
    print_json(connection.request("GET", "/openapi.json", query={"tenant": None}))
    return OK


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code. 0 ok, 1 failed, 2 usage, 3 unreachable, 4 refused."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    is_json = ("json" in tokens and ("-o" in tokens or "--output" in tokens)) or "--output=json" in tokens
    try:
        result: object = make_app(named=tokens[0] if tokens else None)(
            tokens, exit_on_error=False, print_error=False, result_action="return_value"
        )
    except CycloptsError as error:
        print_error(f"{error}\nSee: {' '.join(('tocsin', *(error.command_chain or ()), '--help'))}")
        return USAGE
    except (Usage, Misconfigured, ValueError) as error:
        print_error(str(error))
        return USAGE
    except Problem as problem:
        if is_json:
            print_json(dict(problem.document))
        print_error(str(problem))
        return REFUSED if 400 <= problem.status < 500 else FAILED
    except Unreachable as error:
        print_error(str(error))
        return UNREACHABLE
    except TocsinError as error:
        print_error(str(error))
        return FAILED
    except BrokenPipeError:
        return FAILED
    return result if isinstance(result, int) else OK
