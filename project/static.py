"""Static files as the production server sends them: hashed names, packed, cached for ever."""

from django.contrib.staticfiles.apps import StaticFilesConfig
from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFiles(StaticFilesConfig):
    """Without what no page asks for: most of the time that collecting takes would go into packing it."""

    ignore_patterns = [*StaticFilesConfig.ignore_patterns, "*.map", "graphene_django", "rest_framework"]


class HashedFiles(CompressedManifestStaticFilesStorage):
    """Only style sheets are read for references, and not for source maps, which are left out or were never shipped."""

    patterns = tuple(
        (glob, tuple(reference for reference in references if "sourceMappingURL" not in str(reference)))
        for glob, references in CompressedManifestStaticFilesStorage.patterns
        if glob == "*.css"
    )

    def stored_name(self, name: str) -> str:
        """Where nothing has been collected pages lack their looks, but stand."""
        return super().stored_name(name) if self.hashed_files else name
