"""Checking webhooks, without a client."""

from __future__ import annotations

from ._base import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

__all__ = ["verify_webhook"]


def verify_webhook(
    body: bytes | str, headers: Mapping[str, str], secret: str | Sequence[str]
) -> dict[str, Any]:
    """Checks a webhook and returns its event: ``{"type": …, "timestamp": …, "data": …}``.

    body: what arrived, byte for byte, not JSON that was read and written again.
    headers: those of the request; their names may be in any case.
    secret: ``whsec_…``, or several of them, of which one must fit.

    A wrong signature, or a message more than five minutes old, raises ``AuthError`` with the code
    ``WEBHOOK_SIGNATURE_INVALID``. A message may arrive more than once, always with the same header
    ``webhook-id``.
    """
    secrets = [secret] if isinstance(secret, str) else list(secret)
    raw = body.encode() if isinstance(body, str) else bytes(body)
    event: dict[str, Any] = load().verify_webhook(raw, list(headers.items()), secrets)
    return event
