"""Contracts of records, by major version."""
