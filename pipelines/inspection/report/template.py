"""Templates of pages; all values are escaped."""

from collections.abc import Callable

import jinja2

from webbody.plain_text import plain_text


def load_template(name: str, **filters: Callable[..., str]) -> jinja2.Template:
    """A page of webbody/templates, with the filter `plain` and those given."""
    environment = page_environment()
    environment.filters |= filters
    return environment.get_template(name)


def page_environment() -> jinja2.Environment:
    """Reads webbody/templates, with the filter `plain`.

    A value that is not given is an error, not an empty place.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("webbody"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["plain"] = plain_text
    return environment
