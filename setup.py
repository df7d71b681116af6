"""What pyproject.toml cannot say; everything else is there."""

import re
from pathlib import Path

from setuptools import setup

readme = (Path(__file__).parent / "README.rst").read_text(encoding="utf-8")
# PyPI shows the README without the files beside it: its picture would be a broken one.
picture = re.compile(r"^\.\. image::.*\n(?: +:.*\n)*\n", re.MULTILINE)
setup(long_description=picture.sub("", readme), long_description_content_type="text/x-rst")
