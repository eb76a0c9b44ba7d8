"""Custom filters: the user's functions of an image and its row, run between two stages.

A filter is `(image, row, **settings) -> True | (False, "reason")`, named as `module:function`. A
dropped image gets the outcome `custom:reason`. The module is imported from the Python path or from
the folder of the configuration that names it; the digest of the module's file is part of a stage's
fingerprint.
"""

import hashlib
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webbody.errors import WebbodyError
from webbody.images import ImageError
from webbody.plain_text import plain_text

#: Reasons become parts of outcomes, of file columns and of pages.
_REASON = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
#: Modules of filters that this process has loaded, with file and source; folders of such modules.
_loaded: dict[str, tuple[Path, bytes]] = {}
_folders: list[str] = []


@dataclass(frozen=True)
class FilterSource:
    """A filter as the configuration names it.

    folder: searched for the module after the import path, or "". settings: keyword arguments.
    digest: sha256 of the module's file, which was `file` when the build began.
    """

    function: str
    folder: str
    settings: Mapping[str, Any]
    digest: str
    file: str = ""

    @property
    def fingerprint(self) -> dict[str, Any]:
        """The parts that decide its results; its location does not."""
        return {"function": self.function, "settings": self.settings, "source": self.digest}


def find_filter(function: str, folder: str, settings: Mapping[str, Any]) -> FilterSource:
    """Find a filter by name, without running its module; WebbodyError if there is none."""
    file = _file(function, folder)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return FilterSource(function, folder, dict(settings), digest, str(file))


class CustomFilter:
    """A loaded filter. Raises WebbodyError if it cannot be loaded or takes other settings."""

    def __init__(self, source: FilterSource) -> None:
        self._source = source
        self._function = _load(source)

    def __call__(self, image: NDArray[np.uint8], row: Mapping[str, Any]) -> ImageError | None:
        """None if the RGB image (H, W, 3) passes, else its outcome with the filter's name.

        Raises WebbodyError if the function fails or returns something else.
        """
        view = image.view()
        view.flags.writeable = False  # stages that follow get the same pixels
        where = f"The filter {self._source.function}, at {row.get('crop') or row.get('key')},"
        try:
            said = self._function(view, dict(row), **self._source.settings)
        except (Exception, SystemExit) as error:
            what = plain_text(f"{type(error).__name__}: {error}", 300)
            raise WebbodyError(f"{where} failed ({what}); fix it and build again.") from error
        if _is(said, True):
            return None
        if not (isinstance(said, tuple) and len(said) == 2 and _is(said[0], False)):
            raise WebbodyError(
                f"{where} returned {plain_text(repr(said), 80)}; let it return True, or "
                '(False, "reason").'
            )
        reason = said[1]
        if not (isinstance(reason, str) and _REASON.fullmatch(reason)):
            raise WebbodyError(
                f"{where} gave the reason {plain_text(repr(reason), 80)}; a reason is 1 to 64 "
                "letters (a to z), digits, dots, dashes and underscores, the first a letter or "
                "a digit."
            )
        return ImageError(f"custom:{reason}", self._source.function)


class CustomFilters:
    """The filters between two stages, run in order; the first that drops an image decides."""

    def __init__(self, sources: Sequence[FilterSource]) -> None:
        self._filters = [CustomFilter(source) for source in sources]

    def __bool__(self) -> bool:
        return bool(self._filters)

    def __call__(self, image: NDArray[np.uint8], row: Mapping[str, Any]) -> ImageError | None:
        """None if all filters let the image pass."""
        verdicts = (one(image, row) for one in self._filters)
        return next((verdict for verdict in verdicts if verdict is not None), None)


def _is(value: object, expected: bool) -> bool:
    """Whether a value is this bool, also as a numpy bool."""
    return isinstance(value, bool | np.bool_) and bool(value) is expected


def _file(function: str, folder: str) -> Path:
    """The source file of a filter's module: the one on the import path, else in the folder."""
    module, _, name = function.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), name)):
        raise WebbodyError(
            f"filters: {plain_text(function)} is no name of a filter; write module:function."
        )
    if folder:
        # Last, so that it shadows no installed module; before folders of earlier builds.
        sys.path[:] = [entry for entry in sys.path if entry not in _folders]
        _folders.insert(0, folder)
        sys.path += dict.fromkeys(_folders)
    try:
        origin = _origin(module)
    except (Exception, SystemExit) as error:
        raise _not_imported(function, error) from error
    if origin is None:
        places = f"in {folder}, or installed" if folder else "installed"
        raise WebbodyError(
            f"filters: there is no module {module} (of {function}) {places}; check the name."
        )
    if not Path(origin).is_file():
        raise WebbodyError(f"filters: {module} (of {function}) is no module with a source file.")
    return Path(origin)


def _origin(module: str) -> str | None:
    """The file that an import of the module would load now; None if there is none."""
    importlib.invalidate_caches()
    parent = module.rpartition(".")[0]
    path = getattr(importlib.import_module(parent), "__path__", ()) if parent else None
    for finder in list(sys.meta_path):
        spec = finder.find_spec(module, path) if hasattr(finder, "find_spec") else None
        if spec is not None:
            return spec.origin or "a folder"
    return None


def _load(source: FilterSource) -> Callable[..., Any]:
    """Load the function from the source file's present content."""
    name, _, expected = source.function.partition(":")
    file = _file(source.function, source.folder)
    code = file.read_bytes()
    if hashlib.sha256(code).hexdigest() != source.digest:
        raise WebbodyError(
            f"filters: {file} (of {source.function}) is not the file that this build began with; "
            "run the same command again."
        )
    try:
        module = _module(name, file, code)
    except (Exception, SystemExit) as error:
        raise _not_imported(source.function, error) from error
    function: Callable[..., Any] | None = getattr(module, expected, None)
    if not callable(function) or inspect.isclass(function):
        raise WebbodyError(
            f"filters: {file} has no function {expected} (of {source.function}); check the name."
        )
    try:
        inspect.signature(function).bind(None, {}, **source.settings)
    except TypeError as error:
        raise WebbodyError(
            f"filters: {source.function} cannot be called with an image, a row and these settings "
            f"({plain_text(error)}); fix it or its settings."
        ) from error
    except ValueError:  # no signature to look at: a function that is compiled
        pass
    return function


def _module(name: str, file: Path, code: bytes) -> ModuleType:
    """Execute `code` as a module, or return an installed one that is loaded already.

    Python's own import would use a stale cache for a file edited within the same second.
    """
    version = (file, code)
    if file.suffix != ".py" or (name in sys.modules and name not in _loaded):
        return importlib.import_module(name)
    if _loaded.get(name) != version:
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # as an import does
        _loaded[name] = version
        try:
            exec(compile(code, file, "exec"), module.__dict__)
        except BaseException:
            del sys.modules[name], _loaded[name]
            raise
    return sys.modules[name]


def _not_imported(function: str, error: BaseException) -> WebbodyError:
    what = plain_text(f"{type(error).__name__}: {error}", 300)
    return WebbodyError(f"filters: {function} cannot be imported ({what}); fix its module.")
