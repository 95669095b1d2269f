"""Street addresses in Latin letters: number and street in the order of several countries, and what follows them."""

from __future__ import annotations

import re

from owngpt.trust.pii.rules import Rule

_W = r"[A-ZÀ-ÖØ-ÞĀ-Ž][\w'.-]{0,24}"  # a word of a name
_WORDS = r"(?:[ \t]+[^\W\d_][\w'.-]{0,24}){0,4}"  # more words, in any letters
_TYPE = (
    r"(?:Street|St|Avenue|Ave|Av|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Square|Sq|Terrace|Ter|"
    r"Parkway|Pkwy|Highway|Hwy|Way|Circle|Cir|Trail|Crescent|Close|Gardens|Grove|Mews|Row|Alley|Plaza|Walk|Quay|Loop|"
    r"Pike|str|Str|ave|street|road|avenue|lane|drive)\.?(?![A-Za-z])"
)
_BEFORE = (  # kinds of streets that stand before their name
    r"(?:Rue|Via|Viale|Calle|Avenida|Av\.|Rua|Praça|Plaza|Carrer|ul\.|Ulica|al\.|Boulevard|Chemin|Place|Corso|Piazza|"
    r"Strada|Jalan|Rruga|Paseo|Camino|Avenue|Allée|Quai|Impasse)"
)
_AFTER = (  # and at the end of it
    r"[\w'.-]{0,24}(?i:stra(?:ss|ß)e|gasse|weg|platz|allee|gatan|vägen|gata|vej|gade|laan|straat|plein|kade|katu|tie|"
    r"polku|kuja|utca|stræde|veien|gaten|damm|ring|ufer|grad|markt|hof|singel|dijk|steeg)"
)
_AFTER_WORDS = (
    *(
        "stra",
        "gasse",
        "weg",
        "platz",
        "allee",
        "gatan",
        "vägen",
        "gata",
        "vej",
        "gade",
        "laan",
        "plein",
        "kade",
        "katu",
    ),
    *("tie", "polku", "kuja", "utca", "stræde", "veien", "gaten", "damm", "ring", "ufer", "grad", "markt", "hof"),
    *("singel", "dijk", "steeg"),
)
_POST = r"\d{5}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|[A-Z]\d[A-Z] ?\d[A-Z]\d|\d{4} ?[A-Z]{2}|\d{4,6}"
_ZIP = rf"(?:[\s,]{{1,3}}(?:[A-Z]{{2}}[\s,]{{1,2}})?(?:{_POST})(?!\w))"
_UNIT = r"(?:[\s,]{0,3}(?:Apt|Apartment|Suite|Ste|Unit|Flat|Room|Floor|Fl|Box|#)\.?\s?#?[\w-]{1,8})"
_TAIL = rf"(?:[\s,]{{1,3}}{_W}){{0,4}}{_ZIP}?"
_NTH = r"\d{1,3}(?:st|nd|rd|th)"
_NUMBER = r"(?<![\w.,$€£¥#/-])\d{1,6}[A-Za-z]?"
_TO = r"(?:address(?: is)?|lives? (?:at|on)|located at|residing at|moved to|delivered? to|shipp?e?d? to|return to)"
_COUNTRY = (
    r"(?:Argentina|Australia|Austria|Belgium|Brazil|Bulgaria|Canada|Chile|China|Colombia|Croatia|Cyprus|Czech Republic|"
    r"Denmark|Estonia|Finland|France|Germany|Greece|Greenland|Hungary|Iceland|India|Indonesia|Ireland|Israel|Italy|"
    r"Japan|Korea|Latvia|Lithuania|Luxembourg|Malaysia|Mexico|Netherlands|New Zealand|Norway|Peru|Philippines|Poland|"
    r"Portugal|Romania|Russia|Serbia|Singapore|Slovakia|Slovenia|South Africa|Spain|Sweden|Switzerland|Thailand|Turkey|"
    r"Ukraine|United Kingdom|UK|United States|USA|Uruguay|Vietnam)"
)
_TO_BEGIN = ("address", "live", "located at", "residing at", "moved to", "deliver", "ship", "return to")

_MONTH = (
    r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|January|February|March|April|June|July|August|September|October|"
    r"November|December)\b"
)

RULES = (
    Rule(
        "ADDRESS",
        "street",
        re.compile(
            rf"{_NUMBER}(?:[ \t]\d{{1,5}}(?:st|nd|rd|th)?)?[ \t]+(?:[NSEW]\.?[ \t]+)?"
            rf"(?:(?:{_W}[ \t]+){{1,4}}?|{_NTH}[ \t]+)"
            rf"{_TYPE}{_UNIT}?{_TAIL}"
        ),
        0.85,
    ),
    Rule(
        "ADDRESS",
        "street_before",
        re.compile(
            rf"{_NUMBER},?[ \t]+(?:\d{{1,5}}[ \t]+)?(?:bis[ \t]|ter[ \t])?{_BEFORE}[ \t]+{_W}(?:[ \t]{_W}){{0,3}}"
            rf"{_UNIT}?{_TAIL}"
        ),
        0.85,
    ),
    Rule(
        "ADDRESS",
        "street_before_number",
        re.compile(
            rf"(?<!\w)(?:\d{{1,6}}[ \t]+)?{_BEFORE}[ \t]+(?:(?:{_W}|d[aeio]|del|della|la)[ \t]+){{1,4}}"
            rf"\d{{1,5}}[A-Za-z]?(?!\w){_UNIT}?{_TAIL}"
        ),
        0.8,
    ),
    Rule(
        "ADDRESS",
        "street_then_number",
        re.compile(
            rf"(?<!\w)(?=(?:\d{{1,6}}[ \t]+)?(?:{_W}[ \t]+){{0,2}}[\w'.-]{{4,40}}[ \t]+\d)"
            rf"(?:\d{{1,6}}[ \t]+)?(?:{_W}[ \t]+){{0,2}}{_AFTER}[ \t]+\d{{1,5}}[A-Za-z]?(?!\w){_UNIT}?{_TAIL}"
        ),
        0.8,
        needs=_AFTER_WORDS,
    ),
    Rule(
        "ADDRESS",
        "unit",
        re.compile(
            rf"(?:{_NUMBER}[ \t]+(?:{_W}[ \t]+){{1,4}}(?:\d{{1,5}}[ \t]+)?)?(?<!\w)"
            rf"(?:Apt|Suite|Apartment|Flat|Unit)\.?[ \t]#?\d{{1,5}}[A-Za-z]?(?!\w){_TAIL}"
        ),
        0.7,
        needs=("apt", "suite", "apartment", "flat", "unit"),
    ),
    Rule(  # 83854 Strickstrasse 61, in the middle of an address
        "ADDRESS",
        "number_name_number",
        re.compile(
            rf"{_NUMBER}[ \t]+(?!{_MONTH})(?:{_W}[ \t]+){{1,4}}\d{{1,5}}[A-Za-z]?"
            rf"(?=[ \t]*(?:\n|,[ \t]*[A-Z])){_UNIT}?{_TAIL}"
        ),
        0.6,
    ),
    Rule(  # a line of its own: 6614 Luite tee 87
        "ADDRESS",
        "number_name_number_line",
        re.compile(
            rf"(?m:^)[ \t?>*-]{{0,6}}(?P<pii>\d{{1,6}}[ \t]+(?!{_MONTH})[^\W\d_a-z][\w'.-]{{0,24}}"
            rf"{_WORDS}[ \t]+(?!(?:19|20)\d\d\b)\d{{1,5}}[A-Za-z]?\.?)(?=[ \t]*\n)"
        ),
        0.55,
    ),
    Rule(  # 9816 Dalmatinova St., Dalmatinova 68 St.
        "ADDRESS",
        "number_street",
        re.compile(
            rf"(?<=[a-z] )(?:\d{{1,6}}[ \t](?:\d{{1,4}}[ \t])?{_W}{_WORDS}(?:[ \t]\d{{1,5}}\.?)?"
            rf"|{_W}{_WORDS}[ \t]\d{{1,5}}\.?)"
            r"(?=[ \t](?:St\.|[Ss]treet\b))"
        ),
        0.6,
        needs=("st.", "street"),
    ),
    Rule(
        "ADDRESS",
        "country_zip",
        re.compile(
            rf"(?<!\w){_COUNTRY}(?: \([A-Za-z ]{{2,16}}\))?[ \t,]{{1,3}}(?P<pii>(?!(?:19|20)\d\d\b)\d{{4,6}})(?!\w)"
        ),
        0.6,
        digits=4,
    ),
    Rule(
        "ADDRESS",
        "corner",
        re.compile(
            rf"(?i:the corner of)[ \t](?:\d{{1,6}}[ \t])?{_W}(?:[ \t]{_W}){{0,4}}(?:[ \t]\d{{1,5}}\.?)?[ \t]and[ \t]"
            rf"(?:\d{{1,6}}[ \t])?{_W}(?:[ \t]{_W}){{0,4}}(?:[ \t]\d{{1,5}})?"
        ),
        0.75,
        digits=0,
        needs=("the corner of",),
    ),
    Rule(
        "ADDRESS",
        "military",
        re.compile(rf"(?:US[NCM]?[SVN]S?[ ]{_W}[\s,]{{1,3}})?(?:APO|FPO|DPO)[ ]A[AEP][ ]\d{{5}}"),
        0.9,
        digits=5,
        needs=("apo", "fpo", "dpo"),
    ),
    Rule(
        "ADDRESS",
        "po_box",
        re.compile(
            r"(?<!\w)(?:P\.?[ ]?O\.?[ ]?Box|PSC|CMR|Unit)[ ]\d{1,6}(?:[\s,]{0,3}Box[ ]\d{1,6})?"
            rf"(?:[\s,]{{1,3}}(?:APO|FPO|DPO)[ ]A[AEP][ ]\d{{5}})?{_TAIL}"
        ),
        0.85,
        needs=("box", "psc", "cmr", "unit"),
    ),
    Rule(
        "ADDRESS",
        "address_label",
        re.compile(
            rf"(?i:{_TO})[\"']?[ \t]{{0,2}}[:=]?[ \t]{{0,3}}[\"']?"
            r"(?P<pii>\d{1,6}[ \t][\w'. ,\n-]{4,60}?)(?=[\"'?!;]|\.\s|\n\n|\.?\Z| in case| if | please)"
        ),
        0.7,
        needs=_TO_BEGIN,
    ),
    Rule(
        "ADDRESS",
        "zip_label",
        re.compile(
            r"(?i:zip(?: ?code)?|post(?:al)? ?code)(?i: is| for [\w ]{1,20} is)?[ \t]?[:=]?[ \t]{0,2}"
            rf"(?P<pii>\d{{4,5}}(?:-\d{{3,4}})?(?: [A-Z]{{2}})?|{_POST})(?!\w)"
        ),
        0.75,
        needs=("zip", "post"),
    ),
)
