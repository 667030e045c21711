"""The reference page of the command line, made from the commands themselves."""

from __future__ import annotations

import re
from typing import Final

from tocsin.cli.main import make_app

_HEAD: Final = """# The command line

Made from `src/tocsin/cli/` by `python3 dev.py docs`; a test keeps the two equal.

Every command takes `--help`. With `--output json` it prints JSON for programs: one document, or one a line where more
come as time goes on. Where nobody is looking at a terminal there are no colours and nothing is cut; `NO_COLOR` turns
colours off in a terminal too.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | failed: the server had trouble, a test was not delivered, the demo did not see all it should, `doctor` found something wrong; `apply --dry-run` would change something |
| 2 | the command line or a setting does not make sense |
| 3 | the server cannot be reached |
| 4 | the server refused: not allowed, not found, not valid, in conflict |

`tocsin run` ends with the exit code of its command instead.

Commands that talk to a running server read `TOCSIN_URL`, `TOCSIN_API_KEY` and, for operator keys, `TOCSIN_TENANT`.
`tocsin run` gives its command the job's id in `TOCSIN_JOB_ID`, and takes that of a job it runs inside of as the parent.
"""


def page() -> str:
    """The page, as Markdown."""
    made = make_app(is_whole=True).generate_docs(output_format="markdown", heading_level=1, usage_name="tocsin")
    commands = made[made.index("\n## tocsin ") :]
    commands = re.sub(r"(?m)^(tocsin [a-z -]*?) -m \S+", r"\1", commands)  # how the page happened to be made
    commands = re.sub(r"\n{3,}", "\n\n", commands).replace("```console\n", "```text\n")
    return _HEAD + commands.rstrip() + "\n"
