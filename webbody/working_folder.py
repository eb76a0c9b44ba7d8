"""Moving the working folder to the end of the import path, so that it shadows no package.

`python -m`, `torchrun` and Ray put the folder in which a command is run before everything else, so
that a user's `model.py`, `queue.py` or clone named `webbody/` there would be imported instead of
what webbody means. Last on the path it can still be imported from, under names that are free.
"""

import os
import site
import sys
from importlib import import_module

#: The import packages of this distribution; they always come from one place.
PACKAGES = ("webbody", "pipelines", "model")
#: Where the running webbody lies.
HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

_FOLDER = "WEBBODY_WORKING_FOLDER"


def put_last(folder: str | None = None) -> None:
    """Move the working folder to the end of this process's import path, if it is in it.

    Processes that it starts leave the folder out by themselves (PYTHONSAFEPATH). Where webbody
    itself is run from a clone that is not installed, that clone stays where it is.
    """
    os.environ["PYTHONSAFEPATH"] = "1"
    folder = os.path.realpath(folder or os.getcwd())
    here = [entry for entry in sys.path if os.path.realpath(entry) == folder]
    if not here or folder == os.path.realpath(HOME):
        return
    sys.path[:] = [entry for entry in sys.path if entry not in here]
    # An editable install may be found after everything else on the path.
    for name in PACKAGES:
        import_module(name)
    sys.path.append(folder)


def worker_environment() -> dict[str, str]:
    """Environment variables for Ray's workers, which are to call `begin_worker` as they start."""
    variables = {_FOLDER: os.getcwd()}
    if HOME not in (*site.getsitepackages(), site.getusersitepackages()):
        # A clone: workers would not find it, or find another that is installed.
        paths = [HOME, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, dict.fromkeys(paths)))
    return variables


def begin_worker() -> None:
    """Prepare a Ray worker before Ray puts the driver's folder on its path."""
    for name in PACKAGES:
        import_module(name)
    sys.meta_path.insert(0, _WhenRayHasInsertedIt())


class _WhenRayHasInsertedIt:
    """Looks for no module: at the first import after Ray's insertion it moves the folder."""

    def find_spec(self, *_: object) -> None:
        folder = os.environ[_FOLDER]
        if folder in sys.path:
            sys.meta_path.remove(self)
            put_last(folder)
