"""Do what the README says: run its ten lines and its four commands, in an empty folder.

`python tools/test_readme.py`. Only the line that activates the environment is left out: the
programs of the environment that runs this file come first in the path.
"""
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import verdict

ROOT = Path(__file__).resolve().parent.parent
MOST_BYTES = 5_000_000  # of the report


def block(readme: str, heading: str, language: str) -> str:
    """The first block of code in that language under a heading of the README."""
    after = re.split(rf"^## {re.escape(heading)}$", readme, flags=re.MULTILINE)[1]
    section = after.split("\n## ")[0]
    return re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)[1]


def run(command: list[str], folder: Path) -> str:
    """Run a command in a folder; return what went wrong, or nothing."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    said = done.stderr.strip().splitlines() or ["nothing was said"]
    return f"exit code {done.returncode}: {said[-1]}" if done.returncode else ""


def main() -> int:
    """Run both, look at what they leave behind, and return the exit status."""
    readme, start = (ROOT / "README.md").read_text(encoding="utf-8"), time.perf_counter()
    python, bash = block(readme, "Ten lines", "python"), block(readme, "Four commands", "bash")
    commands = [
        line for line in bash.splitlines() if line.strip() and not line.startswith("source ")
    ]
    statements = [line for line in python.splitlines() if line.strip()]
    looked = {
        "there are ten lines": "" if len(statements) == 10 else f"there are {len(statements)}",
        "there are four commands": "" if len(commands) == 4 else f"there are {len(commands)}",
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        check = "\nassert new.shape == (500, 50) and z.shape == (400, 4)\n"
        looked["the ten lines do what they say"] = run(
            [sys.executable, "-c", python + check], folder
        )
        for command in commands:
            looked[command.split("  #")[0].strip()] = run(["bash", "-euc", command], folder)
        new, report = folder / "new_curves.csv", folder / "runs" / "curves" / "report.html"
        looked["500 new curves"] = (
            ""
            if new.is_file() and len(new.read_text().splitlines()) == 501
            else "they are not there"
        )
        looked["the report is small"] = (
            ""
            if report.is_file() and report.stat().st_size < MOST_BYTES
            else "it is not there, or too large"
        )
        page = report.read_text(encoding="utf-8") if report.is_file() else ""
        foreign = re.search(
            r"""<(?:script|link|img|iframe)[^>]+(?:src|href)=["']?https?:[^>]*""", page
        )
        looked["the report needs nothing else"] = foreign[0] if foreign else ""
    print(f"README: {time.perf_counter() - start:.0f} s")
    return verdict.verdict(looked)


if __name__ == "__main__":
    sys.exit(main())
