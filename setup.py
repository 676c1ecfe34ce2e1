"""Packaging, read from settings.ini; the notebooks in nbs/ are the source of the code itself."""
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_namespace_packages, setup

HERE = Path(__file__).parent
config = ConfigParser(delimiters=["="])
config.read(HERE / "settings.ini", encoding="utf-8")
cfg = config["DEFAULT"]
EXTRAS = ("files", "report", "arviz", "dev", "docs")
MODULES = f"{cfg['lib_name']}={cfg['lib_path']}._modidx:d"  # where nbdev finds what is defined

setup(
    name=cfg["lib_name"],
    version=cfg["version"],
    description=cfg["description"],
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author=cfg["author"],
    author_email=cfg["author_email"],
    url=cfg["git_url"],
    license="Apache-2.0",
    keywords=cfg["keywords"],
    python_requires=f">={cfg['min_python']}",
    packages=find_namespace_packages(include=["vae_nbdev", "vae_nbdev.*"]),
    include_package_data=True,
    package_data={"vae_nbdev": ["data/*", "data/*/*", "py.typed", "__init__.pyi"]},
    install_requires=cfg["requirements"].split(),
    extras_require={name: cfg[f"{name}_requirements"].split() for name in EXTRAS},
    entry_points={"console_scripts": cfg["console_scripts"].split(), "nbdev": [MODULES]},
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Natural Language :: English",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Astronomy",
    ],
    zip_safe=False,
)
