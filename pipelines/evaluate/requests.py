"""Parsing which data sets to evaluate, their paths, and files of features."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.evaluate.benchmarks import named
from webbody.config import read_yaml
from webbody.errors import WebbodyError

_ENDING = ".parquet"


@dataclass(frozen=True)
class DatasetRequest:
    """A data set and its path; features: a Parquet file used instead of a model."""

    name: str
    path: str
    features: str | None = None


def read_requests(
    data: Path | None, datasets: Sequence[str], features: Sequence[str]
) -> list[DatasetRequest]:
    """Data sets of a YAML file and of `NAME=PATH` options; features are `[NAME=]FILE.parquet`.

    In the YAML a name has a path, or `path` and `features`; paths start at its folder. An option
    takes the place of the file's. Raises WebbodyError for unknown names, and for files of features
    of no data set.
    """
    found = {one.name: one for one in _of_file(data)} if data else {}
    for name, path in name_and_path(datasets, "--dataset "):
        found[named(name)] = DatasetRequest(named(name), path)
    for text in features:
        name, equals, file = text.partition("=")
        if not equals:
            if len(found) != 1:
                raise WebbodyError(
                    f"--features {text}: say of which data set, such as market1501={text}."
                )
            name, file = next(iter(found)), text
        if named(name) not in found:
            raise WebbodyError(f"--features {text}: {name} is not evaluated; give --dataset too.")
        if not file.endswith(_ENDING) or not Path(file).is_file():
            raise WebbodyError(f"--features {text}: there is no such file {file} ({_ENDING}).")
        found[named(name)] = DatasetRequest(named(name), found[named(name)].path, file)
    return list(found.values())


def name_and_path(texts: Iterable[str], option: str = "") -> list[tuple[str, str]]:
    """The two sides of each NAME=PATH, which followed `option`; raises WebbodyError for others."""
    pairs = []
    for text in texts:
        name, equals, path = text.partition("=")
        if not equals or not path:
            raise WebbodyError(f"{option}{text}: give NAME=PATH, such as market1501=/data/Market.")
        pairs.append((name, path))
    return pairs


def _of_file(data: Path) -> list[DatasetRequest]:
    out = []
    for name, value in read_yaml(data).items():
        entry: dict[str, Any] = value if isinstance(value, dict) else {"path": value}
        paths = {key: entry[key] for key in ("path", "features") if entry.get(key) is not None}
        texts = all(isinstance(path, str) for path in paths.values())
        if set(entry) - {"path", "features"} or "path" not in paths or not texts:
            raise WebbodyError(
                f"{data}: {name} should have a path, or `path` and `features`, not {value!r}."
            )
        below = {
            key: path if "://" in path else str(data.parent / Path(path).expanduser())
            for key, path in paths.items()
        }
        out.append(DatasetRequest(named(str(name)), **below))
    return out
