"""One value of each type of personal data, and ways to look for them where they must not be.

app = app_with(script=echo)                  # everything is masked in its default project; the model repeats its prompt
response = await post(app, "/v1/...", {...: ALL})
assert leaks(on_disk(app)) == []
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

from owngpt.service.app import App
from owngpt.service.privacy import Policy
from owngpt.service.privacy.policy import EntityRule
from owngpt.trust.pii import TYPES
from tests.fakes.engine import Submission, client_of, make_app

CANARIES = {  # one value of each type, in words that say what it is
    "PERSON": ("氏名：伊集院 光太郎 です", "伊集院 光太郎"),
    "EMAIL": ("mail zq-canary@example.com now", "zq-canary@example.com"),
    "PHONE": ("電話 090-8765-4321 まで", "090-8765-4321"),
    "ADDRESS": ("送り先 東京都新宿区西新宿二丁目8番1号 です", "東京都新宿区西新宿二丁目8番1号"),
    "DATE_OF_BIRTH": ("生年月日：1987年6月5日", "1987年6月5日"),
    "AGE": ("she is 47 years old", "47"),
    "MY_NUMBER": ("マイナンバー 1234 5678 9018 ", "1234 5678 9018"),
    "CORPORATE_NUMBER": ("法人番号 7000012050002 ", "7000012050002"),
    "PASSPORT": ("旅券番号 TK7654321 ", "TK7654321"),
    "DRIVER_LICENSE": ("免許証番号 305012345610 ", "305012345610"),
    "HEALTH_INSURANCE": ("保険者番号 06139992 ", "06139992"),
    "US_SSN": ("SSN 536-22-1234 ", "536-22-1234"),
    "BANK_ACCOUNT": ("渋谷支店 普通 7654321 ", "7654321"),
    "IBAN": ("IBAN GB82 WEST 1234 5698 7654 32 ", "GB82 WEST 1234 5698 7654 32"),
    "CREDIT_CARD": ("card 4111 1111 1111 1111 ", "4111 1111 1111 1111"),
    "CRYPTO": ("BTC 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2 ", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"),
    "IP_ADDRESS": ("from 203.0.113.77 ", "203.0.113.77"),
    "SECRET": ("password: swordfish-7 ", "swordfish-7"),
    "URL": ("see https://canary.example.com/me ", "https://canary.example.com/me"),
}
EVERYTHING = Policy("mask", entities={kind: EntityRule("mask") for kind in TYPES if kind != "NATIONAL_ID"})
ALL = " ; ".join(text for text, _ in CANARIES.values())
VALUES = [value for _, value in CANARIES.values() if len(value) > 2]


def app_with(policy: Policy = EVERYTHING, script: Any = "Hello!", **engine: Any) -> App:
    """An App whose default project has this policy."""
    app = make_app(script, max_model_len=60_000, **engine)
    [key] = app.keys.list()
    with app.database.write() as transaction:
        app.privacy.set_policy(transaction, key.project_id, policy)
    app.privacy.forget()
    return app


def echo(submission: Submission) -> str:
    """The prompt again, without the template's marks."""
    return bytes(i for i in submission.prompt if i < 256).decode("utf-8", "replace")


async def post(app: App, path: str, body: dict[str, Any]) -> httpx.Response:
    async with client_of(app) as client:
        return await client.post(path.partition("?")[0], json=body)


def on_disk(app: App) -> bytes:
    """Every byte of the data folder; what is written as JSON may be escaped, so that is looked for as well."""
    app.receipts.close()
    return b"".join(file.read_bytes() for file in Path(app.settings.data_dir).rglob("*") if file.is_file())


def leaks(data: bytes) -> list[str]:
    """The canaries in it, plain or as JSON writes them."""
    return [value for value in VALUES if value.encode() in data or json.dumps(value)[1:-1].encode() in data]
