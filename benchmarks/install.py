"""How many packages and megabytes does the core install bring? Run it with `BENCH_INSTALL=1`: it downloads them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path

from benchmarks.measure import Finding, figure

PACKAGES, MEGABYTES = 25, 40


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _fresh() -> tuple[list[str], float]:
    """Install into a virtual environment of its own; return its packages and megabytes, pip and setuptools left out."""
    root = Path(__file__).parent.parent
    with tempfile.TemporaryDirectory() as directory:
        _run(sys.executable, "-m", "venv", directory)
        python = f"{directory}/bin/python"
        _run(python, "-m", "pip", "install", "-q", "--no-compile", str(root))
        listed = json.loads(_run(python, "-m", "pip", "list", "--format=json"))
        names = [each["name"] for each in listed if each["name"] not in {"pip", "setuptools"}]
        packages = next(Path(directory).glob("lib/python*/site-packages"))
        ours = [path for path in packages.rglob("*") if path.is_file() and _counts(path.relative_to(packages))]
        return names, sum(path.stat().st_size for path in ours) / 1e6


def _counts(path: Path) -> bool:
    top = path.parts[0]
    return not top.startswith(("pip", "setuptools", "_distutils", "pkg_resources", "distutils")) and (
        path.suffix != ".pyc"
    )


def _here() -> tuple[list[str], float]:
    """Return the packages that the core needs and their megabytes, as they are installed here."""
    from packaging.requirements import Requirement

    found: set[str] = set()
    waiting = ["arawn"]
    size = 0
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in found:
            continue
        try:
            files = distribution(name).files or []
        except PackageNotFoundError:
            continue
        found.add(name)
        paths = [Path(str(file.locate())) for file in files if file.suffix != ".pyc"]
        size += sum(path.stat().st_size for path in paths if path.is_file())
        for text in requires(name) or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return sorted(found), size / 1e6


def run() -> Iterator[Finding]:
    """Count; one result."""
    names, megabytes = _fresh() if os.environ.get("BENCH_INSTALL") else _here()
    figures = (figure("packages", [len(names)], "packages"), figure("files, bytecode left out", [megabytes], "MB"))
    yield Finding(
        f"What does the core install bring? {', '.join(names)}",
        f"<= {PACKAGES} packages, <= {MEGABYTES} MB",
        figures,
        len(names) <= PACKAGES and megabytes <= MEGABYTES,
    )
