"""Numbers that belong to people: identity, insurance, accounts, cards, networks, crypto currencies."""

from __future__ import annotations

import re

from owngpt.trust.pii import checks
from owngpt.trust.pii.rules import Rule, words

_S = r"[-. \t\n]{0,3}"  # what may stand between two groups of digits
_S1 = r"[-. \t\n]{1,3}"
_IS = r"\s{0,3}[::はが=]?\s{0,3}"  # between a label and its value
START, END = r"(?=[A-Z\d])(?<![A-Za-z0-9_])(?<!\d[-.])", r"(?![A-Za-z0-9_])(?![-.]\d)"
_ALONE = r"(?<!\d )", r"(?! \d)"  # beside a number there is a longer one
_TWELVE = rf"\d{{4}}{_S}\d{{4}}{_S}\d{{4}}"
_NO = r"(?i:[ ]?(?:no\.?|number|num|id|#|is|was|:|=)){0,4}\s{0,2}"  # "number is: "

_LICENSE = words("免許", "driver'?s?'? ?licen[sc]e", "driving licen[sc]e", "licen[sc]e (?:no|number)")
_CARD = words("カード", "card", "visa", "mastercard", "amex", "jcb", "credit", "debit", "cvv")
_GOODS = re.compile(  # numbers of things
    r"(?:品番|型番|ロット|JAN|ISBN|セッション|エラー|コード|注文|伝票|管理番号|商品|在庫|受付番号|問い?合わせ番号|追跡|session|order|lot|serial"
    r"|invoice|tracking|sku|part|model|ticket)[^\n]{0,24}$",
    re.IGNORECASE,
)
_SSN = words("ssn", "social security", "itin", "taxpayer")
_VERSION = re.compile(r"(?:\bv|version|\bver\.?|release|バージョン|第)[ :]?$", re.IGNORECASE)

JAPANESE = (
    Rule(
        "MY_NUMBER",
        "my_number",
        re.compile(rf"{START}{_ALONE[0]}\d{{4}}(?P<gap>[- ]?)\d{{4}}(?P=gap)\d{{4}}{END}{_ALONE[1]}"),
        0.6,
        check=checks.is_my_number,
        unless=_GOODS,
        digits=12,
    ),
    Rule(
        "MY_NUMBER",
        "my_number_called",
        re.compile(rf"{START}{_ALONE[0]}{_TWELVE}{END}{_ALONE[1]}"),
        0.3,
        check=checks.is_my_number,
        context=words("マイナンバー", "個人番号", "my ?number", "individual number"),
        lifted=0.99,
        digits=12,
    ),
    Rule(  # a mistyped one is still somebody's, where it is called so
        "MY_NUMBER",
        "my_number_label",
        re.compile(rf"(?:マイナンバー|個人番号)(?:カード)?(?:の?番号)?{_IS}(?P<pii>{_TWELVE}){END}"),
        0.85,
        digits=12,
        needs=("マイナンバー", "個人番号"),
    ),
    Rule(
        "CORPORATE_NUMBER",
        "corporate_number",
        re.compile(rf"(?:(?<![A-Za-z0-9_])T|{START})(?P<pii>\d{_S}{_TWELVE}){END}"),
        0.4,
        check=checks.is_corporate_number,
        context=words("法人番号", "corporate number", "登録番号", "インボイス", "適格請求書"),
        lifted=0.95,
        digits=13,
    ),
    Rule(
        "DRIVER_LICENSE",
        "japanese_license",
        re.compile(rf"{START}{_ALONE[0]}{_TWELVE}{END}{_ALONE[1]}"),
        0.3,
        check=checks.is_japanese_license,
        context=_LICENSE,
        lifted=0.97,
        digits=12,
    ),
    Rule(
        "DRIVER_LICENSE",
        "japanese_license_label",
        re.compile(rf"免許証?(?:の?番号)?{_IS}第?(?P<pii>{_TWELVE}){END}"),
        0.8,
        digits=12,
        needs=("免許",),
    ),
    Rule(
        "HEALTH_INSURANCE",
        "insurer_number",
        re.compile(rf"保険者番号{_IS}(?P<pii>\d{{8}}|\d{{6}}){END}"),
        0.9,
        check=checks.is_insurer_number,
        digits=6,
        needs=("保険者番号",),
    ),
    Rule(
        "HEALTH_INSURANCE",
        "insured_number",
        re.compile(
            r"(?:被保険者証?等?|保険証|健康保険証?|組合員証)(?:の|記号|番号|・|/|と|[() ]){0,8}"
            rf"{_IS}(?:記号\s{{0,2}})?(?P<pii>\d{{1,8}}(?:\s?[-・/の]?\s?(?:番号\s?)?\d{{1,10}}){{0,2}})"
        ),
        0.8,
        needs=("保険", "組合員証"),
    ),
    Rule(
        "BANK_ACCOUNT",
        "japanese_account",
        re.compile(
            r"(?:普通|当座|貯蓄|総合|納税準備)(?:預金|口座)?\s{0,3}(?:口座)?(?:番号|No\.?)?"
            rf"{_IS}(?P<pii>\d{{3}}-?\d{{4}}){END}"
        ),
        0.9,
        digits=7,
        needs=("普通", "当座", "貯蓄", "総合", "納税準備"),
    ),
    Rule(
        "BANK_ACCOUNT",
        "account_label",
        re.compile(rf"口座(?:番号|No\.?)?{_IS}(?:普通|当座)?\s{{0,3}}(?P<pii>\d{{6,8}}){END}"),
        0.85,
        digits=6,
        needs=("口座",),
    ),
    Rule(
        "BANK_ACCOUNT",
        "yucho",
        re.compile(rf"記号{_IS}(?P<pii>1\d{{4}}(?:-\d)?[\s、,・/-]{{0,4}}番号{_IS}\d{{2,8}}){END}"),
        0.93,
        digits=5,
        needs=("記号",),
    ),
    Rule(
        "BANK_ACCOUNT",
        "yucho_dashed",
        re.compile(rf"ゆうちょ[^\d\n]{{0,24}}(?P<pii>1\d{{4}}\s?-\s?(?:\d\s?-\s?)?\d{{2,8}}){END}"),
        0.85,
        digits=7,
        needs=("ゆうちょ",),
    ),
    Rule(
        "PASSPORT",
        "japanese_passport",
        re.compile(rf"{START}[A-Z]{{2}} ?\d{{7}}{END}"),
        0.35,
        context=words("旅券", "パスポート", "passport"),
        lifted=0.93,
        digits=7,
    ),
)

ENGLISH = (
    Rule(
        "PASSPORT",
        "passport_label",
        re.compile(rf"(?i:passport){_NO}(?P<pii>[A-Z]{{0,2}}\d{{6,9}}){END}"),
        0.8,
        digits=6,
        needs=("passport",),
    ),
    Rule(
        "US_SSN",
        "ssn",
        re.compile(rf"{START}\d{{3}}[- ]\d{{2}}[- ]\d{{4}}{END}"),
        0.85,
        check=checks.is_ssn,
        context=_SSN,
        lifted=0.97,
        digits=9,
    ),
    Rule(
        "US_SSN",
        "ssn_plain",
        re.compile(rf"{START}\d{{9}}{END}"),
        0.05,
        check=checks.is_ssn,
        context=_SSN,
        lifted=0.8,
        digits=9,
    ),
    Rule(
        "DRIVER_LICENSE",
        "license_label",
        re.compile(
            r"(?:(?i:driver'?s?|driving)[ ](?i:licen[sc]e)|\bDL)(?i: plate)?"
            rf"{_NO}(?P<pii>[A-Z]{{0,3}}\d[\d-]{{4,18}}\d){END}"
        ),
        0.75,
        needs=("driver", "driving", "dl"),
    ),
    Rule(
        "HEALTH_INSURANCE",
        "member_id",
        re.compile(
            r"(?i:member|policy|insurance|medicare|health plan)[ ](?i:id|no\.?|number|#)"
            rf"{_NO}(?P<pii>[A-Z]{{0,4}}-?\d[\dA-Z-]{{4,18}}){END}"
        ),
        0.7,
        needs=("member", "policy", "insurance", "medicare", "health plan"),
    ),
    Rule(
        "BANK_ACCOUNT",
        "account_number",
        re.compile(
            rf"(?i:bank account|account|acct|routing|sort code|a/c)[ ]?(?i:no\.?|number|num|#){_NO}"
            rf"(?P<pii>\d(?:[ -]?\d){{5,16}}){END}"
        ),
        0.7,
        digits=6,
        needs=("account", "acct", "routing", "sort code", "a/c"),
    ),
    Rule(
        "IBAN",
        "iban",
        re.compile(
            r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]{4}){2,7}(?:[ -]?[A-Za-z0-9]{1,4})?(?![A-Za-z0-9])"
        ),
        0.97,
        check=checks.is_iban,
    ),
)


def _card(source: str, pattern: str, digits: int, score: float = 0.85) -> Rule:
    shape = re.compile(rf"{START}{pattern}{END}")
    return Rule("CREDIT_CARD", source, shape, score, checks.is_card, context=_CARD, lifted=0.97, digits=digits)


CARDS = (
    _card("card", r"\d{14,19}", 14),
    _card("short_card", r"\d{12,13}", 12, 0.4),  # so are the numbers of goods
    _card("card_in_fours", rf"\d{{4}}(?:{_S1}\d{{4}}){{3}}", 16),
    _card("card_of_nineteen", rf"\d{{4}}(?:{_S1}\d{{4}}){{3}}{_S1}\d{{3}}", 19),
    _card("amex", rf"\d{{4}}{_S1}\d{{6}}{_S1}\d{{4,5}}", 14),
    _card("card_by_digits", r"\d(?:[-. ]\d){12,18}", 13),
)

NETWORK = (
    Rule(
        "IP_ADDRESS",
        "ipv4",
        re.compile(r"(?<![A-Za-z0-9_.])\d{1,3}(?:\.\d{1,3}){3}(?![A-Za-z0-9_])(?!\.\d)"),
        0.75,
        check=checks.is_ip,
        unless=_VERSION,
        digits=4,
    ),
    Rule(
        "IP_ADDRESS",
        "ipv6",
        re.compile(r"(?<![A-Za-z0-9_:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?![A-Za-z0-9_:])"),
        0.85,
        check=checks.is_ip,
        digits=0,
        needs=(":",),
    ),
    Rule(
        "IP_ADDRESS",
        "mac",
        re.compile(r"(?<![A-Za-z0-9_:-])[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}(?![A-Za-z0-9_:-])"),
        0.8,
        needs=(":", "-"),
    ),
    Rule(
        "CRYPTO",
        "bitcoin",
        re.compile(r"(?<![A-Za-z0-9])(?:[13][A-HJ-NP-Za-km-z1-9]{25,34}|(?:bc1|BC1)[a-zA-Z0-9]{25,62})(?![A-Za-z0-9])"),
        0.97,
        check=checks.is_bitcoin,
    ),
    Rule("CRYPTO", "ethereum", re.compile(r"(?<![A-Za-z0-9])0x[0-9a-fA-F]{40}(?![A-Za-z0-9])"), 0.9, needs=("0x",)),
)

RULES = (*JAPANESE, *ENGLISH, *CARDS, *NETWORK)
