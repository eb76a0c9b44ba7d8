"""What is said where a committed table of a build was damaged or removed since."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from webbody.errors import WebbodyError


@contextmanager
def damage_told(out: str) -> Iterator[None]:
    """Turn a table of the build `out` that is missing or cannot be read into one sentence."""
    try:
        yield
    except (pa.ArrowException, FileNotFoundError) as error:
        said = " ".join(str(error).split())
        raise WebbodyError(
            f"{out}: a table is damaged or missing ({said}); `webbody verify {out}` names it, and "
            "with --repair makes it again."
        ) from error
