"""Static files under hashed names once they are collected; until then where the packages keep them."""

from __future__ import annotations

from django.contrib.staticfiles.storage import StaticFilesStorage
from whitenoise.storage import CompressedManifestStaticFilesStorage


class CollectedFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """One storage for both, so that the very first `collectstatic` hashes the files as every later one does."""

    def url(self, name: str | None, force: bool = False) -> str:
        plain = not self.hashed_files
        return StaticFilesStorage.url(self, name) if plain else super().url(name, force)
