"""The release path as a model: the services' real handlers and consumers, joined by a broker that does its worst."""
