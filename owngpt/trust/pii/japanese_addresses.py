"""Postal addresses in Japan: 〒, prefecture, city, town, and the numbers of block and house."""

from __future__ import annotations

import re

from owngpt.trust.pii.rules import Rule

_PREFECTURE = (
    r"(?:北海道|青森県|岩手県|宮城県|秋田県|山形県|福島県|茨城県|栃木県|群馬県|"
    r"埼玉県|千葉県|東京都|神奈川県|新潟県|富山県|石川県|福井県|山梨県|長野県|"
    r"岐阜県|静岡県|愛知県|三重県|滋賀県|京都府|大阪府|兵庫県|奈良県|和歌山県|"
    r"鳥取県|島根県|岡山県|広島県|山口県|徳島県|香川県|愛媛県|高知県|福岡県|"
    r"佐賀県|長崎県|熊本県|大分県|宮崎県|鹿児島県|沖縄県)"
)
_BEGIN = "北青岩宮秋山福茨栃群埼千東神新富石長岐静愛三滋京大兵奈和鳥島岡広徳香高佐熊鹿沖"  # of prefectures

_POSTAL = r"〒?\s?\d{3}-?\d{4}"
_CITY = r"(?:[一-龥々ヶケぁ-んァ-ヴー]{1,7}?[市区郡町村]){1,3}"
_TOWN = r"[一-龥々ヶケノぁ-んァ-ヴー]{0,12}"
_NUM = r"[0-9〇一二三四五六七八九十百]"
_NUMBERS = (  # 2丁目8番1号, 二丁目8-1
    rf"{_NUM}{{1,4}}\s?(?:丁目|条|番地の?|番|号|[-ーの])"
    rf"(?:\s?(?:東|西|南|北)?{_NUM}{{1,4}}\s?(?:丁目|番地の?|番|号|[-ーの])?){{0,4}}"
)
_BUILDING = (
    r"(?:[ \t\n]{0,2}[一-龥々ァ-ヴーぁ-んA-Za-z・ 0-9]{1,24}?(?:ビル(?:ディング)?|マンション|ハイツ|コーポ|荘"
    r"|アパート|タワー|ハウス|レジデンス|棟|団地|館))?"
    r"(?:[ \t]{0,2}(?:[A-Za-z]?-?\d{1,4}号室|\d{1,3}階|\d{1,3}[FfF](?![A-Za-z])|\d{3,4}(?!\d)(?![年円個]))){0,2}"
)

RULES = (
    Rule(
        "ADDRESS",
        "japanese_address",
        re.compile(
            rf"(?=[〒\s\d{_BEGIN}])(?:{_POSTAL}[\s、,]{{0,3}})?{_PREFECTURE}\s?{_CITY}\s?{_TOWN}\s?{_NUMBERS}{_BUILDING}"
        ),
        0.95,
        digits=0,
        needs=tuple("都道府県"),
    ),
    Rule(  # 東京都港区芝公園4-2-8 without its prefecture
        "ADDRESS",
        "japanese_city_address",
        re.compile(
            rf"(?:{_POSTAL}[\s、,]{{0,3}})?(?<![一-龥々])[一-龥々ヶケ]{{1,5}}[市区郡]"
            rf"(?:[一-龥々ヶケぁ-ん]{{1,5}}[区町村])?{_TOWN}\s?{_NUMBERS}{_BUILDING}"
        ),
        0.75,
        digits=0,
        needs=tuple("市区郡"),
    ),
    Rule(
        "ADDRESS",
        "japanese_address_label",
        re.compile(
            rf"(?:住所|所在地|居所|本籍|送付先|配送先|届け先|居住地)(?:地)?[\"']?\s{{0,3}}[::はが=]\s{{0,3}}[\"']?"
            rf"(?P<pii>(?:{_POSTAL}[\s、,]{{0,3}})?(?:{_PREFECTURE})?"
            r"[^\s、。,\"']{2,40}(?:[ \t][^\s、。,\"']{1,24})?)"
        ),
        0.7,
        digits=0,
        needs=tuple("住所居本送配届"),
    ),
    Rule(
        "ADDRESS",
        "japanese_prefecture_city",
        re.compile(rf"{_PREFECTURE}{_CITY}"),
        0.4,
        digits=0,
        needs=tuple("都道府県"),
    ),
    Rule(
        "ADDRESS",
        "japanese_town",
        re.compile(r"[一-龥々ヶケ]{2,6}(?P<number>[0-9]{1,2}丁目\s?[0-9]{1,3}(?:番地?|-)\s?[0-9]{1,3}号?)"),
        0.75,
        digits=0,
        needs=tuple("丁"),
    ),
    Rule("ADDRESS", "postal_code", re.compile(r"〒\s?\d{3}-?\d{4}(?!\d)"), 0.9, digits=0, needs=tuple("〒")),
    Rule(
        "ADDRESS",
        "postal_code_label",
        re.compile(r"郵便番号\s{0,2}[::はが]?\s{0,2}(?P<pii>\d{3}-?\d{4})(?!\d)"),
        0.85,
        digits=0,
        needs=tuple("郵"),
    ),
)
