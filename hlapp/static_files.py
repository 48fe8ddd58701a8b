"""Static files storage: hashed names once files are collected, plain names before (development, demo)."""

from __future__ import annotations

from django.contrib.staticfiles.storage import StaticFilesStorage
from whitenoise.storage import CompressedManifestStaticFilesStorage


class CollectedFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """One storage for both, so that the very first `collectstatic` hashes the files as every later one does."""

    def url(self, name: str | None, force: bool = False) -> str:
        """URL of a file: hashed once files are collected, plain before."""
        plain = not self.hashed_files
        return StaticFilesStorage.url(self, name) if plain else super().url(name, force)
