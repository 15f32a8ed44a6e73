"""Records owns drafts, evidence, sealed versions, packages, holds, and releases.

It hears who exists and who may act for whom (identity), what is asked, approved and revoked (consent). It says what was
sealed, superseded, withdrawn, prepared, held, and released. **It has no endpoint that releases**: the only way is
consent's approval event, whose grant it verifies by itself. It knows no recipient's address and asks no other service.
"""
