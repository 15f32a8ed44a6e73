"""Whether an installation works: what the last Job of an installation and an upgrade asks."""
