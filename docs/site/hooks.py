"""What the site has beyond the pages: the reference of parameters, and links out of ``docs/``."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File


def on_files(files: Any, config: Any) -> Any:
    """Add the page that is made from the parameters."""
    sys.path.insert(0, str(Path(__file__).parent))
    from reference import reference

    files.append(File.generated(config, "parameters.md", content=reference()))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Files of the project outside ``docs/`` are not on the site: name them instead."""
    return re.sub(r"\[([^\]]*)\]\(\.\./([^)]*)\)", r"\1 (`\2`)", markdown)
