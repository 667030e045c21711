"""Writes the reference pages that are made from code: run it after a change there (`python3 dev.py docs`)."""  # noqa: INP001 (a script, not a package)

from __future__ import annotations

import re
from pathlib import Path

from tocsin.api.problems_page import problems_page
from tocsin.cli.reference import page as cli_page
from tocsin.config import SETTINGS
from tocsin.formats.reference import formats_page
from tocsin.rules.diagrams import delivery_state_diagram, job_state_diagram, job_state_table

REFERENCE = Path(__file__).resolve().parent / "reference"


def settings_page() -> str:
    """Every setting, from the table in config.py."""
    rows = "\n".join(
        f"| `{s.name}` | `{s.variable}`{f', `{s.variable}_FILE`' if s.is_secret else ''} "
        f"| {f'`{s.default}`' if s.default else ''} | {s.meaning} |"
        for s in SETTINGS
    )
    return f"""# Settings

Made from `src/tocsin/config.py` by `python3 dev.py docs`; a test keeps the two equal.

A value comes from the first of these that has it: a flag of `tocsin serve`, the environment, the TOML file, the default. `tocsin config`
shows each value and where it came from. The file is the one given by `--config`, else `TOCSIN_CONFIG`, else
`tocsin.toml` in the working directory if there is one. An unknown name in the file, and a value that cannot be read,
stop the start with a message that names it.

| in the file | in the environment | default | meaning |
|---|---|---|---|
{rows}

A `_FILE` variable holds the path of a file with the value, for secrets that a service manager hands over as files.

```toml
database = "sqlite:////var/lib/tocsin/tocsin.db"
listen = "127.0.0.1:8080"
allow_networks = ["10.20.0.0/16"]
allow_http = false
```

With a `postgresql://` database: [use PostgreSQL](../how-to/use-postgresql.md). With `nats` before it: [the replicated
intake](../how-to/replicated-intake.md).

What the command line reads beside these, to reach a running server: [the command line](cli.md).
"""


def with_diagram(page: str, diagram: str) -> str:
    """A page that people wrote, with the diagram in it made anew."""
    return re.sub(r"(?<=^```mermaid\n).*?(?=^```$)", lambda _: diagram, page, count=1, flags=re.DOTALL | re.MULTILINE)


def job_states_page() -> str:
    """The page on job states, with its table and diagram made anew."""
    page = (REFERENCE / "job-states.md").read_text(encoding="utf-8")
    page = re.sub(
        r"(?<=\n\n)\| state \|.*?(?=\n\n)", lambda _: job_state_table().rstrip("\n"), page, count=1, flags=re.DOTALL
    )
    return with_diagram(page, job_state_diagram())


def delivery_states_page() -> str:
    """The page on delivery states, with its diagram made anew."""
    return with_diagram((REFERENCE / "delivery-states.md").read_text(encoding="utf-8"), delivery_state_diagram())


PAGES = {
    REFERENCE / "settings.md": settings_page,
    REFERENCE / "cli.md": cli_page,
    REFERENCE / "formats.md": formats_page,
    REFERENCE / "job-states.md": job_states_page,
    REFERENCE / "delivery-states.md": delivery_states_page,
    REFERENCE / "problems.md": problems_page,
}


def main() -> None:
    """Write every page."""
    for path, text in PAGES.items():
        path.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
