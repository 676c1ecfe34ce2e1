"""Check that the repository is in step with itself: `python tools/check.py`.

Nothing is run but the export, in a copy, and the linter. Each check yields its complaints; the last
line counts the checks. tools/test_tools.py shows that each one can fail.
"""
import ast
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from functools import cached_property
from operator import attrgetter
from pathlib import Path

from execnb.nbio import dict2nb, nb2str
from nbdev.clean import clean_nb
from nbdev.doclinks import nbglob
from nbdev.process import extract_directives

import colab
import packaged
import readme

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "vae_nbdev"
USER_EXTRAS = ("files", "report", "arviz")  # of settings.ini: exported code may need these too

# Sizes, in lines; the length of a line is in pyproject.toml, where ruff reads it.
FUNCTION_LINES = 60
CLASS_LINES = 200
MODULE_LINES = range(70, 451)
MAX_BYTES = 1_500_000  # of a notebook
# What may have another size all the same: {"module" or "module.name": "why"}. Keep it short.
ALLOWED_SIZES: dict[str, str] = {
    "fitted.demo": "one function; the demo model deserves a page",
}

# Notebooks in which `eval: false` may stand: {"nbs/name.ipynb": "why"}. Keep it short.
ALLOWED_NOT_RUN: dict[str, str] = {}

MACHINE_PATH = r"(?<![\w.~+-])/(?:root|home|tmp|work|Users)/"
REGISTRY = (r"\bpy[p]i\.(?:org|python)|python[h]osted\.|\.[p]ytorch\.org/whl|registry\.[n]pmjs"
            r"|[d]eb\.debian\.|[c]onda\.anaconda\.")
ODD_WORDS = re.compile(r"\b[Nn]obody\b|\b[Ww]hoever\b|(?<= )nil\b|\b(is|are) none\b")
NOT_IN_OUTPUT = {
    "a path of some machine": MACHINE_PATH + r"|site-packages|\.venv\b|ipykernel_\d",
    "a traceback": r"Traceback \(most recent call last\)",
    "a warning": r"\b[A-Z]\w*Warning:",
    "a progress bar": r"\d%\|[ █▏▎▍▌▋▊▉#]|\d(?:it/s|s/it)\b",
    "a memory address": r"\b0x[0-9a-f]{8,}",
    "a timing": r"\d ?(?:ns|[µu]s|ms|s) ± ",
}
Defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


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
        """The layer of a module's notebook; None for a tutorial, the report and the front page."""
        match = re.match(r"nbs/(?!tutorials/)(?:\w+/)*(\d+)_", self.name)
        return int(match[1]) if match else None

    @property
    def target(self) -> str | None:
        """What the notebook exports to, as it says: `curves.files`, or `curves.__init__`."""
        for cell in self.code:
            if arguments := extract_directives(cell, remove=False).get("default_exp"):
                return arguments[0]
        return None

    @property
    def module(self) -> str | None:
        """The module that the notebook exports to; a face has the name of its folder."""
        return self.target and self.target.removesuffix(".__init__")

    def exported(self, cell) -> bool:
        """Return whether a code cell goes to the module."""
        directives = extract_directives(cell, remove=False)
        return bool({"export", "exporti", "exports"} & directives.keys())

    def parsed(self) -> Iterator[tuple[str, bool, ast.Module]]:
        """Yield where each code cell is, whether it is exported, and its syntax tree."""
        for i, cell in enumerate(self.cells, start=1):
            if cell.cell_type == "code":
                source = re.sub(r"^\s*[%!].*$", "pass", cell.source, flags=re.MULTILINE)
                yield f"{self.name}, cell {i}", self.exported(cell), ast.parse(source)

    def outputs(self) -> Iterator[tuple[int, dict, str]]:
        """Yield each output with the number of its cell and its text."""
        for i, cell in enumerate(self.cells, start=1):
            for output in cell.get("outputs", []):
                data = output.get("data", {}).items()
                parts = [output.get("text", ""), *(v for k, v in data if k[:6] != "image/")]
                texts = ["".join(p) if isinstance(p, (list, str)) else json.dumps(p) for p in parts]
                yield i, output, "\n".join(texts)


class Module:
    """One module of the package as it lies on disk, by its name within the package."""

    def __init__(self, path: Path, root: Path):
        self.file, text = path.relative_to(root).as_posix(), path.read_text(encoding="utf-8")
        self.tree, self.lines = ast.parse(text), len(text.splitlines())
        self.is_face = path.stem == "__init__"
        parts = path.relative_to(root / PACKAGE).with_suffix("").parts
        self.name = ".".join(parts[:-1] if self.is_face else parts)  # "" at the top
        self.package = ".".join((PACKAGE, *parts[:-1]))  # from which relative imports start
        stub = path.with_suffix(".pyi")
        self.stub = ast.parse(stub.read_text(encoding="utf-8")) if stub.exists() else None

    @property
    def names(self) -> set[str]:
        """The names that are defined in the module."""
        assigned = {node.id for node in ast.walk(self.tree)
                    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        return assigned | {node.name for node in self.tree.body if isinstance(node, Defined)}


    def given(self) -> Iterator[tuple[str, str]]:
        """Yield the names that a face loads when they are used, each with its module."""
        for node in self.stub.body if self.stub else []:
            if isinstance(node, ast.ImportFrom):
                yield from ((alias.name, node.module or alias.name) for alias in node.names)
        for node in ast.walk(self.tree):
            if isinstance(node, ast.keyword) and node.arg == "submod_attrs":
                for module, names in ast.literal_eval(node.value).items():
                    yield from ((name, module) for name in names)


class Project:
    """The tree that is checked, read once."""

    def __init__(self, root: Path = ROOT):
        self.root = root

    @cached_property
    def notebooks(self) -> list[Notebook]:
        """Every notebook under nbs/, also those that nbdev would leave out."""
        paths = sorted((self.root / "nbs").rglob("*.ipynb"))
        return [Notebook(p, self.root) for p in paths if ".ipynb_checkpoints" not in p.parts]

    @cached_property
    def layers(self) -> dict[str, int]:
        """Module name → number of its notebook."""
        numbered = [nb for nb in self.notebooks if nb.module and nb.number is not None]
        return {nb.module: nb.number for nb in numbered}

    @cached_property
    def faces(self) -> set[str]:
        """The folders of the package that a notebook gives a face."""
        return {nb.module for nb in self.notebooks if nb.module != nb.target}

    @cached_property
    def modules(self) -> list[Module]:
        """Every module that lies in the package."""
        paths = sorted((self.root / PACKAGE).rglob("*.py"))
        return [Module(p, self.root) for p in paths if p.stem != "_modidx"]

    @cached_property
    def given(self) -> dict[str, str]:
        """What faces give, `name` or `folder.name` → the module where it is."""
        faces = {f"{m.name}." if m.name else "": m for m in self.modules if m.is_face}
        return {start + name: start + module
                for start, face in faces.items() for name, module in face.given()}

    def module_of(self, name: str) -> str | None:
        """The module that an absolute name leads to; "" if there is none; None if not ours."""
        parts = name.split(".")
        names = [".".join(parts[1:end]) for end in range(len(parts), 1, -1)]
        return next((n for n in names if n in self.layers), "") if parts[0] == PACKAGE else None

    def layer_of(self, name: str, on_page: bool) -> tuple[str | None, int | None]:
        """The module that an absolute name leads to, as above, and its layer, None if it has none.

        A face is as high as the highest of what it gives. Only a page may import from the top.
        """
        module, short = self.module_of(name), name.removeprefix(f"{PACKAGE}.")
        if short in self.given and (on_page or "." in short):
            module = self.given[short]
        if module not in self.faces:
            return module, self.layers.get(module)
        homes = [home for full, home in self.given.items() if full.startswith(f"{module}.")]
        inside = [self.layers[home] for home in homes if home in self.layers]
        return module, max(inside, default=None) if short == module else None

    @cached_property
    def files(self) -> list[Path]:
        """What git tracks, or would with `git add .`."""
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listing = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=True)
        paths = [self.root / name for name in listing.stdout.split("\0") if name]
        return [path for path in paths if path.is_file()]


CHECKS: dict[str, tuple[str, Callable[[Project], Iterator[str]]]] = {}


def check(title: str, mend: str):
    """Register a check under a title, with what to do when it fails."""
    def register(function):
        CHECKS[title] = mend, function
        return function
    return register


def bindings(tree: ast.AST, package: str = PACKAGE) -> Iterator[tuple[int, str, str]]:
    """Yield each import's line, the name that it binds, and the absolute name of what that is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, a.asname or a.name, a.name) for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            yield from ((node.lineno, a.asname or a.name, f"{base}.{a.name}") for a in node.names)


def imports(tree: ast.AST, package: str = PACKAGE) -> Iterator[tuple[int, str]]:
    """Yield the line and the absolute name of whatever a module imports, wherever it does."""
    yield from ((line, name) for line, _, name in bindings(tree, package))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func).split(".")[-1]
            if called in {"import_module", "__import__"}:
                known = node.args and isinstance(node.args[0], ast.Constant)
                name = str(node.args[0].value) if known else "?"
                yield node.lineno, importlib.util.resolve_name(name, package)


def public(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Yield the functions, classes and methods that do not begin with an underscore."""
    for node in tree.body:
        if isinstance(node, Defined) and not node.name.startswith("_"):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public(node, f"{prefix}{node.name}.")


def one_name(distribution: str) -> str:
    """Return the one spelling of a distribution's name: lazy_loader is Lazy-Loader."""
    return distribution.lower().replace("_", "-")


def is_private(name: str) -> bool:
    """Return whether a name begins with an underscore, those of Python aside."""
    return name.startswith("_") and not name.startswith("__")


def export(root: Path) -> subprocess.CompletedProcess:
    """Export a tree's notebooks into it."""
    environment = {k: v for k, v in os.environ.items() if k != "IN_TEST"}  # else nbdev does nothing
    command = [sys.executable, "-c", "from nbdev.doclinks import nbdev_export; nbdev_export()"]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)


@check("the modules are what the notebooks export",
       "`make export`; a module without a notebook is deleted by hand")
def export_in_step(project: Project) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        shutil.copytree(project.root / "nbs", fresh / "nbs")
        (fresh / PACKAGE).mkdir()
        for name in ("settings.ini", "pyproject.toml", f"{PACKAGE}/__init__.py"):
            if (project.root / name).exists():  # nbdev only updates their lines with the version
                shutil.copy(project.root / name, fresh / name)
        done = export(fresh)
        if done.returncode:
            yield f"the export failed: {done.stderr.strip().splitlines()[-1]}"
            return
        paths = [p.relative_to(base) for base in (fresh, project.root)
                 for p in (base / PACKAGE).rglob("*.py")]
        for name in sorted({path.as_posix() for path in paths} | {"pyproject.toml"}):
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


@check("each notebook installs the package in Colab", "`make export`")
def colab_in_step(project: Project) -> Iterator[str]:
    for path, _ in colab.changes(project.root):
        yield f"{path.relative_to(project.root)} lacks the cell, or has another one"


@check("notebooks are clean", "`make clean-notebooks`")
def notebooks_clean(project: Project) -> Iterator[str]:
    for nb in project.notebooks:
        cleaned = json.loads(nb.text)
        clean_nb(cleaned)
        if nb2str(cleaned) != nb.text:
            yield f"{nb.name} is not as nbdev_clean leaves it"
        if len({cell.get("id") for cell in nb.cells}) < len(nb.cells):
            yield f"{nb.name} has two cells with the same id"


@check("each notebook has its own number, and its place in the package",
       "nbs/FOLDER/NN_name.ipynb exports FOLDER.name, nbs/FOLDER/NN_face.ipynb FOLDER.__init__")
def places_of_notebooks(project: Project) -> Iterator[str]:
    ours = [nb for nb in project.notebooks if nb.number is not None]
    for what, give in (("number", attrgetter("number")), ("module", attrgetter("target"))):
        given = defaultdict(list)
        for nb in ours:
            given[give(nb)].append(nb.name)
        yield from (f"{' and '.join(names)} have the same {what}"
                    for value, names in given.items() if value is not None and len(names) > 1)
    for nb in ours:
        names = {"face": "__init__", "main": "__main__"}
        *folders, name = re.sub(r"\d+_", "", nb.name).removesuffix(".ipynb").split("/")[1:]
        home = [] if name == "main" else folders
        if nb.target not in {None, ".".join([*home, names.get(name, name)])}:
            yield f"{nb.name} exports {nb.target}, which is not its own name"
    folders = {module.package.partition(".")[2] for module in project.modules} - {""}
    yield from (f"the folder {name} has no face" for name in sorted(folders - project.faces))


@check("each layer imports only from lower ones", "move the code down, or the import up")
def layers(project: Project) -> Iterator[str]:
    sources = [(m.file, m.package, project.layers.get(m.name, -1), m.tree)
               for m in project.modules if not m.is_face]
    for nb in project.notebooks:  # what a notebook shows before it exports is of an earlier run
        if nb.number is not None:
            sources += [(where, None, nb.number + 1, tree)  # its own module is there
                        for where, exported, tree in nb.parsed() if not exported]
    for where, package, own, tree in sources:
        for line, name in imports(tree, package or PACKAGE):
            short, wrong = name.removeprefix(f"{PACKAGE}."), ""
            module, layer = project.layer_of(name, package is None)
            if name.endswith(".*") or name == "?":
                wrong = "name what is imported"
            elif module is None or short.split(".")[0] in {PACKAGE, "__version__", "data"}:
                continue
            elif package is None and short in project.given and "." not in short:
                continue  # a demonstration may use what every user has
            elif layer is None:
                wrong = f"{short} is in no module"
            elif layer >= own:
                wrong = f"{module} is layer {layer:02d}, which is not lower"
            if wrong:
                yield f"{where}, line {line}: {wrong}"


@check("faces import nothing by themselves", "let lazy_loader load what a face gives")
def faces(project: Project) -> Iterator[str]:
    for module in project.modules:
        for line, name in imports(module.tree, module.package) if module.is_face else ():
            if name != "lazy_loader":
                yield f"{module.file}, line {line}: {name}"


@check("faces give names that are there", "mend the face, or __init__.pyi")
def faces_in_step(project: Project) -> Iterator[str]:
    modules = {module.name: module for module in project.modules}
    for full, home in project.given.items():
        if full != home and full in modules:
            yield f"{full} is also the name of a module, which would hide it"
        if home not in modules or not {full, full.split(".")[-1]} & {home, *modules[home].names}:
            yield f"{full} is not in {home}"
    for module in project.modules:
        stub = module.file + "i"
        if "attach_stub" in ast.dump(module.tree) and module.stub is None:
            yield f"{stub} is missing"
        if module.stub and not (project.root / PACKAGE / "py.typed").exists():
            yield f"{PACKAGE}/py.typed is missing, without which {stub} says nothing"


@check("private names stay in their module", "make it public in the lower module")
def private_names(project: Project) -> Iterator[str]:
    for nb in project.notebooks:
        bound = {}
        for where, _, tree in nb.parsed():
            for line, name, full in bindings(tree):
                bound[name] = full
                private = is_private(full.rpartition(".")[2])
                if private and project.module_of(full) not in {None, nb.module}:
                    yield f"{where}, line {line}: {full}"
            for node in ast.walk(tree):
                if isinstance(node, ast.Attribute) and is_private(node.attr):
                    full = bound.get(ast.unparse(node.value), "")
                    if project.module_of(full) and full == f"{PACKAGE}.{project.module_of(full)}":
                        yield f"{where}, line {node.lineno}: {full}.{node.attr}"


@check("functions, classes and modules have a readable size",
       "split it, or allow it in tools/check.py with a reason")
def sizes(project: Project) -> Iterator[str]:
    for module in project.modules:
        if module.is_face or module.name in ALLOWED_SIZES or module.name == "__main__":
            continue
        if module.lines not in MODULE_LINES:
            yield f"{module.file} has {module.lines} lines"
        for node in ast.walk(module.tree):
            if isinstance(node, Defined) and f"{module.name}.{node.name}" not in ALLOWED_SIZES:
                lines = node.end_lineno - node.lineno + 1
                if lines > (CLASS_LINES if isinstance(node, ast.ClassDef) else FUNCTION_LINES):
                    yield f"{module.file}: {node.name} has {lines} lines"


@check("the linter has nothing to say", "mend the line; pyproject.toml names the rules")
def linted(project: Project) -> Iterator[str]:
    command = [sys.executable, "-m", "ruff", "check", "--quiet", "--no-cache"]
    command += ["--output-format=concise"]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True)
    yield from (done.stdout + done.stderr).strip().splitlines()


@check("exported code needs only what settings.ini requires",
       "add the package to `requirements` or to an extra for users, or do without it")
def requirements(project: Project) -> Iterator[str]:
    settings = ConfigParser(delimiters=["="])
    settings.read(project.root / "settings.ini", encoding="utf-8")
    options = ["requirements", *(f"{extra}_requirements" for extra in USER_EXTRAS)]
    wanted = " ".join(settings["DEFAULT"].get(name, "") for name in options).split()
    required = {one_name(re.split(r"[<>=!~\[]", item)[0]) for item in wanted}
    providers = importlib.metadata.packages_distributions()
    for module in project.modules:
        for line, name in imports(module.tree, module.package):
            top = name.split(".")[0]
            needed = {one_name(distribution) for distribution in providers.get(top, [])}
            if top not in sys.stdlib_module_names | {PACKAGE} and not required & needed:
                yield f"{module.file}, line {line}: {top}"


@check("committed outputs are fit to read", "mend the cell, then `make notebooks NB=…`")
def outputs(project: Project) -> Iterator[str]:
    for nb in project.notebooks:
        for i, output, text in nb.outputs():
            found = [what for what, pattern in NOT_IN_OUTPUT.items() if re.search(pattern, text)]
            if output["output_type"] == "error":
                found.append("an error")
            if output.get("name") == "stderr":
                found.append("text on stderr")
            yield from (f"{nb.name}, cell {i}: {what}" for what in found)
        shown = [cell for cell in nb.code if not nb.exported(cell)]
        if len(shown) > 5 and not any(cell.outputs for cell in shown):
            yield f"{nb.name}: no cell has an output; was it run?"


@check("every cell is run",
       "take the directive out, or allow it in tools/check.py with a reason")
def everything_runs(project: Project) -> Iterator[str]:
    for nb in project.notebooks:
        values = [extract_directives(cell, remove=False).get("eval:", []) for cell in nb.code]
        is_left_out = ["false"] in [[v.lower() for v in value] for value in values]
        if is_left_out and nb.name not in ALLOWED_NOT_RUN:
            yield f"{nb.name}: eval: false"
    tested = {Path(p).resolve() for p in nbglob(project.root / "nbs")}
    left_out = [nb for nb in project.notebooks if nb.path.resolve() not in tested]
    yield from (f"{nb.name}: nbdev leaves it out, for its name" for nb in left_out)


@check("notebooks open as they should and are small",
       "H1, blank line, `> promise`; `#| default_exp name` in a module's")
def form(project: Project) -> Iterator[str]:
    for nb in project.notebooks:
        first = next((cell.source for cell in nb.cells if cell.cell_type == "markdown"), "")
        if not re.match(r"# \S.*\n+> \S.*(\n\n|\n?$)", first):
            yield f"{nb.name} does not open with an H1 and a promise of one line"
        if nb.path.stat().st_size > MAX_BYTES:
            yield f"{nb.name} has more than {MAX_BYTES / 1e6} MB"
        if (nb.number is None) == bool(nb.module):
            yield f"{nb.name} needs both a number and `#| default_exp`, or neither"
        elif nb.module and not re.search(r"default_exp", nb.code[0].source):
            yield f"{nb.name}: `#| default_exp` belongs in the first code cell"
        rest = "\n".join(cell.source for cell in nb.code if not nb.exported(cell))
        may_assert_nothing = nb.module in {None, "__main__"} | project.faces
        if not may_assert_nothing and not re.search(r"\bassert|raises|test_", rest):
            yield f"{nb.name} exports a module but asserts nothing"


@check("what is public has a docstring", "say in one line what it does")
def docstrings(project: Project) -> Iterator[str]:
    for module in project.modules:
        missing = [name for name, node in public(module.tree) if not ast.get_docstring(node)]
        yield from (f"{module.file}: {name}" for name in missing)
        if not ast.get_docstring(module.tree):
            yield f"{module.file}: the module itself"


@check("no file names a machine's paths or a package registry",
       "name things relative to the repository")
def places(project: Project) -> Iterator[str]:
    notebooks = {nb.path: "\n".join(cell.source for cell in nb.cells)  # outputs: see above
                 for nb in project.notebooks}
    for path in project.files:
        if b"\0" in (raw := path.read_bytes())[:8192]:
            continue
        text = notebooks.get(path) or raw.decode("utf-8", errors="replace")
        for i, line in enumerate(text.splitlines(), start=1):
            if match := re.search(f"{MACHINE_PATH}|{REGISTRY}", line):
                yield f"{path.relative_to(project.root)}, line {i}: {match[0]}"


@check("the prose uses plain words", "say it with the usual word")
def plain_words(project: Project) -> Iterator[str]:
    for nb in project.notebooks:
        for i, cell in enumerate(nb.cells, start=1):
            if match := ODD_WORDS.search(cell.source):
                yield f"{nb.name}, cell {i}: {match[0]}"
    for path in project.root.glob("*.md"):
        if match := ODD_WORDS.search(path.read_text(encoding="utf-8")):
            yield f"{path.name}: {match[0]}"


def run(project: Project) -> dict[str, list[str]]:
    """Make every check; return the complaints of each."""
    return {title: list(function(project)) for title, (_, function) in CHECKS.items()}


def main() -> int:
    """Check the project that this file is part of, print the outcome and return the exit status."""
    results = run(Project())
    for title, complaints in results.items():
        print(f"{'FAILED' if complaints else 'ok':<7} {title}")
        if complaints:
            print(*(f"          {line}" for line in complaints), sep="\n")
            print(f"        → {CHECKS[title][0]}")
    failed = sum(map(bool, results.values()))
    print(f"{len(results) - failed} passed, {failed} failed")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
