"""Contracts of identity, by major version."""
