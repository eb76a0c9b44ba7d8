"""The wheel and sdist of this checkout, and environments in which they are installed."""

import os
import shutil
import site
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from webbody.working_folder import PACKAGES

ROOT = Path(__file__).parents[1]
_BUILD = """
import sys
from setuptools import build_meta
out, *kinds = sys.argv[1:]  # setuptools puts its own words there
for kind in kinds:
    getattr(build_meta, "build_" + kind)(out)
"""


def tracked() -> list[str]:
    """Files of the checkout that belong to the project, committed or not yet."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in done.stdout.splitlines() if (ROOT / name).is_file()]


def package_files() -> set[str]:
    """Those of the three packages: what an installed webbody needs."""
    return {name for name in tracked() if name.split("/")[0] in PACKAGES}


@dataclass
class Built:
    """A wheel and an sdist, and the wheel that pip would build from that sdist."""

    wheel: Path
    sdist: Path
    wheel_of_sdist: Path


def build(folder: Path) -> Built:
    """Builds all three below `folder`, from a copy without whatever else lies in the checkout."""
    source = folder / "checkout"
    for name in tracked():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, source / name)
    out, again = folder / "dist", folder / "again"
    _run(source, out, "wheel", "sdist")
    (sdist,) = out.glob("*.tar.gz")
    with tarfile.open(sdist) as tar:
        tar.extractall(folder, filter="data")
    _run(folder / sdist.name.removesuffix(".tar.gz"), again, "wheel")
    return Built(next(out.glob("*.whl")), sdist, next(again.glob("*.whl")))


def _run(source: Path, out: Path, *kinds: str) -> None:
    out.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", _BUILD, str(out), *kinds], cwd=source, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def environment(folder: Path, wheel: Path) -> Path:
    """An environment with the wheel and the libraries of this one; the folder of its programs.

    It shows that the wheel holds what webbody needs of its own, not that pip finds the libraries.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    programs = folder / "bin"
    install = [sys.executable, "-m", "pip", "--python", str(programs / "python"), "install"]
    subprocess.run([*install, "--quiet", "--no-deps", "--no-index", str(wheel)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    # Only a path: .pth files in there, such as an editable webbody's, have no effect.
    (packages / "libraries.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    return programs


def outside() -> dict[str, str]:
    """Environment variables of a user who has no checkout."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}


def traps(folder: Path, *names: str) -> Path:
    """A working folder with modules (`x.py`) and packages (`x`) that end whoever imports them."""
    for name in names:
        file = folder / (name if name.endswith(".py") else f"{name}/__init__.py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"raise SystemExit('the wrong {name}')\n")
    return folder
