"""Check digits and other arithmetic that tells a number from one that only looks like it. Pure functions of text."""

from __future__ import annotations

import hashlib
import ipaddress
import re


def digits_of(text: str) -> str:
    """Its digits alone."""
    return "".join(filter(str.isdecimal, text))


def is_luhn(text: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    total = 0
    for i, digit in enumerate(map(int, reversed(digits_of(text)))):
        doubled = digit * 2 if i % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


_CARD = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2[2-7]\d{14}|35\d{14}|3[4780689]\d{12,13}|(?:1800|2131)\d{11}"
    r"|5[06-9]\d{10,17}|6\d{11,18}"
)


def is_card(text: str) -> bool:
    """Luhn's digit, a length and a beginning that card networks give out, and not one digit repeated."""
    digits = digits_of(text)
    return bool(_CARD.fullmatch(digits)) and len(set(digits)) > 1 and is_luhn(digits)


def is_iban(text: str) -> bool:
    """ISO 13616: 97 divides what is left over 1."""
    code = re.sub(r"[\s-]", "", text).upper()
    if not 15 <= len(code) <= 34:
        return False
    return int("".join(str(int(character, 36)) for character in code[4:] + code[:4])) % 97 == 1


def is_my_number(text: str) -> bool:
    """Twelve digits, the last of which checks the others (令和の省令 of the My Number Act, 2014 No. 85, article 5)."""
    digits = digits_of(text)
    if len(digits) != 12 or len(set(digits)) == 1:
        return False
    weights = (2, 3, 4, 5, 6, 7, 2, 3, 4, 5, 6)
    rest = sum(int(digit) * weight for digit, weight in zip(reversed(digits[:11]), weights, strict=True)) % 11
    return int(digits[11]) == (0 if rest <= 1 else 11 - rest)


def is_corporate_number(text: str) -> bool:
    """Thirteen digits, the first of which checks the others (法人番号省令, article 2)."""
    digits = digits_of(text)
    if len(digits) != 13 or len(set(digits)) == 1:
        return False
    total = sum(int(digit) * (2 if i % 2 else 1) for i, digit in enumerate(reversed(digits[1:])))
    return int(digits[0]) == 9 - total % 9


def is_japanese_license(text: str) -> bool:
    """Twelve digits: office, year, serial number, check digit (the eleventh, modulus 11), times issued again."""
    digits = digits_of(text)
    if len(digits) != 12 or len(set(digits)) == 1 or not "10" <= digits[:2] <= "97":
        return False
    rest = sum(int(digit) * weight for digit, weight in zip(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2), strict=False)) % 11
    return int(digits[10]) == (0 if rest <= 1 else 11 - rest)


def is_insurer_number(text: str) -> bool:
    """A Japanese insurer's number: eight digits (six for 国民健康保険), the last of which checks the others."""
    digits = digits_of(text)
    return len(digits) in (6, 8) and len(set(digits)) > 1 and is_luhn(digits)


def is_ssn(text: str) -> bool:
    """No area 000 or 666, no group 00, no serial 0000; 9xx are taxpayers' numbers and count as well."""
    digits = digits_of(text)
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    sample = digits in ("123456789", "219099999", "078051120")
    return len(digits) == 9 and area not in ("000", "666") and group != "00" and serial != "0000" and not sample


def is_ip(text: str) -> bool:
    """An address of version 4 or 6 that could belong to somebody: not unspecified, not loopback."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_unspecified or address.is_loopback)


_BASE58 = {character: i for i, character in enumerate("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")}
_BECH32 = {character: i for i, character in enumerate("qpzry9x8gf2tvdw0s3jn54khce6mua7l")}


def is_bitcoin(text: str) -> bool:
    """Base58Check, or bech32 and bech32m (BIP 173, BIP 350)."""
    return _is_bech32(text) if text.lower().startswith("bc1") else _is_base58check(text)


def _is_base58check(text: str) -> bool:
    number = 0
    for character in text:
        if character not in _BASE58:
            return False
        number = number * 58 + _BASE58[character]
    raw = number.to_bytes(25, "big") if number < 256**25 else b""
    return bool(raw) and hashlib.sha256(hashlib.sha256(raw[:21]).digest()).digest()[:4] == raw[21:]


def _is_bech32(text: str) -> bool:
    prefix, _, data = text.lower().rpartition("1")
    if not data or any(character not in _BECH32 for character in data):
        return False
    checksum = 1
    values = [ord(character) >> 5 for character in prefix] + [0] + [ord(character) & 31 for character in prefix]
    for value in values + [_BECH32[character] for character in data]:
        top, checksum = checksum >> 25, (checksum & 0x1FFFFFF) << 5 ^ value
        for i, factor in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            checksum ^= factor if top >> i & 1 else 0
    return checksum in (1, 0x2BC830A3)
