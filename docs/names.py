"""Turn names into links: `CurveVAE` to our reference, `torch.Tensor` to PyTorch's.

Types in signatures are resolved by intersphinx, from inventories that are written here, without a
network; code in prose is looked up when all pages are read. A name that could mean two things stays
plain code, except that a public name of the package, and a name on its own page, come first.
"""
import configparser
import re
import zlib
from collections import defaultdict
from pathlib import Path

from docutils import nodes
from sphinx.util.nodes import make_refnode

import assemble

HERE = Path(__file__).resolve().parent
SHORT = {"np": "numpy", "nn": "torch.nn"}
# whose functions are called like the commands, and like half of the variables: they are links on
# their own pages only
COMMANDS = re.compile(r"vae_nbdev\.interface\.(cli|\w+_commands?)")


def read_elsewhere() -> dict[str, tuple[str, dict[str, tuple[str, str]]]]:
    """Return project → its address, and name → its kind and its page there."""
    listed = configparser.ConfigParser(delimiters=["="], interpolation=None)
    listed.optionxform = str
    listed.read(HERE / "elsewhere.ini", encoding="utf-8")
    projects = {}
    for project in listed.sections():
        entries = dict(listed[project])
        url = entries.pop("url")
        names = {name: value.replace("{}", name).split() for name, value in entries.items()}
        projects[project] = url, {name: (kind, page) for name, (kind, page) in names.items()}
    return projects


def write_inventories(folder: Path) -> dict[str, tuple[str, str]]:
    """Write what intersphinx reads, one inventory a project; return its mapping."""
    folder.mkdir(parents=True, exist_ok=True)
    mapping = {}
    for project, (url, names) in read_elsewhere().items():
        head = (f"# Sphinx inventory version 2\n# Project: {project}\n# Version: \n"
                "# The rest is compressed using zlib.\n")
        lines = "".join(f"{name} py:{kind} 1 {page} -\n" for name, (kind, page) in names.items())
        (folder / f"{project}.inv").write_bytes(head.encode() + zlib.compress(lines.encode()))
        mapping[project] = url, str(folder / f"{project}.inv")
    return mapping


def own_names(env) -> tuple[dict, dict]:
    """Return what a name can mean on any page, and what more on the pages of one module."""
    anywhere, at_home, methods, owners = (defaultdict(set) for _ in range(4))
    modules = sorted(env.domains.python_domain.modules, key=len)
    for full, entry in env.domains.python_domain.objects.items():
        module = next((m for m in reversed(modules) if full.startswith(f"{m}.")), None)
        if entry.objtype == "module" or module is None or entry.aliased:
            anywhere[full].add(full)
            continue
        short = full.removeprefix(f"{module}.")
        home = module.removeprefix("vae_nbdev.")
        folder, _, last = home.rpartition(".")
        for start in {module, home, last, folder or last}:
            anywhere[f"{start}.{short}"].add(full)
        at_home[home, short].add(full)
        if entry.objtype in {"method", "classmethod"}:
            owner, method = short.split(".")[-2:]
            owners[home].add(owner)
            methods[home, method].add(full)
            anywhere[method] |= {full, None}  # a method needs its class
        if short[0].isupper() or not COMMANDS.fullmatch(module):
            anywhere[short].add(full)
    for (home, method), full in methods.items():
        if len(owners[home]) == 1:  # except at home, where there is one class only
            at_home[home, method] |= full
    for name, full in assemble.public_names().items():
        if full in anywhere:
            anywhere[name] = anywhere[f"vae_nbdev.{name}"] = {full}
    return anywhere, at_home


def home_of(docname: str) -> str:
    """Return the module that a page is about: `curves.files` for `curves/12_files`."""
    return re.sub(r"\b\d+_", "", docname.removeprefix("api/")).replace("/", ".")


def link_names(app, doctree, docname: str) -> None:
    """Make links of the names on one page."""
    if not hasattr(app, "own_names"):
        app.own_names = own_names(app.env)
    anywhere, at_home = app.own_names
    elsewhere = {name: url + page for url, names in read_elsewhere().values()
                 for name, (_, page) in names.items()}
    home = home_of(docname)
    for code in list(doctree.findall(nodes.literal)):
        if isinstance(code.parent, nodes.reference) or "kbd" in code["classes"]:
            continue
        match = re.fullmatch(r"([A-Za-z_][\w.]*)(\(.*\))?", code.astext())
        around = [code.parent, code.parent.parent]
        if not match or any(isinstance(node, nodes.title) for node in around):
            continue
        name = match[1]
        found = at_home.get((home, name)) or anywhere.get(name, set())
        if len(found) == 1:
            full, = found
            entry = app.env.domains.python_domain.objects[full]
            link = make_refnode(app.builder, docname, entry.docname, entry.node_id,
                                [code.deepcopy()], full)
        else:
            first, _, rest = name.partition(".")
            full = f"{SHORT.get(first, first)}.{rest}" if rest else name
            hits = [n for n in elsewhere
                    if n == full or (name[0].isupper() and n.endswith(f".{name}"))
                    or (rest and re.sub(r"\b(_\w+|modules\.\w+)\.", "", n) == full)]
            if len(hits) != 1:
                continue
            link = nodes.reference("", "", code.deepcopy(), internal=False,
                                   refuri=elsewhere[hits[0]], reftitle=full)
        code.replace_self(link)


def setup(app) -> dict:
    """Connect to Sphinx."""
    app.connect("doctree-resolved", link_names)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
