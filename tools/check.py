"""Check that the repository is in step with itself: `python tools/check.py`. Nothing is run but the export, in a copy.

Each check yields its complaints; the last line counts the checks. tools/test_tools.py shows that each one can fail.
"""
import ast
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from functools import cached_property
from pathlib import Path

from execnb.nbio import dict2nb, nb2str
from nbdev.clean import clean_nb
from nbdev.doclinks import nbglob
from nbdev.process import extract_directives

import packaged
import readme

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "vae_nbdev"
MAX_BYTES = 1_500_000
NOT_RUN_OR_SHOWN = {"eval: false", "skip_exec", "skip_showdoc"}
# Where one of them may stand all the same: {("nbs/name.ipynb", "eval: false"): "why"}. Keep it short.
ALLOWED: dict[tuple[str, str], str] = {}

MACHINE_PATH = r"(?<![\w.~+-])/(?:root|home|tmp|work|Users)/"
REGISTRY = r"\bpy[p]i\.(?:org|python)|python[h]osted\.|\.[p]ytorch\.org/whl|registry\.[n]pmjs|[d]eb\.debian\.|[c]onda\.anaconda\."
NOT_IN_OUTPUT = {
    "a path of some machine": MACHINE_PATH + r"|site-packages|\.venv\b|ipykernel_\d",
    "a traceback": r"Traceback \(most recent call last\)",
    "a warning": r"\b[A-Z]\w*Warning:",
    "a progress bar": r"\d%\|[ █▏▎▍▌▋▊▉#]|\d(?:it/s|s/it)\b",
    "a memory address": r"\b0x[0-9a-f]{8,}",
    "a timing": r"\d ?(?:ns|[µu]s|ms|s) ± ",
}


class Notebook:
    """One notebook of the project: its name in it and its cells."""

    def __init__(self, path: Path, root: Path):
        self.path, self.name = path, path.relative_to(root).as_posix()
        self.text = path.read_text(encoding="utf-8")
        self.nb = dict2nb(json.loads(self.text))
        self.cells = self.nb.cells
        self.code = [cell for cell in self.cells if cell.cell_type == "code"]

    @property
    def number(self) -> int | None:
        """The layer of a module's notebook; None for a tutorial and the front page."""
        match = re.match(r"nbs/(\d+)_", self.name)
        return int(match[1]) if match else None

    @property
    def module(self) -> str | None:
        """The module that the notebook exports to, without the package's name."""
        for cell in self.code:
            if arguments := extract_directives(cell, remove=False).get("default_exp"):
                return arguments[0]
        return None

    def exported(self, cell) -> bool:
        """Return whether a code cell goes to the module."""
        return bool({"export", "exporti", "exports"} & extract_directives(cell, remove=False).keys())

    def outputs(self) -> Iterator[tuple[int, dict, str]]:
        """Yield each output with the number of its cell and its text."""
        for i, cell in enumerate(self.cells, start=1):
            for output in cell.get("outputs", []):
                data = output.get("data", {})
                parts = [output.get("text", ""), *(v for k, v in data.items() if not k.startswith("image/"))]
                yield i, output, "\n".join("".join(p) if isinstance(p, (list, str)) else json.dumps(p) for p in parts)


class Project:
    """The tree that is checked, read once."""

    def __init__(self, root: Path = ROOT):
        self.root = root

    @cached_property
    def notebooks(self) -> list[Notebook]:
        """Every notebook under nbs/, also those that nbdev would leave out."""
        paths = (self.root / "nbs").rglob("*.ipynb")
        return [Notebook(p, self.root) for p in sorted(paths) if ".ipynb_checkpoints" not in p.parts]

    @cached_property
    def layers(self) -> dict[str, int]:
        """Module name → number of its notebook."""
        return {nb.module: nb.number for nb in self.notebooks if nb.module and nb.number is not None}

    @cached_property
    def modules(self) -> dict[str, ast.Module]:
        """Module name → the syntax tree of what was exported."""
        paths = sorted((self.root / PACKAGE).glob("*.py"))
        return {p.stem: ast.parse(p.read_text(encoding="utf-8")) for p in paths if p.stem not in {"__init__", "_modidx"}}

    @cached_property
    def files(self) -> list[Path]:
        """What git tracks, or would with `git add .`."""
        listing = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=self.root,
                                 capture_output=True, text=True, check=True).stdout
        return [p for name in listing.split("\0") if name and (p := self.root / name).is_file()]


CHECKS: dict[str, tuple[str, Callable[[Project], Iterator[str]]]] = {}


def check(title: str, mend: str):
    """Register a check under a title, with what to do when it fails."""
    def register(function):
        CHECKS[title] = mend, function
        return function
    return register


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and the absolute name of whatever a module of the package imports, wherever it does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(filter(None, [PACKAGE if node.level else "", node.module]))
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in {"import_module", "__import__"}:
            name = str(node.args[0].value) if node.args and isinstance(node.args[0], ast.Constant) else "?"
            yield node.lineno, PACKAGE + name if name.startswith(".") else name


def public(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Yield the functions, classes and methods that do not begin with an underscore."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public(node, f"{prefix}{node.name}.")


def export(root: Path) -> subprocess.CompletedProcess:
    """Export a tree's notebooks into it."""
    environment = {k: v for k, v in os.environ.items() if k != "IN_TEST"}  # under which nbdev exports nothing
    command = [sys.executable, "-c", "from nbdev.doclinks import nbdev_export; nbdev_export()"]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)


@check("the modules are what the notebooks export", "`make export`; a module without a notebook is deleted by hand")
def export_in_step(project: Project) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        shutil.copytree(project.root / "nbs", fresh / "nbs")
        for name in ("settings.ini", "pyproject.toml"):
            shutil.copy(project.root / name, fresh / name)
        done = export(fresh)
        if done.returncode:
            yield f"the export failed: {done.stderr.strip().splitlines()[-1]}"
            return
        names = {p.relative_to(base).as_posix() for base in (fresh, project.root) for p in (base / PACKAGE).rglob("*.py")}
        for name in sorted(names | {"pyproject.toml"}):
            have, want = project.root / name, fresh / name
            if not want.exists():
                yield f"{name} comes from no notebook"
            elif not have.exists():
                yield f"{name} is missing"
            elif have.read_bytes() != want.read_bytes():
                yield f"{name} is not what its notebook exports"


@check("README.md is what the front page says", "`make readme`")
def readme_in_step(project: Project) -> Iterator[str]:
    try:
        yield from readme.differences(project.root)
    except (readme.NotPossible, FileNotFoundError) as error:
        yield str(error)


@check("the package holds the report as its notebook says it", "`make export`")
def packaged_in_step(project: Project) -> Iterator[str]:
    yield from packaged.differences(project.root)


@check("notebooks are clean", "`make clean-notebooks`")
def notebooks_clean(project: Project) -> Iterator[str]:
    for nb in project.notebooks:
        cleaned = json.loads(nb.text)
        clean_nb(cleaned)
        if nb2str(cleaned) != nb.text:
            yield f"{nb.name} is not as nbdev_clean leaves it"
        if len({cell.get("id") for cell in nb.cells}) < len(nb.cells):
            yield f"{nb.name} has two cells with the same id"


@check("each layer imports only from lower ones", "move the code down, or the import up")
def layers(project: Project) -> Iterator[str]:
    numbers = [nb.number for nb in project.notebooks if nb.number is not None]
    yield from (f"the number {n:02d} is given twice" for n in sorted(set(numbers)) if numbers.count(n) > 1)
    trees = [(f"{PACKAGE}/{name}.py", project.layers.get(name, -1), tree) for name, tree in project.modules.items()]
    for nb in project.notebooks:  # what a notebook shows before it exports would be the module of an earlier run
        for i, cell in enumerate(nb.cells, start=1):
            if nb.number is not None and cell.cell_type == "code" and not nb.exported(cell):
                source = re.sub(r"^\s*[%!].*$", "pass", cell.source, flags=re.MULTILINE)
                trees.append((f"{nb.name}, cell {i}", nb.number + 1, ast.parse(source)))  # its own module is there
    for where, own, tree in trees:
        for line, name in imports(tree):
            module = name.split(".")[1] if name.startswith(f"{PACKAGE}.") else ""
            if name.endswith(".*") or name == "?":
                yield f"{where}, line {line}: name what is imported"
            elif module and module not in project.layers and module not in {"__version__", "_modidx", "data"}:
                yield f"{where}, line {line}: {PACKAGE} has no module {module}"
            elif module in project.layers and project.layers[module] >= own:
                yield f"{where}, line {line}: {module} is layer {project.layers[module]:02d}, which is not lower"


@check("exported code needs only what settings.ini requires", "add the package to `requirements` or to an extra for users, or do without it")
def requirements(project: Project) -> Iterator[str]:
    settings = ConfigParser(delimiters=["="])
    settings.read(project.root / "settings.ini", encoding="utf-8")
    wanted = " ".join(settings["DEFAULT"].get(name, "") for name in ("requirements", "files_requirements", "report_requirements", "arviz_requirements"))
    required = {re.split(r"[<>=!~\[]", item)[0].lower() for item in wanted.split()}
    providers = importlib.metadata.packages_distributions()
    for module, tree in project.modules.items():
        for line, name in imports(tree):
            top = name.split(".")[0]
            if top not in sys.stdlib_module_names | {PACKAGE} and not required & {d.lower() for d in providers.get(top, [])}:
                yield f"{PACKAGE}/{module}.py, line {line}: {top}"


@check("committed outputs are fit to read", "mend the cell, then `make notebooks NB=…`")
def outputs(project: Project) -> Iterator[str]:
    for nb in project.notebooks:
        for i, output, text in nb.outputs():
            found = [what for what, pattern in NOT_IN_OUTPUT.items() if re.search(pattern, text)]
            found += ["an error"] * (output["output_type"] == "error") + ["text on stderr"] * (output.get("name") == "stderr")
            yield from (f"{nb.name}, cell {i}: {what}" for what in found)
        shown = [cell for cell in nb.code if not nb.exported(cell)]
        if len(shown) > 5 and not any(cell.outputs for cell in shown):
            yield f"{nb.name}: no cell has an output; was it run?"


@check("every cell is run and shown", "take the directive out, or allow it in tools/check.py with a reason")
def everything_runs(project: Project) -> Iterator[str]:
    for nb in project.notebooks:
        found = set()
        for cell in nb.cells:
            directives = extract_directives(cell, remove=False) if cell.cell_type == "code" else {}
            if [v.lower() for v in directives.get("eval:", [])] == ["false"]:
                found.add("eval: false")
            found |= {flag for flag in NOT_RUN_OR_SHOWN if ":" not in flag and re.search(rf"\b{flag}\b", cell.source)}
            if cell.cell_type == "code" and re.search(r"nbdev_export\s*\(", cell.source):
                found.add("nbdev_export(), for which nbdev skips the cell")
        if nb.nb.metadata.get("kernelspec", {}).get("language") != "python":
            found.add("a language other than python, for which nbdev skips the notebook")
        yield from (f"{nb.name}: {what}" for what in sorted(found) if (nb.name, what) not in ALLOWED)
    tested = {Path(p).resolve() for p in nbglob(project.root / "nbs")}
    yield from (f"{nb.name}: nbdev leaves it out, for its name" for nb in project.notebooks if nb.path.resolve() not in tested)
    yield from (f"{p.relative_to(project.root)} takes its folder out of the tests" for p in project.root.glob("nbs/**/.notest"))


@check("notebooks open as they should and are small", "H1, blank line, `> promise`; `#| default_exp name` in a module's")
def form(project: Project) -> Iterator[str]:
    for nb in project.notebooks:
        first = next((cell.source for cell in nb.cells if cell.cell_type == "markdown"), "")
        if not re.match(r"# \S.*\n+> \S.*(\n\n|\n?$)", first):
            yield f"{nb.name} does not open with an H1 and a promise of one line"
        if nb.path.stat().st_size > MAX_BYTES:
            yield f"{nb.name} has {nb.path.stat().st_size / 1e6:.1f} MB; the limit is {MAX_BYTES / 1e6} MB"
        if (nb.number is None) == bool(nb.module):
            yield f"{nb.name} needs both a number and `#| default_exp`, or neither"
        elif nb.module and not re.search(r"default_exp", nb.code[0].source):
            yield f"{nb.name}: `#| default_exp` belongs in the first code cell"
        rest = [cell.source for cell in nb.code if not nb.exported(cell)]
        if nb.module and nb.module != "__main__" and not re.search(r"\bassert|raises|test_", "\n".join(rest)):
            yield f"{nb.name} exports a module but asserts nothing"


@check("what is public has a docstring", "say in one line what it does")
def docstrings(project: Project) -> Iterator[str]:
    for module, tree in project.modules.items():
        missing = [name for name, node in public(tree) if not ast.get_docstring(node)]
        yield from (f"{PACKAGE}/{module}.py: {name}" for name in missing)
        if not ast.get_docstring(tree):
            yield f"{PACKAGE}/{module}.py: the module itself"


@check("no file names a machine's paths or a package registry", "name things relative to the repository")
def places(project: Project) -> Iterator[str]:
    notebooks = {nb.path: "\n".join(cell.source for cell in nb.cells) for nb in project.notebooks}  # outputs: see above
    for path in project.files:
        if b"\0" in (raw := path.read_bytes())[:8192]:
            continue
        text = notebooks.get(path) or raw.decode("utf-8", errors="replace")
        for i, line in enumerate(text.splitlines(), start=1):
            if match := re.search(f"{MACHINE_PATH}|{REGISTRY}", line):
                yield f"{path.relative_to(project.root)}, line {i}: {match[0]}"


def run(project: Project) -> dict[str, list[str]]:
    """Make every check; return the complaints of each."""
    return {title: list(function(project)) for title, (_, function) in CHECKS.items()}


def main() -> int:
    """Check the project that this file is part of, print the outcome and return the exit status."""
    results = run(Project())
    for title, complaints in results.items():
        print(f"{'FAILED' if complaints else 'ok':<7} {title}")
        if complaints:
            print(*(f"          {line}" for line in complaints), f"        → {CHECKS[title][0]}", sep="\n")
    failed = sum(map(bool, results.values()))
    print(f"{len(results) - failed} passed, {failed} failed")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
