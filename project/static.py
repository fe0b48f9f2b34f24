"""Static files as the production server sends them: hashed names, packed, cached for ever."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedFiles(CompressedManifestStaticFilesStorage):
    """Other people's scripts name source maps that they do not ship, so only style sheets are read for references."""

    patterns = tuple(
        (glob, references) for glob, references in CompressedManifestStaticFilesStorage.patterns if glob == "*.css"
    )

    def stored_name(self, name: str) -> str:
        """Where nothing has been collected pages lack their looks, but stand."""
        return super().stored_name(name) if self.hashed_files else name
