"""How Sphinx builds the site from docs/_build/source, which assemble.py lays out; `make docs` runs both."""
import re
import sys
from importlib.resources import files
from pathlib import Path

import numpy.typing

sys.path.insert(0, str(Path(__file__).parent))  # nbdev_reader

project = "vae_nbdev"
author = "The vae_nbdev authors"
project_copyright = f"2026, {author}"
extensions = ["nbdev_reader", "myst_nb", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.mathjax"]

# Pages: notebooks with the outputs that were committed
nb_custom_formats = {".ipynb": "nbdev_reader.read"}
nb_execution_mode = "off"
nb_merge_streams = True
nb_code_prompt_show, nb_code_prompt_hide = "Show the code", "Hide the code"
myst_enable_extensions = ["alert", "amsmath", "colon_fence", "deflist", "dollarmath"]
myst_dmath_double_inline = True
myst_heading_anchors = 3

# Reference: signatures and numpydoc docstrings, in the order of the notebook; `name` in a docstring is code
default_role = "literal"
add_module_names = False
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
numpydoc_show_class_members = False
numpy.typing.ArrayLike = type("ArrayLike", (), {"__module__": "numpy.typing"})  # its name, not the long union behind it
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(collections|os|pathlib|types|typing)(\..*)?"),  # documented elsewhere
    ("py:.*", r"(matplotlib|numpy|np|scipy|sklearn|torch|zuko)(\..*)?"),
    ("py:.*", r"(tyro\..*|Positional|OmitArgPrefixes|vae_nbdev\.config\.Annotated)"),  # tyro's markers, as Sphinx reads them
    ("py:.*", r"vae_nbdev\.(\w+\.)*(_\w+|[A-Z])"),  # private names and type variables have no page
]

# Look: nothing is fetched from elsewhere. One file of MathJax draws formulas as SVG, without fonts
html_theme = "furo"
html_title = project
html_copy_source = False
html_static_path = ["static", str(files("sphinx-mathjax-offline") / "static/mathjax/tex-svg-full.js")]
mathjax_path = "tex-svg-full.js"


def setup(app):
    """Leave out the methods that scikit-learn writes into every estimator."""
    app.connect("autodoc-skip-member",
                lambda app, what, name, *_: True if re.fullmatch(r"set_\w+_request", name) else None)
