"""The wing that speaks Kafka: `consumer` turns poll batches into verdicts, `relay` carries the outbox to its topics."""
