"""Links of pages to files that are no pages, such as a test: on the site their path is shown."""

import re
from typing import Any

_OUTSIDE = re.compile(r"\[([^\]]*)\]\(\.\./([^)\s]+)\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """mkdocs calls this with each page's text."""
    return _OUTSIDE.sub(lambda found: f"{found[1].strip('`')} (`{found[2]}`)", markdown)
