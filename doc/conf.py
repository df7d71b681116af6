"""Sphinx settings: ``sphinx-build -W --keep-going -b html doc doc/build``, from a checkout, installed or not."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import pygnetic

project = "pygnetic"
author = "Szymon Wróblewski and the pygnetic maintainers"
copyright = f"2012-2026, {author}"  # noqa: A001
release = version = pygnetic.__version__

# No intersphinx: the documentation must build without a network.
extensions = ["sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = ["build", "snippets"]

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
# The library that an adapter wraps may be missing where the documentation is built.
autodoc_mock_imports = ["enet"]

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["wrap.css"]
html_title = f"pygnetic {release}"
