"""State, outbox and inbox in one MongoDB transaction: all or none."""
