"""The viewer's templates: webbody/templates/view, compiled once."""

from functools import lru_cache
from typing import Any

import jinja2

from pipelines.inspection.report.template import page_environment


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = page_environment()
    environment.filters |= {"figure": figure, "number": number}
    return environment


def render(page: str, /, **values: Any) -> str:
    """A page; all values are escaped."""
    return _environment().get_template(f"view/{page}.html").render(**values)


def figure(value: Any) -> str:
    """A figure as it is shown: three digits of a real number, a list in brackets."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, list | tuple):
        return "[" + " ".join(figure(one) for one in value) + "]"
    return str(value)


def number(value: int) -> str:
    return f"{value:,}"
