"""Phone numbers as two sides of a gateway write them. Pure."""

from __future__ import annotations

import re


def international(phone: str) -> str:
    """84912345678 from +84…, 0084… or 0…"""
    digits = re.sub(r"[^0-9]", "", phone)
    if digits.startswith("00"):
        return digits[2:]
    return "84" + digits[1:] if digits.startswith("0") else digits
