"""`tocsin` and `python -m tocsin`."""

from __future__ import annotations

import sys

from tocsin.cli.main import main as run_command


def main() -> None:
    """The program."""
    sys.exit(run_command())


if __name__ == "__main__":
    main()
