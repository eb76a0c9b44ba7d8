"""Which libraries webbody needs, in which versions, and which of them are here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import Requirement

from webbody.errors import WebbodyError

#: Libraries that read files of strangers: an older one does not keep what docs promise.
SAFETY = ("pillow", "torch", "safetensors", "ultralytics")


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
    """Everything that webbody and these of its extras need, as its metadata say.

    Nothing where webbody runs from a checkout that is not installed.
    """
    declared = metadata.requires("webbody") if version("webbody") else None
    for text in declared or ():
        need = Requirement(text)
        for extra in extras:
            if need.marker.evaluate({"extra": extra}) if need.marker else not extra:
                bounds = ",".join(sorted(map(str, need.specifier), reverse=True))  # lower first
                yield Library(need.name, extra, bounds, version(need.name))
                break


def version(name: str) -> str | None:
    """The installed version of a distribution, None where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def refuse_unsafe() -> None:
    """Raise WebbodyError where a library that reads files of strangers is too old.

    Installers keep the bounds; a library that was changed afterwards by another package may not.
    """
    for library in libraries():
        if library.name in SAFETY and library.installed and not library.fits:
            raise WebbodyError(
                f"{library.name} {library.installed} is installed, which does not read files of "
                f"strangers safely: install {library.name}{library.needed}."
            )
