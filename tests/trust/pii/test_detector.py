"""What the detector finds, what it leaves alone, and that nobody can make it slow."""

from __future__ import annotations

import time

import pytest

from owngpt.trust.pii import DetectionTimeout, Detector, Entity
from owngpt.trust.pii.entity import resolve
from tests.trust.pii.found import found


def ours(kind: str, score: float) -> bool:
    """Everything but what presidio is loaded for."""
    return kind != "NATIONAL_ID"


ISSUED = "GB82 WEST 1234 5698 7654 32"
MY_NUMBER = "1234 5678 9018"


EXAMPLES = [
    ("Write to taro.yamada+x@mail.example.co.jp.", "EMAIL", "taro.yamada+x@mail.example.co.jp"),
    ("宛先はhanako@example.comまで", "EMAIL", "hanako@example.com"),
    ("write to taro [at] example [dot] com", "EMAIL", "taro [at] example [dot] com"),
    ("電話は090-1234-5678です", "PHONE", "090-1234-5678"),
    ("TEL: 03(3123)4567", "PHONE", "03(3123)4567"),
    ("代表 0120-444-444", "PHONE", "0120-444-444"),
    ("call +81 90 1234 5678 now", "PHONE", "+81 90 1234 5678"),
    ("call me at (212) 555-2368", "PHONE", "(212) 555-2368"),
    ("マイナンバーは１２３４－５６７８－９０１８です", "MY_NUMBER", "１２３４－５６７８－９０１８"),
    (f"id {MY_NUMBER}", "MY_NUMBER", MY_NUMBER),
    ("個人番号: 123456789012", "MY_NUMBER", "123456789012"),
    ("法人番号 7000012050002", "CORPORATE_NUMBER", "7000012050002"),
    ("登録番号 T7000012050002", "CORPORATE_NUMBER", "7000012050002"),
    ("運転免許証番号 305012345610", "DRIVER_LICENSE", "305012345610"),
    ("保険者番号 06139992", "HEALTH_INSURANCE", "06139992"),
    ("被保険者証 記号 12 番号 3456", "HEALTH_INSURANCE", "12 番号 3456"),
    ("旅券番号はTK1234567です", "PASSPORT", "TK1234567"),
    ("みずほ銀行 渋谷支店 普通 1234567", "BANK_ACCOUNT", "1234567"),
    ("ゆうちょ銀行 記号 10240 番号 12345671", "BANK_ACCOUNT", "10240 番号 12345671"),
    (f"IBAN {ISSUED} please", "IBAN", ISSUED),
    ("card 4111 1111 1111 1111 123", "CREDIT_CARD", "4111 1111 1111 1111"),
    ("amex 3782-822463-10005", "CREDIT_CARD", "3782-822463-10005"),
    ("SSN 536-22-1234", "US_SSN", "536-22-1234"),
    ("from 203.0.113.7 today", "IP_ADDRESS", "203.0.113.7"),
    ("at 2001:db8::8a2e:370:7334", "IP_ADDRESS", "2001:db8::8a2e:370:7334"),
    ("BTC 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "CRYPTO", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"),
    ("bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "CRYPTO", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"),
    ("key sk-own-abcdefghijklmnopqrstuvwxyz0123456789", "SECRET", "sk-own-abcdefghijklmnopqrstuvwxyz0123456789"),
    ("password: hunter2!x", "SECRET", "hunter2!x"),
    ("postgres://me:pw123@db.example.com/x", "SECRET", "postgres://me:pw123@db.example.com/x"),
    ("生年月日：昭和55年3月4日", "DATE_OF_BIRTH", "昭和55年3月4日"),
    ("born on March 4, 1980", "DATE_OF_BIRTH", "March 4, 1980"),
    ("She is 45 years old", "AGE", "45"),
    ("〒160-0022 東京都新宿区新宿3-1-1", "ADDRESS", "〒160-0022 東京都新宿区新宿3-1-1"),
    ("大阪府大阪市北区梅田二丁目4番9号\nに住む", "ADDRESS", "大阪府大阪市北区梅田二丁目4番9号"),
    ("lives at 1600 Pennsylvania Avenue NW, Washington", "ADDRESS", "1600 Pennsylvania Avenue NW, Washington"),
    ("Villacher Strasse 89", "ADDRESS", "Villacher Strasse 89"),
    ("Jaan Tamm\n6614 Luite tee 87\nTartu", "ADDRESS", "6614 Luite tee 87"),
    ("get off at 9816 Dalmatinova 68 St.", "ADDRESS", "9816 Dalmatinova 68"),
    ("Auckland, New Zealand 57006", "ADDRESS", "57006"),
]


@pytest.mark.parametrize(("text", "kind", "value"), EXAMPLES)
def test_finds(text: str, kind: str, value: str) -> None:
    assert (kind, value) in found(text)


NAMES = [
    ("田中太郎様", "田中太郎"),
    ("田中様にお伝えください", "田中"),
    ("阿部さんと話した", "阿部"),
    ("担当：佐藤 花子", "佐藤 花子"),
    ("氏名\n山田 太郎", "山田 太郎"),
    ("私は鈴木一郎と申します", "鈴木一郎"),
    ("フリガナ：タナカ タロウ", "タナカ タロウ"),
    ("昨日、高橋健太が来た", "高橋健太"),
    ("My name is Xanthippe Quorn.", "Xanthippe Quorn"),
    ("my name is jane doe.", "jane doe"),
    ("Dear Mr. Featherstonehaugh,", "Featherstonehaugh"),
    ("Hi Anneliese,\n", "Anneliese"),
    ("Best regards,\nKlaus Obermayer", "Klaus Obermayer"),
    ("From: Ingrid Svensson <i@example.com>", "Ingrid Svensson"),
    ("YAMADA Taro signed it", "YAMADA Taro"),
    ("then Zbyněk Havlíček called", "Zbyněk Havlíček"),
    ("the paper of Oddný Kvaran", "Oddný Kvaran"),
    ("her sister Wilmette called", "Wilmette"),
    ("It was Brenk Tollmanovic again.", "Brenk Tollmanovic"),
]


@pytest.mark.parametrize(("text", "name"), NAMES)
def test_finds_names(text: str, name: str) -> None:
    assert ("PERSON", name) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "皆様、お客様、患者さん、業者様へ",
        "2026年11月20日 税込1,234円 品番 1234-5678-9012",
        "version 1.2.3.4 of the library",
        "id 1234 5678 9010",  # the check digit is wrong, and nobody calls it a My Number
        "order 4111 1111 1111 1112",
        "SSN 000-12-3456 is no SSN",
        "12:30:45 and 2026-11-20T12:30:45Z",
        "commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
        "国立国会図書館は東京都千代田区にある",
        "The quick brown fox jumps over the lazy dog.",
        "Monday in New York, next Tuesday in San Francisco",
        "total $4,111.11 (3 x $1,370.37)",
        "ISBN 978-4-00-310101-8",
        "call_0123456789abcdef0123456789abcdef",
        "12 Years a Slave was shown in 2013\nand again",
        "They met in Kønberg Ådal on Monday.",
        "It is on Wall Street, and Russia 2018 was a cup.",
        "std::vector<int>::iterator",
        "営業担当：未定",
        "A password is best kept in a vault. Plants live long, and Lions know.",
        "1050\n1450 – 1050",
        '{"item_name": "Item-1"}',
    ],
)
def test_leaves_alone(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "t\u200baro@exa\u00admple.com",
        "ｔａｒｏ＠ｅｘａｍｐｌｅ．ｃｏｍ",
        "𝐭𝐚𝐫𝐨@𝐞𝐱𝐚𝐦𝐩𝐥𝐞.𝐜𝐨𝐦",
        "taro\\u0040example.com",
        "taro%40example.com",
    ],
)
def test_other_ways_of_writing_hide_nothing(text: str) -> None:
    assert found(f"mail {text} now") == [("EMAIL", text)]


def test_escapes_of_json_are_read() -> None:
    assert ("PERSON", "\\u7530\\u4e2d\\u592a\\u90ce") in found('{"to": "\\u7530\\u4e2d\\u592a\\u90ce\\u69d8"}')
    assert ("PHONE", "03-1234-5678") in found('{"tel": "\\n03-1234-5678"}')


def test_a_number_that_is_broken_over_lines() -> None:
    assert ("CREDIT_CARD", "4111 1111\n1111 1111") in found("card 4111 1111\n1111 1111")


def test_positions_are_those_of_the_text() -> None:
    text = "①㈱が\u3099\u200b：taro@example.com、ﾀﾅｶ様"
    for entity in Detector().find(text, ours):
        assert 0 <= entity.start < entity.end <= len(text)
    assert ("EMAIL", "taro@example.com") in found(text)


def test_what_overlaps_is_covered_whole() -> None:
    one, two = Entity(0, 6, "PERSON", 0.6, "a"), Entity(4, 9, "ADDRESS", 0.9, "b")
    assert resolve([two, one, Entity(5, 8, "PHONE", 1.0, "c")]) == [Entity(0, 9, "ADDRESS", 0.9, "b")]


def test_equal_texts_have_equal_entities() -> None:
    text = "田中太郎様 taro@example.com 090-1234-5678 " * 20
    assert Detector().find(text, ours) == Detector().find(text, ours)


def test_windows_change_nothing() -> None:
    text = "x" * 16_370 + " taro@example.com " + "y " * 10_000 + "hanako@example.com"
    assert found(text) == [("EMAIL", "taro@example.com"), ("EMAIL", "hanako@example.com")]


HOSTILE = [
    "1" * 50_000,
    "1 " * 25_000,
    "1-" * 25_000,
    "a" * 50_000,
    "a." * 25_000,
    "a@" * 25_000,
    "Aa " * 17_000,
    "A. " * 17_000,
    "田" * 50_000,
    "田中 " * 17_000,
    "市" * 50_000,
    "東京都" * 17_000,
    "東京都" + "あ市" * 25_000,
    "氏名：" * 17_000,
    ": " * 25_000,
    "\n" * 50_000,
    "(" * 50_000,
    "+1" * 25_000,
    "0" * 49_999 + "x",
    "-----BEGIN PRIVATE KEY-----" + "A" * 50_000,
    "https://" * 6_000,
    "eyJ" + "a" * 50_000,
    "12 Aa " * 8_000,
    "\u200b" * 50_000,
    "\\u0061" * 8_000,
    "e\u0301" * 25_000,
    "::" * 25_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
def test_nobody_makes_it_slow(text: str) -> None:
    """Ten times the text may take ten times as long, and not a hundred times."""
    detector = Detector()

    def cost(piece: str) -> float:
        start = time.thread_time()
        detector.find(piece, ours)
        return time.thread_time() - start

    short = min(cost(text[:5_000]) for _ in range(2))
    assert cost(text) < 40 * short + 0.05
    assert cost(text) < 2.0


def test_time_is_bounded() -> None:
    with pytest.raises(DetectionTimeout):
        Detector().find("taro@example.com", ours, deadline=time.monotonic() - 1)
