"""`python -m tocsin.bench`: the bench without the rest of the command line."""

from __future__ import annotations

import sys

from cyclopts import App

from tocsin.bench.command import bench

if __name__ == "__main__":
    app = App(name="tocsin-bench")
    app.default(bench)
    sys.exit(app())
