"""The operators' command line, `placet`: it deploys, watches and repairs. It holds no domain logic."""
