#!/usr/bin/env python3
"""Everything a contributor runs: makes .venv from the lock and runs demo, example, test, lint, check, bench, micro, docs, lock in it.

Standard library only. Uses uv when it is on PATH, venv and pip otherwise; never installs outside this directory.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (says so before anything fails on an older Python)
    sys.exit(
        "Tocsin needs Python 3.11 or newer; this is {}.{} ({}).\nRun it with a newer one, for example: python3.12 {}".format(
            sys.version_info[0], sys.version_info[1], sys.executable, " ".join(sys.argv)
        )
    )

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal, NoReturn

ROOT: Final = Path(__file__).resolve().parent
VENV: Final = ROOT / ".venv"
BIN: Final = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON: Final = BIN / ("python.exe" if os.name == "nt" else "python")
STAMP: Final = VENV / "tocsin-installed.json"
REQUIREMENTS: Final = ROOT / "requirements"
LOCK_TOOLS: Final = ROOT / ".cache" / "lock-tools"
BUILD_EDITABLE: Final = "editables>=0.5"
"""What hatchling asks for beyond build-system.requires, to install the project in place without fetching anything."""
BROWSERS: Final = (
    "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome",
)  # fmt: skip
HAS_BROWSER: Final = (
    "import os, sys; from playwright.sync_api import sync_playwright as start\n"
    "with start() as p: sys.exit(not os.path.exists(p.chromium.executable_path))"
)
MEMORY: Final = Path("/dev/shm")  # noqa: S108 (whoever writes there takes a new name)
MEMORY_BYTES: Final = 8 * 2**30
"""All tests together write about half of that."""
LOCK_HEADER: Final = "# Made by `python3 dev.py lock` from pyproject.toml. Do not edit.\n"

# What of the caller's environment would make an installer or an interpreter look elsewhere than into .venv.
STRAY: Final = ("PYTHONHOME", "PYTHONPATH", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV")
STRAY_UV: Final = ("UV_SYSTEM_PYTHON", "UV_PROJECT_ENVIRONMENT", "UV_TARGET", "UV_PREFIX", "UV_BREAK_SYSTEM_PACKAGES")
# What would have each process compile everything anew: the tests start hundreds.
SLOW: Final = ("PYTHONDONTWRITEBYTECODE",)

Size = Literal["base", "dev"]


def environment() -> dict[str, str]:
    """The caller's environment, turned towards .venv."""
    kept = {name: value for name, value in os.environ.items() if name not in STRAY + STRAY_UV + SLOW}
    return kept | {"VIRTUAL_ENV": str(VENV), "PATH": f"{BIN}{os.pathsep}{kept.get('PATH', os.defpath)}"}


def say(text: str) -> None:
    """To people, on stderr: stdout belongs to what is run."""
    print(text, file=sys.stderr, flush=True)


def run(*command: str | Path) -> int:
    """Run one command at the root and give its exit code."""
    return subprocess.run([str(part) for part in command], cwd=ROOT, env=environment(), check=False).returncode


def must(*command: str | Path) -> None:
    """Run one command; end with its exit code when it fails."""
    code = run(*command)
    if code != 0:
        sys.exit(f"dev.py: failed with exit code {code}: {' '.join(map(str, command))}")


def become(*command: str | Path) -> NoReturn:
    """Run the last command in our place, so that signals and the exit code are its own."""
    sys.stdout.flush()
    if os.name == "nt":
        sys.exit(run(*command))
    os.execve(command[0], [str(part) for part in command], environment())  # noqa: S606 (no shell is the point)


def digest(size: Size) -> str:
    """What an installation of this size was made from."""
    made_from = hashlib.sha256(f"{sys.version_info[:2]}{ROOT}".encode())
    for path in (ROOT / "pyproject.toml", REQUIREMENTS / f"{size}.txt"):
        made_from.update(path.read_bytes())
    return made_from.hexdigest()


def installed() -> dict[str, str]:
    """The digests of what .venv holds; empty when it is not ours or not usable by this Python."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def make_venv(uv: str | None) -> None:
    """Make .venv for this Python, unless there is one."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    probe = "import sys; sys.exit('%d.%d' % sys.version_info[:2] != sys.argv[1])"
    if PYTHON.exists() and run(PYTHON, "-c", probe, version) == 0:
        return
    say(f"dev.py: making .venv (Python {version})")
    if uv is not None:
        must(uv, "venv", "--quiet", "--clear", "--python", sys.executable, VENV)
        return
    try:
        import ensurepip  # noqa: F401, PLC0415 (Debian and Ubuntu leave it out)
        import venv  # noqa: F401, PLC0415
    except ImportError:
        sys.exit(
            "dev.py: this Python cannot make virtual environments.\n"
            f"Install its venv package (Debian, Ubuntu: apt install python{version}-venv) or put uv on PATH."
        )
    must(sys.executable, "-m", "venv", "--clear", VENV)


def install_with_uv(uv: str, size: Size) -> bool:
    """Install the lock and the project; False when uv could not."""
    into = ("--quiet", "--python", PYTHON)
    return (
        run(uv, "pip", "sync", *into, "--require-hashes", REQUIREMENTS / f"{size}.txt") == 0
        and run(uv, "pip", "install", *into, "--no-deps", "--no-build-isolation", "-e", ROOT) == 0
    )


def install_with_pip(size: Size) -> None:
    """Install the lock and the project by the venv's own pip."""
    if run(PYTHON, "-c", "import pip") != 0:
        must(PYTHON, "-m", "ensurepip", "--upgrade", "--default-pip")
    into = (PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps")
    must(*into, "--require-hashes", "-r", REQUIREMENTS / f"{size}.txt")
    must(*into, "--no-build-isolation", "-e", ROOT)


def need(size: Size) -> None:
    """Make sure that .venv holds what the lock says; a quick look when nothing changed."""
    present = installed()
    if PYTHON.exists() and (present.get(size) == digest(size) or present.get("dev") == digest("dev")):
        return
    uv = shutil.which("uv")
    make_venv(uv)
    say(f"dev.py: installing requirements/{size}.txt with {'uv' if uv else 'pip'} (once; the lock decides)")
    STAMP.unlink(missing_ok=True)
    if uv is None:
        install_with_pip(size)
    elif not install_with_uv(uv, size):
        say("dev.py: uv could not install; trying pip")
        install_with_pip(size)
    STAMP.write_text(json.dumps({size: digest(size)}), encoding="utf-8")


def need_browser() -> None:
    """Make sure that there is a Chromium for the tests of the web interface: the system's, else one that playwright fetches."""
    if os.environ.get("TOCSIN_TEST_BROWSER") or any(map(shutil.which, BROWSERS)):
        return
    found = run(PYTHON, "-c", HAS_BROWSER)
    if found == 0:
        return
    say("dev.py: installing a Chromium for the tests of the web interface")
    if run(PYTHON, "-m", "playwright", "install", "chromium") != 0:
        say("dev.py: there is none to be had; install your system's (Debian: apt install chromium-headless-shell)")


def write_to_memory() -> None:
    """Have tests write to memory, where there is room: they start thousands of databases, and a disk that stalls stalls them."""
    if "TMPDIR" in os.environ or not MEMORY.is_dir():
        return
    found = os.statvfs(MEMORY)
    if found.f_bavail * found.f_frsize > MEMORY_BYTES and not found.f_flag & os.ST_NOEXEC:
        os.environ["TMPDIR"] = str(MEMORY)


def demo(arguments: Sequence[str]) -> NoReturn:
    """Start `tocsin demo`: server, receivers, real jobs and record changes (--once ends after the tour)."""
    need("base")
    become(PYTHON, "-m", "tocsin", "demo", *arguments)


def example(arguments: Sequence[str]) -> NoReturn:
    """Run examples/golden_records on real data; arguments go to it."""
    need("base")
    os.chdir(ROOT)
    become(PYTHON, "-m", "examples.golden_records.run", *arguments)


def test(arguments: Sequence[str]) -> NoReturn:
    """Run the tests; arguments go to pytest. All of them run side by side: most wait more than they work."""
    need("dev")
    need_browser()
    os.chdir(ROOT)
    workers = str((os.cpu_count() or 1) + 1)
    write_to_memory()
    become(PYTHON, "-m", "pytest", *(arguments or ("-n", workers, "--dist", "worksteal")))


def bench(arguments: Sequence[str]) -> NoReturn:
    """Run `tocsin bench`; arguments go to it."""
    need("dev")
    become(PYTHON, "-m", "tocsin", "bench", *arguments)


def micro(arguments: Sequence[str]) -> NoReturn:
    """Measure the pure stages one by one; arguments go to benchmarks/run.py (--save, --baseline, --only)."""
    need("dev")
    os.chdir(ROOT)
    become(PYTHON, "benchmarks/run.py", *arguments)


def pages(arguments: Sequence[str]) -> NoReturn:
    """Measure each page of the web interface over a million deliveries; arguments go to benchmarks/pages.py (--store, --only)."""
    need("dev")
    os.chdir(ROOT)
    become(PYTHON, "benchmarks/pages.py", *arguments)


def lint(_: Sequence[str]) -> None:
    """Run every linter: format, lint, types, layers. All of them run; one that fails fails the command."""
    need("dev")
    linters: tuple[tuple[str | Path, ...], ...] = (
        ("-m", "ruff", "format", "--check"),
        ("-m", "ruff", "check"),
        ("-m", "mypy"),
        (BIN / "lint-imports", "--no-cache"),
    )
    failed = []
    for linter in linters:
        name = " ".join(Path(part).name for part in linter if part != "-m")
        say(f"dev.py: {name}")
        if run(PYTHON, *linter) != 0:
            failed.append(name)
    if failed:
        sys.exit(f"dev.py: failed: {', '.join(failed)}")


def check(arguments: Sequence[str]) -> NoReturn:
    """Lint, then test: what a change must pass."""
    lint(())
    test(arguments)


def docs(arguments: Sequence[str]) -> NoReturn:
    """Write the generated pages anew, then check links, snippets and that pages and code agree."""
    need("dev")
    must(PYTHON, "docs/generate.py")
    os.chdir(ROOT)
    become(PYTHON, "-m", "pytest", "tests/docs", *arguments)


def uv_for_locking() -> str:
    """Find uv on PATH, or put it into a private venv under .cache."""
    found = shutil.which("uv")
    if found is not None:
        return found
    private = LOCK_TOOLS / BIN.relative_to(VENV)
    if not (private / "uv").exists():
        must(sys.executable, "-m", "venv", "--clear", LOCK_TOOLS)
        must(private / PYTHON.name, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv")
    return str(private / "uv")


def lock(arguments: Sequence[str]) -> None:
    """Make requirements/*.txt anew; arguments go to `uv pip compile` (--upgrade, --upgrade-package NAME)."""
    uv = uv_for_locking()
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    compile_ = (
        uv, "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--generate-hashes",
        "--no-header", "--no-emit-index-url", "--no-emit-find-links",
    )  # fmt: skip
    source = ROOT / ".cache" / "build.in"
    source.parent.mkdir(exist_ok=True)
    source.write_text("\n".join([*build, BUILD_EDITABLE]) + "\n", encoding="utf-8")
    # The base lock is a part of the dev lock: made second, held to the versions of the first.
    for size, extra in (("dev", ("--all-extras",)), ("base", ("--constraint", "requirements/dev.txt"))):
        target = REQUIREMENTS / f"{size}.txt"
        target.parent.mkdir(exist_ok=True)
        must(*compile_, "pyproject.toml", source.relative_to(ROOT), *extra, *arguments, "--output-file", target)
        pins = target.read_text(encoding="utf-8").removeprefix(LOCK_HEADER)
        target.write_text(LOCK_HEADER + pins, encoding="utf-8")
        say(f"dev.py: {target.relative_to(ROOT)}: {sum(line[:1].isalnum() for line in pins.splitlines())} packages")


COMMANDS: Final[dict[str, Callable[[Sequence[str]], None]]] = {
    made.__name__: made for made in (demo, example, test, lint, check, bench, micro, pages, docs, lock)
}


def main() -> None:
    """Read the command and hand over the rest of the line untouched."""
    parser = argparse.ArgumentParser(
        prog="dev.py",
        description="Runs everything in .venv, which it makes and keeps equal to the lock.",
        epilog="commands:\n" + "\n".join(f"  {name:7} {made.__doc__}" for name, made in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, nargs="?", metavar="COMMAND")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="passed on")
    chosen = parser.parse_args()
    if chosen.command is None:
        parser.print_help(sys.stderr)
        sys.exit(2)
    try:
        COMMANDS[chosen.command](chosen.arguments)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
