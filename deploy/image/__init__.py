"""The image that every process runs in: how it is built, and how it is tried without an engine and without a cluster."""
