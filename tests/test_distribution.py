"""What is installed: the wheel and the sdist hold all that webbody needs, and nothing else."""

import subprocess
import sys
import tarfile
import tomllib
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.distributions import ROOT, Built, contents, outside, package_files, traps
from tests.test_house import imports, sources

#: Import names that are not the distribution's.
DISTRIBUTIONS = {
    "PIL": "pillow", "cv2": "opencv-python", "sklearn": "scikit-learn", "yaml": "pyyaml",
    "dns": "dnspython", "pynvml": "nvidia-ml-py", "OpenEXR": "openexr",
}  # fmt: skip
#: Which extras a package's files may import from; "" is what every installation has.
EXTRAS = {
    "webbody": ("", "build", "train", "compare"),
    "pipelines": ("", "build", "compare", "release", "view"),
    "model": ("", "train", "sapiens"),
}
#: Imported where the user has asked for them, with a message where they are missing.
OPTIONAL = {"model": {"ray", "wandb"}}
#: Declared and never imported: held back for others, used by others, or sharing OpenCV's folder.
NOT_IMPORTED = {
    "pandas", "scikit-image", "opencv-contrib-python", "opencv-python-headless", "tensorboard",
    "standard-imghdr", "aiohttp", "python-multipart",
}  # fmt: skip


def test_the_wheel_holds_the_packages_files_and_no_others(built: Built):
    found = {name for name in contents(built.wheel) if ".dist-info/" not in name}
    assert found == package_files()


def test_the_wheel_carries_the_licence_and_the_command(built: Built):
    found = contents(built.wheel)
    info = next(name.split("/")[0] for name in found if name.endswith(".dist-info/METADATA"))
    assert found[f"{info}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    assert b"webbody = webbody.__main__:run" in found[f"{info}/entry_points.txt"]


def test_the_sdist_gives_the_same_wheel(built: Built):
    ours, of_sdist = contents(built.wheel), contents(built.wheel_of_sdist)
    assert {name for name in ours if not name.endswith("RECORD")} == {
        name for name in of_sdist if not name.endswith("RECORD")
    }
    assert all(of_sdist[name] == ours[name] for name in package_files())


def test_the_sdist_holds_what_a_reader_needs_and_no_tests(built: Built):
    with tarfile.open(built.sdist) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    assert {"README.md", "LICENSE", "constraints.txt", "pyproject.toml"} <= names
    assert {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} <= names
    assert "manifests/README.md" in names
    assert not {name for name in names if name.split("/")[0] in ("tests", "benchmarks", ".ci")}


def test_the_installed_files_are_found(installed: Path, tmp_path: Path):
    code = (
        "import sys, webbody\n"
        "from webbody.cli.people import demo_models\n"
        "from webbody.config import BuildConfig\n"
        "from webbody.models import resolve\n"
        "assert webbody.__file__.startswith(sys.prefix), webbody.__file__\n"
        "settings = BuildConfig.model_validate(demo_models())\n"
        "print(resolve(settings.persons.model, 'persons'))\n"
    )
    done = subprocess.run(
        [installed / "python", "-c", code],
        capture_output=True, text=True, cwd=tmp_path, env=outside(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(installed.parent)


def _declared() -> dict[str, set[str]]:
    """Distributions that are declared, by extra; "" is what every installation has."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = {"": project["dependencies"], **project["optional-dependencies"]}
    return {
        extra: {Requirement(text).name.lower() for text in needs} for extra, needs in groups.items()
    }


@cache
def _imported(package: str) -> set[str]:
    """Distributions that the package's files import, also those inside functions."""
    names = {name.split(".")[0] for path in sources(package) for name in imports(path)}
    others = names - set(sys.stdlib_module_names) - set(EXTRAS)
    return {DISTRIBUTIONS.get(name, name.replace("_", "-")) for name in others}


@pytest.mark.parametrize("package", EXTRAS)
def test_what_is_imported_is_declared(package: str):
    declared = _declared()
    allowed = set().union(*(declared[extra] for extra in EXTRAS[package]))
    assert _imported(package) - allowed - OPTIONAL.get(package, set()) == set()


def test_what_is_declared_is_imported():
    declared = _declared()
    extras = ("", "build", "train", "compare", "sapiens", "release", "view")
    runtime = set().union(*(declared[extra] for extra in extras))
    assert runtime - set().union(*map(_imported, EXTRAS)) == NOT_IMPORTED


def test_everything_declared_is_pinned():
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line and not line.startswith("#")
    }
    assert set().union(*_declared().values()) - pinned == set()


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["wheel", "wheel_of_sdist"])
def test_the_demo_runs_from_an_empty_environment(built: Built, tmp_path: Path, kind: str):
    """pip finds every library under the pinned versions, and a whole demo needs nothing else."""
    folder = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    wheel = f"{getattr(built, kind)}[build]"
    subprocess.run([*pip, "-c", str(ROOT / "constraints.txt"), wheel], check=True, env=outside())
    work = traps(tmp_path / "work", "model.py", "pipelines", "webbody.py", "webbody/webbody")
    command = [folder / "bin" / "webbody", "demo", "--no-train", "--names", "6", "--images", "8"]
    done = subprocess.run(command, cwd=work, env=outside(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (work / "demo-out" / "build" / "pack" / "index.json").is_file()
