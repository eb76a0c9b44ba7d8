"""How lists of several files are written as one text, in settings and on the command line.

A text without one of the prefixes is one path or URL, whatever characters it has; a path that
begins as a prefix does is given as `./...`.
"""

import json
from collections.abc import Sequence

from webbody.errors import WebbodyError

#: Files by their names: a JSON array of paths and URLs.
FILES = "list:"
#: Files by a pattern (`*`, `?`, `[...]`, `**`).
PATTERN = "glob:"
#: A text file with a path or URL a line.
NAMED_IN = "@"


def as_one_text(paths: Sequence[str]) -> str:
    """Several files as the text that stands for all of them; one as it is."""
    if len(paths) == 1:
        return paths[0]
    for path in paths:
        if path.startswith((FILES, PATTERN, NAMED_IN)):
            raise WebbodyError(
                f"{path}: is no file; a list of files names single files, so give it alone."
            )
    return FILES + json.dumps(list(paths), ensure_ascii=False) if paths else ""


def named_files(text: str) -> list[str]:
    """The files of a text that begins with FILES.

    Raises:
        WebbodyError: It is no JSON array of texts, or an empty one.
    """
    try:
        names = json.loads(text.removeprefix(FILES))
    except (ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not names or not all(isinstance(n, str) and n for n in names):
        raise WebbodyError(
            f'{text}: is no list of files; write it as {FILES}["a.csv", "b.csv"], or give a path '
            f"that begins with {FILES} as ./{FILES}..."
        )
    return names
