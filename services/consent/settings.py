"""What consent needs beside the chassis's settings: its own signing key and identity's public keys."""

from pathlib import Path

from services.chassis.settings import Settings as ChassisSettings


class Settings(ChassisSettings):
    """Files are JWK sets under the keys folder; private ones are readable by this service alone."""

    @property
    def grant_key(self) -> Path:
        return self.keys_folder / "consent.private.jwks.json"

    @property
    def session_keys(self) -> Path:
        return self.keys_folder / "identity.public.jwks.json"
