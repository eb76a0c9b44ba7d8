"""The templates of pages: one look, and what strangers have written is text wherever it stands."""

from collections.abc import Callable

import jinja2

from pipelines.views.report.records import plain


def load_template(name: str, **filters: Callable[..., str]) -> jinja2.Template:
    """A page of webbody/templates, with the filter `plain` and those given.

    A value that is not given is an error, not an empty place.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("webbody"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"plain": plain, **filters}
    return environment.get_template(name)
