"""Contracts of consent, by major version."""
