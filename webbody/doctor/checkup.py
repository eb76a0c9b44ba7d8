"""All checks, in the order in which a build would fail."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from webbody.config import BuildConfig
from webbody.doctor import disk, hardware, model_files, network, ray_start, software
from webbody.doctor.diagnosis import OK, PROBLEM, SKIPPED, Check, Diagnosis, examine
from webbody.errors import WebbodyError

_URLS = 2000
_RAY_SECONDS = 60.0


def checkup(config: BuildConfig, start_ray: bool = True) -> Iterator[Diagnosis]:
    """The results, as soon as they are known.

    `config.manifest` and `config.out` may be empty. Nothing is downloaded; only hosts of the
    manifest are looked up.
    """
    content = _Content()
    out, address = config.out or ".", config.resources.ray_address
    checks: list[tuple[str, float, Check]] = [
        ("Python", 5, software.python),
        ("libraries", 20, software.bounds),
        ("OpenCV", 5, software.opencv),
        ("checkpoints", 60, software.safe_loading),
        ("cores", 5, hardware.cores),
        ("memory", 5, hardware.memory),
        ("open files", 5, lambda: hardware.open_files(config)),
        ("GPU", 60, lambda: hardware.gpu(config)),
        ("models", 60, lambda: model_files.model_files(config)),
        ("manifest", 60, lambda: content.read(config.manifest)),
        ("disk", 10, lambda: disk.room(out, content.rows)),
        ("write", 10, lambda: disk.file_system(out)),
        ("clock", 5, network.clock),
        ("HTTPS", 5, network.certificates),
        ("proxy", 5, network.proxies),
        ("DNS", 15, lambda: network.names(content.hosts)),
        ("HTTPS to a host", 20, lambda: network.one_host(content.hosts)),
        ("shared memory", 5, ray_start.shared_memory),
    ]
    if start_ray:
        checks.append(
            ("Ray", _RAY_SECONDS + 10, lambda: ray_start.ray_start(address, _RAY_SECONDS))
        )
    for subject, seconds, check in checks:
        yield from examine(subject, check, seconds)


@dataclass
class _Content:
    """What later checks want to know of the manifest: rows, and some of its hosts."""

    rows: int = 0
    hosts: list[str] = field(default_factory=list)

    def read(self, path: str) -> Iterator[Diagnosis]:
        if not path:
            text = "none is given: disk and network are looked at without it"
            yield Diagnosis(SKIPPED, "manifest", text)
            return
        from webbody.manifest import Manifest  # needs libraries that may be missing

        try:
            with Manifest(path) as manifest:
                self.rows, urls = manifest.glance(_URLS)
        except WebbodyError as error:
            yield Diagnosis(PROBLEM, "manifest", str(error), "See manifests/README.md.")
            return
        self.hosts = network.hosts_of(urls)
        if not urls:
            text = f"{self.rows:,} rows, and not one with a URL and a name"
            yield Diagnosis(PROBLEM, "manifest", text, "See manifests/README.md.")
            return
        yield Diagnosis(OK, "manifest", f"{self.rows:,} rows")
