"""Contracts of notify, by major version."""
