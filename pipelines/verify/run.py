"""Verifying any folder: which kind it is decides what is looked at."""

from pipelines.engine.sources import is_release
from pipelines.reid.import_job import IMPORT_FILE
from pipelines.verify.build import verify_build, verify_import
from pipelines.verify.findings import EVERYTHING, SampleDraw, Verified
from pipelines.verify.release import verify_release
from webbody.build_records import BUILD_FILE
from webbody.errors import WebbodyError
from webbody.storage import Folder


def verify(url: str, draw: SampleDraw = EVERYTHING, threads: int = 0) -> Verified:
    """What is damaged or wrong in a build, an import or a release.

    Args:
        url: Its folder: a path or an fsspec URL.
        draw: The share of its files that are looked at.
        threads: That compute digests; as many as there are cores without it.

    Raises:
        WebbodyError: It is none of the three.
    """
    if is_release(url):
        return verify_release(url, draw, threads)
    folder = Folder(url)
    if folder.size(BUILD_FILE) is not None:
        return verify_build(folder, draw, threads)
    if folder.size(IMPORT_FILE) is not None:
        return verify_import(folder, draw, threads)
    raise WebbodyError(
        f"{url}: holds neither a build nor an import nor a release; give the folder with "
        f"{BUILD_FILE}, {IMPORT_FILE} or release.json in it."
    )
