"""Consent owns requests, signatures, approvals with their legal basis, revocations and expiry.

It hears who exists and who may act for whom (identity), which transcripts and packages there are and what became of
releases (records, delivery). It says what was opened, approved (**the approval event**), refused, revoked, expired.
It never sees a transcript's content, never sends one, and asks no other service anything.
"""
