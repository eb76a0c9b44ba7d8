"""Reading settings: YAML files over presets over defaults, then single values."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from webbody.errors import WebbodyError

#: Where the settings lie that ship with the package.
PRESETS = Path(__file__).parents[1] / "presets"

#: Replacements for pydantic's messages in terms of YAML.
_IN_YAML = {
    "tuple_type": "must be a list, [] where it is empty",
    "dict_type": "must hold names with values, as in {name: value}",
    "model_type": "must hold names with values, as in {name: value}",
}

_Config = TypeVar("_Config", bound=BaseModel)


def load_as(
    kind: type[_Config],
    file: str | Path | None = None,
    overrides: Sequence[str] = (),
    base: dict[str, Any] | None = None,
    listed_by: str = "webbody config",
) -> _Config:
    """Read a configuration of any kind, as `webbody.config.load` does that of a build.

    Args:
        kind: The class of the configuration.
        file: YAML file with settings, read over `base`; what they name may lie beside it.
        overrides: Single settings, `section.key=value`, over the file.
        base: Settings below the file, such as a preset's.
        listed_by: The command that lists the settings, for the text of an error.

    Returns:
        Every setting, with defaults where nothing was given.

    Raises:
        WebbodyError: An unknown key, a wrong value or an unreadable file; it names the key.
    """
    values: dict[str, Any] = dict(base or {})
    if file is not None:
        values = merge(values, read_yaml(Path(file)))
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise WebbodyError(
                f"--set {text}: write it as section.key=value, for example persons.confidence=0.6."
            )
        try:
            parsed = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise WebbodyError(
                f"--set {text}: the value is no valid YAML ({_first_line(error)})."
            ) from error
        for part in reversed(key.split(".")):
            parsed = {part: parsed}
        values = merge(values, parsed)
    try:
        folder = "" if file is None else str(Path(file).resolve().parent)
        return kind.model_validate(values, context={"folder": folder})
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        what = problem["msg"]
        if problem["type"] == "extra_forbidden":
            now = _present_name(kind, problem["loc"])
            what = f"is now called {now}" if now else "there is no such setting"
        what = _IN_YAML.get(problem["type"], what)
        if problem["type"] == "value_error":  # in our own words
            what = str(problem["ctx"]["error"])
        single = any(f"{where}.".startswith(f"{key.partition('=')[0]}.") for key in overrides)
        source = "--set" if single else file or "configuration"
        raise WebbodyError(
            f"{source}: {where}: {what}; `{listed_by}` lists every setting."
        ) from error


def _present_name(kind: type[BaseModel], place: Sequence[str | int]) -> str:
    """The present name of a renamed setting; "" if there never was such a setting."""
    *sections, name = (str(part) for part in place)
    at: Any = kind
    for section in sections:
        field = at.model_fields.get(section) if hasattr(at, "model_fields") else None
        at = field.annotation if field else None
    now = getattr(at, "renamed", {}).get(name, "")
    return ".".join([*sections, now]) if now else ""


def read_preset(kind: str, name: str) -> dict[str, Any]:
    """Read the settings of a preset of the package.

    Args:
        kind: `build` or `train`.
        name: Such as `webbody4m`.

    Returns:
        The settings of the preset, to be passed as `base`.

    Raises:
        WebbodyError: There is no such preset; it names the existing ones.
    """
    file = PRESETS / f"{kind}-{name}.yaml"
    if not file.is_file():
        known = sorted(path.stem.partition("-")[2] for path in PRESETS.glob(f"{kind}-*.yaml"))
        raise WebbodyError(
            f"--preset {name}: there is no such preset; there are {', '.join(known)}."
        )
    return read_yaml(file)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping; WebbodyError where it is missing or something else."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WebbodyError(f"{path}: cannot be read ({error.strerror}); check the path.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise WebbodyError(f"{path}: is no valid YAML ({_first_line(error)}).") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise WebbodyError(f"{path}: holds a {type(values).__name__}, not sections with settings.")
    return values


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` laid over `base`, section by section."""
    out = dict(base)
    for key, value in over.items():
        old = out.get(key)
        out[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return out


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
