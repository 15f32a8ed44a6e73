"""The house on one machine: a real Kafka and a real mongod with authentication and authorization on, mail, keys, front door.

Everything a house knows lives in one folder (`.local/<name>/`), listens on loopback only and uses free ports, so
that two houses never meet. The rights are made from `contracts.topics` and from each service's collections.
"""
