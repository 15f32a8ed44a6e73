"""`placet audit`: re-proves every disclosure of a school from exported files alone, offline, and makes that export.

Invariant: what judges (all but `command` and `exporting`) shares nothing with the services but the contracts: its own
canonical JSON, its own hashing, its own reading of signatures. So a fault in what wrote the ledger is not repeated here.
"""

from deploy.cli.audit.command import app

__all__ = ["app"]
