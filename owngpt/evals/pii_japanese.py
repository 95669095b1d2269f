"""Japanese texts with personal data, generated: forms, letters, minutes, tickets; with what only looks like such data.

The same seed gives the same texts. Half of the templates (`held_out`) were never looked at while the recognizers were
written, and two of five surnames stand in no list of theirs. Still both come from the same authors, which flatters.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from owngpt.evals.pii import Sample, Span


def _words(text: str) -> tuple[str, ...]:
    """A list that reads well in a file."""
    return tuple(text.split())


COMMON = _words(
    """
佐藤 鈴木 高橋 田中 渡辺 伊藤 山本 中村 小林 加藤 吉田 山田 佐々木 松本 井上 木村
清水 阿部 服部 長谷川 石川 千葉 福島
    """
)
RARE = _words(
    """
小鳥遊 四月一日 御手洗 鵜飼 蓬田 曽我部 妹尾 喜多見 帯刀 鬼頭 三枝 犬飼 稲富 請川 榎並
大宜味 海老原 帖佐 仁平 布施 蛭田 真柄 箕輪 籾山 柚木 鷲見 亘理 雲母 薬袋 久遠寺
    """
)
GIVEN = _words(
    """
太郎 花子 健太 美咲 大輔 由美子 一颯 心春 湊斗 絆 凪沙 月乃 朔太郎 栞奈 柚葉 瑛人
晴翔 碧斗 紬 芽依 琉生 蒼空 詩乃 颯真 櫂 澪 誠 直樹 恵 さくら ゆかり みどり
    """
)
KANA = (
    "タナカ タロウ",
    "サトウ ハナコ",
    "タカナシ イブキ",
    "ミタライ コハル",
    "ウカイ ミナト",
    "スズキ ケンタ",
    "ヨモギダ シノ",
)
CITIES = _words(
    """
東京都千代田区丸の内 東京都世田谷区成城 大阪府大阪市北区梅田 愛知県名古屋市中区栄
北海道札幌市中央区南一条西 福岡県福岡市博多区博多駅前 京都府京都市左京区吉田本町 沖縄県那覇市泉崎
広島県廿日市市宮島町 長野県北佐久郡軽井沢町大字長倉 千葉県市川市市川 三重県四日市市諏訪町
    """
)
_DOMAINS = ("example.co.jp", "mail.example.jp")
BUILDINGS = ("", "", " 梅田ビル5階", "サンハイツ203号室", " コーポ青葉101", "\nグランドタワー1502号室")

TEMPLATES = (
    "{PERSON}様\nいつもお世話になっております。ご注文の商品を{ADDRESS}へお送りします。",
    "氏名：{PERSON}\n生年月日：{DATE_OF_BIRTH}\n住所：{ADDRESS}\n電話番号：{PHONE}",
    "担当：{PERSON}\nTEL {PHONE} / E-mail {EMAIL}",
    "マイナンバー（{MY_NUMBER}）を確認しました。",
    "振込先は三菱UFJ銀行 新宿支店 普通 {BANK_ACCOUNT}、口座名義は{KANA}です。",
    "運転免許証番号：{DRIVER_LICENSE}、旅券番号：{PASSPORT}",
    "本日、{PERSON}さんから電話がありました。折り返しは{PHONE}までとのことです。",
    "{PERSON}氏は1998年に入社し、現在は営業部に所属している。",
    "私は{PERSON}と申します。よろしくお願いいたします。",
    "カード番号 {CREDIT_CARD} で決済しました。",
    "〒{POSTAL} {ADDRESS}\n{PERSON} 様",
    "法人番号 {CORPORATE_NUMBER} の株式会社から請求書が届いた。",
    "ゆうちょ銀行 {YUCHO} に送金してください。",
    "保険者番号 {INSURER} 被保険者証 {INSURED}",
)
HELD_OUT = (
    "件名：面談の日程について\n{PERSON}先生\n来週の火曜日はいかがでしょうか。連絡は{EMAIL}へ。",
    "お客様情報\nお名前\n{PERSON}\nご連絡先\n{PHONE}\nお届け先\n{ADDRESS}",
    "議事録：出席者は{PERSON}、{PERSON}、{PERSON}の三名。次回は会議室3で行う。",
    "保護者名 {PERSON}（続柄：母） 緊急連絡先 {PHONE}",
    "{PERSON}部長の承認後、{PERSON}課長が発注する。",
    "患者ID 48213　{PERSON}　{DATE_OF_BIRTH}生　{AGE}歳　男性",
    "契約書第3条：乙（{ADDRESS}　{PERSON}）は甲に対し、毎月末日までに支払う。",
    "個人番号カードの番号は{MY_NUMBER}で間違いありません。",
    "口座番号{BANK_ACCOUNT}（当座）、名義人 {KANA}",
    "パスポート({PASSPORT})のコピーと免許証({DRIVER_LICENSE})を添付します。",
    "拝啓　{PERSON}殿　時下ますますご清栄のこととお慶び申し上げます。",
    "クレカは{CREDIT_CARD}、有効期限は12/28です。携帯は{PHONE}。",
    "昨日の件、{PERSON}が対応しました。詳細は{EMAIL}まで。",
    "適格請求書発行事業者の登録番号 T{CORPORATE_NUMBER}",
    "健康保険証の記号番号は{INSURED}、生年月日は{DATE_OF_BIRTH}。",
)
NEGATIVES = (
    "品番 {D4}-{D4}-{D4} を10個、単価{D2},{D3}円で発注します。",
    "会議は2026年{M}月{D}日 10:30から、第{D1}会議室で行います。",
    "管理番号{NOT_MY_NUMBER}は在庫管理システムの番号です。",
    "お客様各位\n平素より格別のお引き立てを賜り、厚く御礼申し上げます。",
    "東京都の人口は約1,400万人で、大阪府は約880万人である。",
    "バージョン{D1}.{D2}.{D1}.{D1} をリリースしました。",
    "売上は前年比{D2}.{D1}%増の{D3},{D3}千円となった。",
    "皆様のご意見をお待ちしております。担当者が折り返しご連絡します。",
    "JANコード 49{D4}{D4}{D3}、ロット {D4}{D4}",
    "銀行の普通預金の金利は0.{D3}%です。",
    "患者様とご家族の皆様へ。面会時間は14時から17時です。",
    "奥様、お子様、業者様、取引先様にもご案内ください。",
    "論文は第{D2}巻{D3}-{D3}頁に掲載された（doi:10.{D4}/{D4}{D4}）。",
    "山口県と福島県、石川県の工場で、千葉市の倉庫から出荷する。",
    "エラーコード {D4}-{D4} が10回発生。セッション {D4}{D4}{D4}。",
    "本体は3,980円、送料は{D3}円、合計{D1},{D3}円（税込）です。",
    "社長、部長、課長が出席し、先生方にもご来場いただきました。",
    "平成{D2}年度の予算は{D3}億円だった。",
)
_SLOT = re.compile(r"\{([A-Z_]+[0-9]?)\}")
_TYPES: Mapping[str, str] = {
    "KANA": "PERSON",
    "POSTAL": "ADDRESS",
    "YUCHO": "BANK_ACCOUNT",
    "INSURER": "HEALTH_INSURANCE",
    "INSURED": "HEALTH_INSURANCE",
}


def japanese_samples(number: int = 1_000, seed: int = 0, *, held_out: bool = True) -> list[Sample]:
    """So many texts; every third has no personal data."""
    dice = random.Random(f"{seed} {held_out}")
    return list(_samples(Values(dice), dice, number, HELD_OUT if held_out else TEMPLATES))


def _samples(values: Values, dice: random.Random, number: int, templates: tuple[str, ...]) -> Iterator[Sample]:
    for i in range(number):
        template = dice.choice(NEGATIVES if i % 3 == 2 else templates)
        text, spans, end = "", [], 0
        for slot in _SLOT.finditer(template):
            text += template[end : slot.start()]
            value = values.make(slot[1])
            if slot[1] not in values.plain:
                spans.append(Span(len(text), len(text) + len(value), _TYPES.get(slot[1], slot[1])))
            text, end = text + value, slot.end()
        yield Sample(text + template[end:], spans, "ja")


class Values:
    """Makes values of every kind, some in full-width characters."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._makers: dict[str, Callable[[], str]] = {
            "PERSON": self._person,
            "KANA": lambda: dice.choice(KANA),
            "ADDRESS": self._address,
            "POSTAL": lambda: f"{self._digits(3)}-{self._digits(4)}",
            "PHONE": self._phone,
            "EMAIL": lambda: f"{dice.choice('abcdefgh')}{self._digits(3)}@{dice.choice(_DOMAINS)}",
            "DATE_OF_BIRTH": self._birth,
            "AGE": lambda: str(dice.randint(20, 89)),
            "MY_NUMBER": lambda: self._grouped(with_check(self._digits(11), my_number_digit)),
            "NOT_MY_NUMBER": self._not_my_number,
            "CORPORATE_NUMBER": self._corporate,
            "DRIVER_LICENSE": self._license,
            "PASSPORT": lambda: f"{dice.choice('TM')}{dice.choice('KRZH')}{self._digits(7)}",
            "BANK_ACCOUNT": lambda: self._wide(self._digits(7)),
            "YUCHO": lambda: f"記号 1{self._digits(4)} 番号 {self._digits(7)}1",
            "INSURER": lambda: luhn(f"06{self._digits(5)}"),
            "INSURED": lambda: f"{self._digits(3)}-{self._digits(4)}",
            "CREDIT_CARD": self._card,
            "M": lambda: str(dice.randint(1, 12)),
            "D": lambda: str(dice.randint(1, 28)),
            **{f"D{n}": partial(self._number, n) for n in (1, 2, 3, 4)},
        }
        self.plain = frozenset({"M", "D", "D1", "D2", "D3", "D4", "NOT_MY_NUMBER"})

    def make(self, slot: str) -> str:
        """A value for a slot."""
        return self._makers[slot]()

    def _digits(self, number: int) -> str:
        return "".join(self._dice.choice("0123456789") for _ in range(number))

    def _number(self, length: int) -> str:
        return str(self._dice.randint(1, 9)) + self._digits(length - 1)

    def _wide(self, text: str) -> str:
        """Sometimes in full-width digits and hyphens."""
        if self._dice.random() < 0.3:
            return text.translate({ord(c): ord(c) + 0xFEE0 for c in "0123456789-"})
        return text

    def _person(self) -> str:
        surname = self._dice.choice(COMMON if self._dice.random() < 0.6 else RARE)
        style = self._dice.random()
        if style < 0.25:
            return surname
        return surname + ("" if style < 0.6 else self._dice.choice(" 　")) + self._dice.choice(GIVEN)

    def _address(self) -> str:
        a, b, c = (self._dice.randint(1, 30) for _ in range(3))
        numbers = self._dice.choice((f"{a}-{b}-{c}", f"{a}丁目{b}番{c}号", f"{a}丁目{b}-{c}", f"{a}番地{b}"))
        return self._dice.choice(CITIES) + self._wide(numbers) + self._dice.choice(BUILDINGS)

    def _phone(self) -> str:
        first = self._dice.choice(("090", "080", "070", "03", "06", "045", "0120"))
        groups = {"03": (4, 4), "06": (4, 4), "045": (3, 4), "0120": (3, 3)}.get(first, (4, 4))
        second = f"{self._dice.randint(2, 9)}{self._digits(groups[0] - 1)}"
        third = self._digits(groups[1])
        style = self._dice.choice(("{}-{}-{}", "{}-{}-{}", "{}({}){}", "{}{}{}" if len(first) == 3 else "{}-{}-{}"))
        return self._wide(style.format(first, second, third))

    def _birth(self) -> str:
        year, month, day = self._dice.randint(1940, 2010), self._dice.randint(1, 12), self._dice.randint(1, 28)
        era = f"昭和{self._dice.randint(20, 63)}年{month}月{day}日"
        western = (f"{year}年{month}月{day}日", f"{year}/{month:02}/{day:02}", f"{year}-{month:02}-{day:02}")
        return self._dice.choice((*western, era))

    def _grouped(self, digits: str) -> str:
        style = self._dice.choice(("", " ", "-"))
        return self._wide(style.join(digits[i : i + 4] for i in range(0, 12, 4)))

    def _not_my_number(self) -> str:
        digits = with_check(self._digits(11), my_number_digit)
        return digits[:11] + str((int(digits[11]) + self._dice.randint(1, 9)) % 10)

    def _corporate(self) -> str:
        rest = str(self._dice.randint(1, 9)) + self._digits(11)
        total = sum(int(digit) * (2 if i % 2 else 1) for i, digit in enumerate(reversed(rest)))
        return f"{9 - total % 9}{rest}"

    def _license(self) -> str:
        first = f"{self._dice.randint(10, 97)}{self._digits(8)}"
        return with_check(first, license_digit) + str(self._dice.randint(0, 3))

    def _card(self) -> str:
        digits = luhn(f"4{self._digits(14)}")
        style = self._dice.choice(("", " ", "-"))
        return self._wide(style.join(digits[i : i + 4] for i in range(0, 16, 4)))


def with_check(digits: str, check: Callable[[str], int]) -> str:
    """The digits, and the one that checks them."""
    return digits + str(check(digits))


def my_number_digit(digits: str) -> int:
    """Of eleven digits."""
    rest = sum(int(d) * w for d, w in zip(digits, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2), strict=True)) % 11
    return 0 if rest <= 1 else 11 - rest


def license_digit(digits: str) -> int:
    """Of the first ten digits of a driver's licence."""
    rest = sum(int(d) * w for d, w in zip(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2), strict=True)) % 11
    return 0 if rest <= 1 else 11 - rest


def luhn(digits: str) -> str:
    """The digits, and the one that makes them pass."""
    total = sum(sum(divmod(int(digit) * (1 if i % 2 else 2), 10)) for i, digit in enumerate(reversed(digits)))
    return digits + str(-total % 10)
