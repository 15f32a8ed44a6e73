"""Contracts of delivery, by major version."""
