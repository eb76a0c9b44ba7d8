"""The model files that a configuration asks for: here or not, licence, digest."""

from collections.abc import Iterator
from pathlib import Path

from webbody import model_digests, model_table, models
from webbody.config import BuildConfig
from webbody.doctor.diagnosis import OK, PROBLEM, WARNING, Diagnosis
from webbody.errors import WebbodyError

_SETTINGS = {
    "persons.model": model_table.PERSONS,
    "faces.detector": model_table.FACE_DETECTOR,
    "faces.embedder": model_table.FACE_EMBEDDER,
    "keypoints.model": model_table.KEYPOINTS,
    "pack.foreground": model_table.SEGMENTATION,
}


def model_files(config: BuildConfig) -> Iterator[Diagnosis]:
    """A line for each model of the configuration; nothing is fetched."""
    for setting, backend in _SETTINGS.items():
        section, field = setting.split(".")
        if name := getattr(getattr(config, section), field):
            yield _diagnose(setting, name, backend)


def _diagnose(setting: str, name: str, backend: str) -> Diagnosis:
    entry = None if Path(name).expanduser().exists() else model_table.find(name, backend)
    if entry is not None and not models.location(entry).exists():
        advice = (
            f"The build fetches it; for machines without a network: webbody models fetch {name}"
        )
        return Diagnosis(
            WARNING, setting, f"{name} ({entry.licence.name}) is not on this machine", advice
        )
    try:
        path = models.resolve(name, backend)
    except WebbodyError as error:
        return Diagnosis(PROBLEM, setting, str(error), "`webbody models list` shows what there is.")
    if entry is None:
        text = f"{path}, sha256 {models.digest(path)[:12]}; its licence is yours to know"
        return Diagnosis(OK, setting, text)
    text = f"{name}: {entry.licence.name}, digest {model_digests.state(entry)}"
    return Diagnosis(OK, setting, text)
