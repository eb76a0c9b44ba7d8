"""Python and the libraries: versions, bounds, distributions that overwrite each other."""

import platform
import sys
from collections.abc import Iterator, Sequence

from webbody.doctor.diagnosis import OK, PROBLEM, WARNING, Diagnosis
from webbody.errors import WebbodyError
from webbody.libraries import SAFETY, Library, libraries, version

OLDEST, NEWEST = (3, 11), (3, 13)
_OPENCV = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)


def python(running: tuple[int, ...] = (), system: str = "") -> Iterator[Diagnosis]:
    """The interpreter's version and the operating system."""
    running = running or tuple(sys.version_info[:3])
    found = ".".join(map(str, running[:3]))
    fits = OLDEST <= running[:2] <= NEWEST
    advice = "" if fits else "Make an environment with Python 3.11, 3.12 or 3.13."
    yield Diagnosis(OK if fits else PROBLEM, "Python", found, advice)
    system = system or platform.system()
    advice = (
        "" if system == "Linux" else "webbody is tested on Linux; elsewhere try the demo first."
    )
    yield Diagnosis(OK if system == "Linux" else WARNING, "system", system, advice)


def bounds(found: Sequence[Library] | None = None) -> Iterator[Diagnosis]:
    """Installed versions beside those that webbody declares."""
    found = list(libraries()) if found is None else found
    if not found:
        advice = "Install webbody (pip install '.[build]') to have its libraries checked."
        yield Diagnosis(WARNING, "libraries", "webbody is not installed, only run", advice)
        return
    for library in found:
        if library.fits:
            continue
        extra = f"[{library.extra}]" if library.extra else ""
        if library.installed is None:
            text = f"not installed; webbody{extra} needs {library.needed or 'it'}"
        else:
            text = f"{library.installed}, but webbody{extra} needs {library.needed}"
        unsafe = library.installed is not None and library.name in SAFETY
        advice = f"pip install '{library.name}{library.needed}'"
        if unsafe:
            advice += "; older ones do not read files of strangers safely."
        yield Diagnosis(PROBLEM, library.name, text, advice)
    if all(library.fits for library in found):
        yield Diagnosis(OK, "libraries", f"{len(found)} libraries in the versions that are needed")


def opencv(installed: dict[str, str] | None = None) -> Iterator[Diagnosis]:
    """OpenCV's distributions, which all install the same folder `cv2`."""
    if installed is None:
        installed = {name: number for name in _OPENCV if (number := version(name))}
    numbers = set(installed.values())
    if len(numbers) <= 1:
        text = f"{len(installed)} distributions, all {numbers.pop() if numbers else 'absent'}"
        yield Diagnosis(OK if installed else PROBLEM, "OpenCV", text)
        return
    listed = ", ".join(f"{name} {number}" for name, number in sorted(installed.items()))
    advice = (
        "They share the folder cv2, and the last one installed wins in part: pip uninstall all of "
        "them, then install them anew with -c constraints.txt."
    )
    yield Diagnosis(PROBLEM, "OpenCV", listed, advice)


def safe_loading() -> Iterator[Diagnosis]:
    """Whether ultralytics leaves code in checkpoints alone, tried on a checkpoint."""
    from webbody.library_environment import import_ultralytics

    try:
        import_ultralytics()
    except ImportError:
        return  # `bounds` tells of it
    except WebbodyError as error:
        yield Diagnosis(PROBLEM, "checkpoints", str(error), "Install the versions named.")
        return
    yield Diagnosis(OK, "checkpoints", "ultralytics does not run code that lies in them")
