"""Search by a photo: the faces models of the build, loaded when somebody asks the first time."""

import threading
from collections.abc import Mapping
from typing import Any

from pipelines.galleries.picture_faces import PictureFaces
from pipelines.identity.features import Floats
from pipelines.viewer.index.viewed import ViewedBuild
from webbody.config import FacesSettings
from webbody.decoders.pool import Decoders
from webbody.errors import WebbodyError
from webbody.images import ImageError

#: Bytes of an upload, and pixels of a photo.
MOST_BYTES = 20_000_000
_MOST_PIXELS = 50_000_000
_NEAREST = 24


class PhotoSearch:
    """Finds the people of a build who resemble the face in a photo; one search at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._decoders = Decoders(1)
        self._faces: PictureFaces | None = None
        self._settings: Mapping[str, Any] | None = None

    def nearest(self, viewed: ViewedBuild, photo: bytes) -> list[tuple[int, float]]:
        """People with their cosines, the most similar first.

        Raises WebbodyError where there is no face, or the models are not those of the build.
        """
        if len(photo) > MOST_BYTES:
            raise WebbodyError(f"The photo has more than {MOST_BYTES:,} bytes; make it smaller.")
        try:
            rgb = self._decoders.decode(photo, _MOST_PIXELS)
        except ImageError as error:
            raise WebbodyError(f"The photo cannot be read ({error}); give another one.") from error
        with self._lock:
            faces = self._models(viewed)
            (_, feature), *_ = faces([("photo", rgb)])
        if feature is None:
            raise WebbodyError("No face was found in the photo; give one that shows a face well.")
        return self._people(viewed, faces.digest, feature)

    def _models(self, viewed: ViewedBuild) -> PictureFaces:
        settings = viewed.settings.get("faces") or {}
        if self._faces is None or settings != self._settings:
            self._faces = PictureFaces(FacesSettings.model_validate(settings))
            self._settings = settings
        return self._faces

    def _people(self, viewed: ViewedBuild, digest: str, feature: Floats) -> list[tuple[int, float]]:
        people = viewed.people
        if people.embedder and people.embedder != digest:
            raise WebbodyError(
                "The build's faces were embedded by another model than the one in its settings; "
                "put that file back, or build again."
            )
        return people.nearest(feature, _NEAREST)
