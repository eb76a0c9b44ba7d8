"""Manifests, lists of image URLs and the names they were found under: read, checked, compared."""

from webbody.manifest.checks import MAX_URL
from webbody.manifest.keys import sample_key
from webbody.manifest.layout import FORMATS, ManifestLayout
from webbody.manifest.parts import Digest
from webbody.manifest.reader import Manifest

__all__ = ["FORMATS", "MAX_URL", "Digest", "Manifest", "ManifestLayout", "sample_key"]
