"""Delivery owns recipients' endpoints, deliveries, attempts to tell, acknowledgements and **the disclosure ledger**.

It hears who exists and which recipients are verified (identity), what was released (records), what was taken back and how
fresh that knowledge is (consent). It says what is available, delivered, acknowledged, abandoned, cancelled.
It never acts on an approval alone, never discloses on stale knowledge of revocations, and puts nothing personal in a webhook.
"""
