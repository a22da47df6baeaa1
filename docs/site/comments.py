"""What the comments of a YAML file say of its keys."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

KEY = re.compile(r"^( *)(\w+):( .*)?$")
ALTERNATIVE = re.compile(r"^ {3,}(\w+): (\S.*?)(?: {2,}(\S.*))?$")
CONTINUED = re.compile(r"^ {20,}(\S.*)$")


@dataclass
class Comments:
    """Explanations, by key from the top (``training.members``), and of blocks of another type.

    Attributes
    ----------
    of_key
        By the whole key.
    of_type
        By the key of a block, its type, and the key inside: what the file shows in comments only.
    """

    of_key: dict[str, str] = field(default_factory=dict)
    of_type: dict[tuple[str, str, str], str] = field(default_factory=dict)


def read_comments(path: Path) -> Comments:
    """Read a file of parameters; a comment explains the key below it."""
    found, above, pending = Comments(), [], []
    for line in path.read_text().splitlines():
        if line.lstrip().startswith("#"):
            pending.append(line.strip()[1:])
            continue
        if match := KEY.match(line):
            depth = len(match[1])
            above = [(d, k) for d, k in above if d < depth] + [(depth, match[2])]
            key = ".".join(k for _, k in above)
            found.of_key[key] = " ".join(_prose(pending, key, found)).strip()
            if inline := re.search(r" #(.*)$", match[3] or ""):
                found.of_key[key] += inline[1]
        pending = []
    return found


def _prose(lines: list[str], key: str, found: Comments) -> list[str]:
    """Lines of text; those that show a block of another type are taken down as such."""
    prose, kind, last = [], "", ""
    for line in lines:
        if match := ALTERNATIVE.match(line):
            name, value, said = match[1], match[2], match[3] or ""
            kind, last = (value, "") if name == "type" else (kind, name)
            found.of_type[key, kind, name] = said
        elif (match := CONTINUED.match(line)) and kind:
            place = (key, kind, last or "type")
            found.of_type[place] = f"{found.of_type[place]} {match[1]}".strip()
        elif line.strip() != "or":
            prose.append(line.strip())
    return prose
