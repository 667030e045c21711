"""Writes the reference pages that are made from code: run it after a change there (`python3 dev.py docs`)."""  # noqa: INP001 (a script, not a package)

from __future__ import annotations

from pathlib import Path

from tocsin.config import NOT_YET, SETTINGS

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

Not in this version: {", ".join(f"`{name}`" for name in NOT_YET)}, and a `postgresql://` database. `tocsin serve` does not
start with one of them set, rather than run without what was asked for.

What the command line reads beside these, to reach a running server: [the command line](cli.md).
"""


PAGES = {REFERENCE / "settings.md": settings_page}


def main() -> None:
    """Write every page."""
    for path, text in PAGES.items():
        path.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
