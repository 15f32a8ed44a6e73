"""The microservice chassis: mechanism for every service, never policy. It never looks up at a service."""
