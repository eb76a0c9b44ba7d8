"""The libraries that webbody needs, their version bounds, and the installed versions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import Requirement

from webbody.errors import WebbodyError

#: Libraries that parse untrusted files: older versions are unsafe.
SAFETY = ("pillow", "torch", "safetensors", "ultralytics")
#: Distributions that bring the same library, built for a GPU.
_INSTEAD = {"onnxruntime": "onnxruntime-gpu"}
#: What libraries are called to install them, where their modules are called otherwise.
_CALLED = {
    "cv2": "opencv-python", "sklearn": "scikit-learn", "skimage": "scikit-image",
    "imghdr": "standard-imghdr", "dns": "dnspython", "pynvml": "nvidia-ml-py", "PIL": "pillow",
    "yaml": "pyyaml",
}  # fmt: skip


@dataclass(frozen=True)
class Library:
    """A library that webbody declares: `extra` names the part that needs it ("": all of it).

    `installed` is its version here, None where it is not installed.
    """

    name: str
    extra: str
    needed: str
    installed: str | None

    @property
    def fits(self) -> bool:
        """Whether the installed version is one that webbody works with."""
        return self.installed is not None and Requirement(f"x{self.needed}").specifier.contains(
            self.installed, prereleases=True
        )


def libraries(extras: Sequence[str] = ("", "build")) -> Iterator[Library]:
    """The requirements of webbody and these extras, from its metadata.

    Empty if webbody runs from a checkout that is not installed.
    """
    declared = metadata.requires("webbody") if version("webbody") else None
    for text in declared or ():
        need = Requirement(text)
        for extra in extras:
            if need.marker.evaluate({"extra": extra}) if need.marker else not extra:
                bounds = ",".join(sorted(map(str, need.specifier), reverse=True))  # lower first
                yield Library(need.name, extra, bounds, version(need.name))
                break


def not_installed(error: ModuleNotFoundError) -> str | None:
    """How to get the library that is missing; None where webbody declares none of that name."""
    module = (error.name or "").partition(".")[0]
    name = _CALLED.get(module, module).lower().replace("_", "-")
    provided = metadata.metadata("webbody").get_all("Provides-Extra") if version("webbody") else ()
    extras = [
        extra
        for extra in dict.fromkeys(("", "build", *(provided or ())))
        if any(library.name.lower() == name for library in libraries((extra,)))
    ]
    if not extras:
        return None
    # Of one that several parts have it is not known which is used; `dev` has all of them.
    parts = [f"webbody[{extra}]" if extra else "webbody" for extra in extras if extra != "dev"]
    ways = " or ".join(f"`pip install '{part}'`" for part in parts[:2] or ["webbody[dev]"])
    return f"{module} is not installed, which this command needs: run {ways}."


def version(name: str) -> str | None:
    """The installed version of a library, None where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return version(_INSTEAD[name]) if name in _INSTEAD else None


def refuse_unsafe() -> None:
    """Raise WebbodyError if a library that parses untrusted files is too old.

    Installing another package later may have replaced it.
    """
    for library in libraries():
        if library.name in SAFETY and library.installed and not library.fits:
            raise WebbodyError(
                f"{library.name} {library.installed} is installed, which does not read files of "
                f"strangers safely: install {library.name}{library.needed}."
            )
