"""How people are reached, and what opens their doors: e-mail, web addresses, keys and passwords."""

from __future__ import annotations

import re

from owngpt.trust.pii.rules import Rule

_DOMAIN = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9-])"
_LOCAL = r"(?<![A-Za-z0-9._%+'-])[A-Za-z0-9._%+'-]{1,64}"
_AT, _DOT = r"\s?[\[({<]\s?(?i:at|アット|@)\s?[\])}>]\s?", r"(?:\.|\s?[\[({<]\s?(?i:dot|ドット)\s?[\])}>]\s?)"

CONTACT = (
    Rule("EMAIL", "email", re.compile(rf"{_LOCAL}(?:@|%40){_DOMAIN}"), 0.98, digits=0, needs=("@", "%40")),
    Rule(
        "EMAIL",
        "email_spelled",
        re.compile(
            rf"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{{1,64}}{_AT}[A-Za-z0-9-]{{1,63}}(?:{_DOT}[A-Za-z0-9-]{{1,63}}){{1,5}}"
        ),
        0.85,
        digits=0,
        needs=tuple("[({<"),
    ),
    Rule(
        "SECRET",
        "url_with_credentials",
        re.compile(
            r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/@:]{0,128}:[^\s/@]{1,128}@[^\s\"'<>]{1,256}"
        ),
        0.95,
        digits=0,
        needs=("://",),
    ),
    Rule(
        "URL",
        "url",
        re.compile(r"(?<![A-Za-z0-9])(?:https?://|www\.)[^\s/@\"'<>]{1,255}(?:/[^\s\"'<>、。」)]{0,1024})?"),
        0.6,
        digits=0,
        needs=("http", "www."),
    ),
)

_PREFIXES = "|".join(  # keys that their makers have marked
    (
        r"sk-(?:own-|ant-|proj-|svcacct-|or-v1-)?[A-Za-z0-9_-]{20,200}",
        r"gh[pousr]_[A-Za-z0-9]{36,255}",
        r"github_pat_[A-Za-z0-9_]{22,255}",
        r"glpat-[A-Za-z0-9_-]{20,64}",
        r"xox[abeprs]-[A-Za-z0-9-]{10,250}",
        r"(?:AKIA|ASIA)[A-Z0-9]{16}",
        r"AIza[A-Za-z0-9_-]{35}",
        r"hf_[A-Za-z0-9]{30,64}",
        r"npm_[A-Za-z0-9]{36}",
        r"pypi-[A-Za-z0-9_-]{50,250}",
        r"(?:sk|pk|rk|whsec)_(?:live|test)_[A-Za-z0-9]{16,128}",
        r"SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}",
        r"eyJ[A-Za-z0-9_-]{10,2048}\.eyJ[A-Za-z0-9_-]{10,4096}\.[A-Za-z0-9_-]{10,1024}",
    )
)
_PREFIXES_BEGIN = (
    *("sk-", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox", "akia", "asia", "aiza", "hf_"),
    *("npm_", "pypi-", "sk_", "pk_", "rk_", "whsec_", "sg.", "eyj"),
)
_PASSWORDS = ("pass", "pwd", "パスワード", "暗証番号", "合言葉")
_PASSWORD = r"(?:[Pp]ass(?:word|wd|phrase|code)?|PASSWORD|[Pp]wd|パスワード|暗証番号|合言葉)"
_KEY = (
    r"(?i:api[ _-]?key|secret(?:[ _-]?key)?|access[ _-]?(?:key|token)|auth[ _-]?token|client[ _-]?secret|bearer|token)"
)
_IS = r"[\"']?\s{0,2}[:=は]\s{0,2}[\"'「]?"
_VALUE_END = r"(?=[\"'」\s,;、。]|で[すあ]|\Z|[^!-~])"
_ARMOR = r"[A-Z ]{0,24}PRIVATE KEY-----"

SECRETS = (
    Rule(
        "SECRET",
        "api_key",
        re.compile(rf"(?<![A-Za-z0-9_-])(?:{_PREFIXES})(?![A-Za-z0-9_-])"),
        0.97,
        digits=0,
        needs=_PREFIXES_BEGIN,
    ),
    Rule(
        "SECRET",
        "private_key",
        re.compile(rf"-----BEGIN {_ARMOR}[A-Za-z0-9+/=\s\\:,-]{{0,8192}}?(?:-----END {_ARMOR}|\Z)"),
        0.99,
        digits=0,
        needs=("-----begin ",),
    ),
    Rule(
        "SECRET",
        "password",
        re.compile(rf"{_PASSWORD}{_IS}(?P<pii>[!-~]{{4,128}}?){_VALUE_END}"),
        0.8,
        digits=0,
        needs=_PASSWORDS,
    ),
    Rule(  # a password is best kept to oneself; mine is swordfish7
        "SECRET",
        "password_said",
        re.compile(rf"{_PASSWORD} is:? [\"']?(?P<pii>(?=[A-Za-z]{{0,64}}[^A-Za-z\s.,])[!-~]{{4,128}}?){_VALUE_END}"),
        0.8,
        digits=0,
        needs=_PASSWORDS,
    ),
    Rule(
        "SECRET",
        "labelled_key",
        re.compile(rf"{_KEY}{_IS}(?P<pii>(?=[A-Za-z_./+-]{{0,64}}\d)[A-Za-z0-9_./+=-]{{16,256}})"),
        0.8,
        needs=("key", "token", "secret", "bearer"),
    ),
)

RULES = (*CONTACT, *SECRETS)
