"""How Sphinx builds the site from docs/_build/source, which assemble.py lays out.

`make docs` runs both.
"""
import html
import io
import json
import re
import shutil
import sys
from importlib.resources import files
from pathlib import Path

import numpy.typing
from docutils import nodes
from furo.navigation import get_navigation_tree
from PIL import Image, ImageChops
from sphinx.search.en import SearchEnglish

sys.path.insert(0, str(Path(__file__).resolve().parent))  # the three modules beside this one
import assemble
import names

HERE = Path(__file__).resolve().parent
project = "vae_nbdev"
author = "The vae_nbdev authors"
project_copyright = f"2026, {author}"
settings = assemble.settings()
extensions = [
    "nbdev_reader",
    "names",
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
]

# Pages: notebooks with the outputs that were committed
nb_custom_formats = {".ipynb": "nbdev_reader.read"}
nb_execution_mode = "off"
nb_merge_streams = True
nb_code_prompt_show, nb_code_prompt_hide = "Show the code", "Hide the code"
myst_enable_extensions = ["alert", "amsmath", "colon_fence", "deflist", "dollarmath"]
myst_dmath_double_inline = True
myst_heading_anchors = 3

# Reference: signatures and numpydoc docstrings, in the order of the notebook; `name` is code
default_role = "literal"
add_module_names = False
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
numpydoc_show_class_members = False
# their names, not the long unions behind them
for _name in ("ArrayLike", "DTypeLike"):
    setattr(numpy.typing, _name, type(_name, (), {"__module__": "numpy.typing"}))
intersphinx_mapping = names.write_inventories(HERE / "_build" / "inventories")
nitpicky = True
nitpick_ignore_regex = [
    # tyro's, as Sphinx reads them, and what stands in the help for a path
    ("py:class", r"Positional|OmitArgPrefixes|Suppress|Fixed|DisallowNone"),
    ("py:class", r"[\w.]+\.Annotated(\[.*)?"),
    ("py:class", r"tyro\.MISSING_NONPROP|tyro\.conf\._confstruct\._ArgConfig|RUN|FILE"),
    ("py:obj", r"typing\.(Annotated|Literal)\[.*"),
    ("py:obj", r"\w+_"),  # what an estimator has once it is fitted: stands in its docstring
    ("py:.*", r"vae_nbdev\.(\w+\.)*(_\w+|[A-Z])"),  # private names and type variables have no page
]

# Look: nothing is fetched from elsewhere. One file of MathJax draws formulas as SVG, without fonts
html_theme = "furo"
html_title = project
html_baseurl = settings["site_url"]
html_copy_source = False
html_use_index = html_domain_indices = False  # the search finds every name
html_static_path = [
    "static",
    str(files("sphinx-mathjax-offline") / "static/mathjax/tex-svg-full.js"),
]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_favicon = "static/favicon.svg"
pygments_dark_style = "github-dark"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1d5c99", "color-brand-content": "#1a5aa0"},
    "dark_css_variables": {"color-brand-primary": "#7db8ee", "color-brand-content": "#7db8ee"},
}
mathjax_path = "tex-svg-full.js"
CARD = "_static/social-card.png"


def describe(app, page, template, context, doctree) -> None:
    """Say in the page's head what it is, for those who show a link to it: its first line."""
    if page.startswith("api/"):
        return
    quote = next(doctree.findall(nodes.block_quote), None) if doctree else None
    text = quote.astext() if quote else settings["description"]
    title = re.sub("<.*?>", "", context.get("title") or project)
    about = {
        "og:type": "article",
        "og:site_name": project,
        "og:title": title,
        "og:description": text,
        "og:url": context.get("pageurl") or html_baseurl,
        "og:image": html_baseurl + CARD,
        "og:image:width": "1200",
        "og:image:height": "630",
        "og:image:alt": "Rotation curves of galaxies, true ones and generated ones",
    }
    tags = [
        f'<meta property="{name}" content="{html.escape(html.unescape(value))}">'
        for name, value in about.items()
    ]
    tags += [
        f'<meta name="description" content="{html.escape(text)}">',
        '<meta name="twitter:card" content="summary_large_image">',
    ]
    context["metatags"] = context.get("metatags", "") + "\n".join(tags)


def close_folders(app, page, template, context, doctree) -> None:
    """Show only the folder that a page belongs to open in the sidebar; none in the reference.

    The whole tree of notebooks and modules on every page would be a fifth of the site.
    """
    if toctree := context.get("toctree"):
        depth = 1 if page.startswith("api/") else -1
        tree = toctree(collapse=True, titles_only=True, maxdepth=depth, includehidden=True)
        context["furo_navigation_tree"] = get_navigation_tree(tree)


LARGE_PICTURE = 5_000  # bytes


def shrink_picture(path: Path) -> None:
    """Store a PNG as WebP, in 256 colours where no eye can tell; a large one loses a little where
    that makes it smaller.
    """
    picture = Image.open(path).convert("RGBA")
    ground = Image.new("RGBA", picture.size, "white")
    ground.alpha_composite(picture)
    full = ground.convert("RGB")
    small = full.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    small = small.convert("RGB")
    extrema = ImageChops.difference(full, small).getextrema()
    alike = max(high for _, high in extrema) <= 12  # of 255
    stored = small if alike else full
    target = path.with_suffix(".webp")
    stored.save(target, lossless=True, quality=60, method=3)
    if (size := target.stat().st_size) > LARGE_PICTURE:
        lossy = io.BytesIO()
        full.save(lossy, "webp", quality=60, method=6)
        if len(lossy.getvalue()) < size:
            target.write_bytes(lossy.getvalue())
    path.unlink()


def shrink_page(page: str) -> str:
    """Return a page without what a browser does not need.

    Names (built-in ones too), punctuation and blanks in code have the colour of the text, and
    operators and numbers are given it, so they need no element of their own, and neither do words.
    All parts of a string have one colour, and neighbours become one element. Blanks at the
    beginning of lines go.
    """
    page, before = re.sub(r'<span class="s[12abdehi]">', '<span class="s">', page), ""
    while page != before:  # elements lie in others
        before = page
        page = re.sub(r'<span class="([nopw]|nb|bp|m[fi]|pre)">([^<]*)</span>', r"\2", page)
        page = re.sub(r'(<span class="s">[^<]*)</span><span class="s">', r"\1", page)
    page = re.sub(r'<span></span>| notranslate| title="Link to this \w+"', "", page)
    page = re.sub(r'(_images/[^"]+)\.png"', r'\1.webp"', page)
    parts = re.split(r"(<(pre|script|textarea)\b.*?</\2>)", page, flags=re.DOTALL)
    return "".join(part if i % 3 else re.sub(r"\n\s+", "\n", part)
                   for i, part in enumerate(parts) if i % 3 != 2)


# the same on every page
ICONS = re.compile(r'<svg [^>]*style="display: none;">.*?</symbol>\s*</svg>', re.DOTALL)
COLOURS = re.compile(r"<style>(.*?)</style>\s*(?=</head>)", re.DOTALL)


def shrink(app, exception) -> None:
    """Make figures and pages smaller, and drop what no page needs: half of the bytes. What is the
    same on every page moves into site.js and site.css.
    """
    if exception or app.builder.name != "html":
        return
    for path in (app.outdir / "_images").glob("*.png"):
        shrink_picture(path)
    pages = {path: shrink_page(path.read_text(encoding="utf-8"))
             for path in app.outdir.rglob("*.html")}
    script, sheet = app.outdir / "_static/site.js", app.outdir / "_static/site.css"
    if script.exists():
        front = pages[app.outdir / "index.html"]
        icons, colours = ICONS.search(front)[0], COLOURS.search(front)
        line = f"document.body.insertAdjacentHTML('afterbegin', {json.dumps(icons)});"
        script.write_text(f"{script.read_text()}\n{line}\n")
        sheet.write_text(f"{colours[1]}\n{sheet.read_text()}")
        pages = {path: page.replace(icons, "", 1).replace(colours[0], "", 1)
                 for path, page in pages.items()}
    for path, page in pages.items():
        path.write_text(page, encoding="utf-8")
    for path in app.outdir.rglob("*.css.map"):
        path.unlink()
    shutil.rmtree(app.outdir / "_sources", ignore_errors=True)


def show_defaults(app, what, name, obj, options, signature, annotation):
    """Say what a default configuration is in a signature, and types without tyro's notes."""
    if not signature:
        return None
    default = getattr(sys.modules.get(name.rpartition(".")[0]), "_DEFAULT", None)
    signature = re.sub(r"\b_DEFAULT\b", f"{type(default).__name__}()", signature)
    note = r", ~?tyro\.conf\._confstruct\._ArgConfig\([^()]*\)(?:, [~\w.]+)?"
    plain = re.sub(rf"[~\w.]*Annotated\[([~\w. |]+){note}\]", r"\1", signature)
    return plain, annotation


class Search(SearchEnglish):
    """An English index in which -ise and -ize are one, and parametri- and parameteri- too;
    static/site.js does so to what is asked.
    """

    def stem(self, word: str) -> str:
        """Return what a word is indexed under."""
        word = re.sub(r"^(\w{4,})is(e[drs]?|ing|ations?)$", r"\1iz\2", word.lower())
        return super().stem(re.sub("parameteri(?=z)", "parametri", word))


def setup(app):
    """Connect what stands above; leave out the methods that scikit-learn adds to estimators."""
    app.add_search_language(Search)
    app.connect(
        "autodoc-skip-member",
        lambda app, what, name, *_: True if re.fullmatch(r"set_\w+_request", name) else None,
    )
    app.connect("autodoc-process-signature", show_defaults)
    app.connect("html-page-context", describe)
    app.connect("html-page-context", close_folders, priority=900)  # after furo, which opens all
    app.connect("build-finished", shrink)
