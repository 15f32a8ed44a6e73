"""TOTP (RFC 6238): secrets, the step a code belongs to, and the picture that an authenticator app scans."""

import hmac
from datetime import datetime

import pyotp
import segno

STEP_SECONDS = 30
ISSUER = "Placet"


def draw_secret() -> str:
    """A fresh secret, 160 random bits in base 32 (RFC 4226 §4 recommends as many)."""
    return pyotp.random_base32()


def step_of(secret: str, code: str, at: datetime) -> int | None:
    """The 30-second step that `code` belongs to: this one, or one before or after it for a clock that is off.

    All three are compared, whatever the first says, so that the time taken tells nothing.
    """
    totp, now = pyotp.TOTP(secret, interval=STEP_SECONDS), int(at.timestamp()) // STEP_SECONDS
    found: int | None = None
    for step in (now - 1, now, now + 1):
        if hmac.compare_digest(totp.generate_otp(step).encode(), code.strip().encode()):
            found = step
    return found


def address(secret: str, account: str) -> str:
    """The `otpauth:` address that apps take in."""
    return pyotp.TOTP(secret, interval=STEP_SECONDS).provisioning_uri(name=account, issuer_name=ISSUER)


def picture(text: str) -> str:
    """A QR code as a data URI of an SVG: no file, no other site."""
    return str(segno.make(text, error="m").svg_data_uri(scale=5, border=3, dark="#111", light="#fff"))
