"""Japanese phenomena: each draws a right sentence and the same sentence with one mistake."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

Draw = Callable[[Random], tuple[str, str]]

PEOPLE = ("私", "田中さん", "先生", "母", "友達", "弟", "山田さん", "学生", "兄", "彼女")
DAYS = ("昨日", "先週", "去年", "おととい", "今朝")
TO_COME = ("明日", "来週", "来年", "あさって", "今晩")
OBJECTS = (  # what, and the verb that takes it: polite present, polite past, plain, te-form
    ("本", "読みます", "読みました", "読む", "読んで"),
    ("手紙", "書きます", "書きました", "書く", "書いて"),
    ("水", "飲みます", "飲みました", "飲む", "飲んで"),
    ("ご飯", "食べます", "食べました", "食べる", "食べて"),
    ("映画", "見ます", "見ました", "見る", "見て"),
    ("音楽", "聞きます", "聞きました", "聞く", "聞いて"),
    ("服", "買います", "買いました", "買う", "買って"),
    ("写真", "撮ります", "撮りました", "撮る", "撮って"),
)
PLACES = ("東京", "学校", "京都", "駅", "病院", "図書館", "会社", "公園")
COUNTED = (  # what, its counter, one that is never used for it
    ("鉛筆", "本", "枚"),
    ("紙", "枚", "本"),
    ("猫", "匹", "台"),
    ("車", "台", "匹"),
    ("学生", "人", "個"),
    ("本", "冊", "人"),
    ("切手", "枚", "匹"),
    ("犬", "匹", "冊"),
)
NUMBERS = ("三", "四", "五", "六", "八", "九")
ADJECTIVES = ("高", "安", "古", "新し", "大き", "小さ", "暑", "寒", "楽し", "難し", "おもしろ", "美し")
NA_ADJECTIVES = ("静か", "きれい", "有名", "便利", "元気", "親切", "大切", "簡単")
LIVING, LIFELESS = ("犬", "猫", "子供", "鳥", "学生", "先生"), ("机", "本", "椅子", "車", "時計", "かばん")
LIKED = ("音楽", "犬", "日本語", "料理", "海", "数学", "映画", "コーヒー")
AT_PLACES = (  # a verb, the particle that a place has before it, one that it never has
    ("働いています", "で", "に"),
    ("遊びました", "で", "に"),
    ("会いました", "で", "を"),
    ("行きました", "に", "で"),
    ("着きました", "に", "を"),
    ("住んでいます", "に", "を"),
    ("来ました", "に", "で"),
    ("勉強します", "で", "へ"),
)
WITH_PEOPLE = (  # likewise of a person
    ("会いました", "に", "を"),
    ("聞きました", "に", "で"),
    ("結婚しました", "と", "を"),
    ("手伝いました", "を", "で"),
    ("頼みました", "に", "で"),
    ("呼びました", "を", "で"),
)
ENDINGS = (  # of an adjective, right and wrong
    ("かったです", "いでした"),
    ("くないです", "いじゃないです"),
    ("くなりました", "いになりました"),
)
SPOTS = ("部屋の中", "庭", "家の前", "教室", "あそこ", "駅の近く")


def object_particle(rng: Random) -> tuple[str, str]:
    """本を読みます / 本が読みます。"""
    who, (what, polite, past, *_) = rng.choice(PEOPLE), rng.choice(OBJECTS)
    verb, wrong = rng.choice((polite, past)), rng.choice(("が", "に", "へ"))
    return f"{who}は{what}を{verb}。", f"{who}は{what}{wrong}{verb}。"


def place_particle(rng: Random) -> tuple[str, str]:
    """公園で遊びます / 公園に遊びます。"""
    who, place = rng.choice(PEOPLE), rng.choice(PLACES)
    verb, right, wrong = rng.choice(AT_PLACES)
    return f"{who}は{place}{right}{verb}。", f"{who}は{place}{wrong}{verb}。"


def person_particle(rng: Random) -> tuple[str, str]:
    """友達に会いました / 友達を会いました。"""
    who, other = rng.sample(PEOPLE, 2)
    verb, right, wrong = rng.choice(WITH_PEOPLE)
    return f"{who}は{other}{right}{verb}。", f"{who}は{other}{wrong}{verb}。"


def likes(rng: Random) -> tuple[str, str]:
    """音楽が好きです / 音楽に好きです。"""
    who, what = rng.choice(PEOPLE), rng.choice(LIKED)
    word = rng.choice(("好きです", "嫌いです", "上手です", "得意です", "欲しいです"))
    wrong = rng.choice(("に", "で", "へ"))
    return f"{who}は{what}が{word}。", f"{who}は{what}{wrong}{word}。"


def counter(rng: Random) -> tuple[str, str]:
    """鉛筆が三本 / 三枚あります。"""
    (what, right, wrong), number = rng.choice(COUNTED), rng.choice(NUMBERS)
    verb = "います" if what in ("猫", "犬", "学生") else "あります"
    start = f"{rng.choice(SPOTS)}に{what}が{number}"
    return f"{start}{right}{verb}。", f"{start}{wrong}{verb}。"


def animacy(rng: Random) -> tuple[str, str]:
    """犬がいます / 犬があります。"""
    is_living = rng.random() < 0.5
    what, spot = rng.choice(LIVING if is_living else LIFELESS), rng.choice(SPOTS)
    right, wrong = ("います", "あります") if is_living else ("あります", "います")
    return f"{spot}に{what}が{right}。", f"{spot}に{what}が{wrong}。"


def tense(rng: Random) -> tuple[str, str]:
    """昨日本を読みました / 読みます。"""
    is_past = rng.random() < 0.5
    who, (what, polite, past, *_) = rng.choice(PEOPLE), rng.choice(OBJECTS)
    start = f"{rng.choice(DAYS if is_past else TO_COME)}、{who}は{what}を"
    right, wrong = (past, polite) if is_past else (polite, past)
    return f"{start}{right}。", f"{start}{wrong}。"


def adjective_form(rng: Random) -> tuple[str, str]:
    """高かったです / 高いでした。"""
    stem, what = rng.choice(ADJECTIVES), rng.choice(("それ", "あの店", "この本", "その家", "あれ"))
    right, wrong = rng.choice(ENDINGS)
    return f"{what}は{stem}{right}。", f"{what}は{stem}{wrong}。"


def na_adjective(rng: Random) -> tuple[str, str]:
    """静かな町 / 静かの町。"""
    word, noun = rng.choice(NA_ADJECTIVES), rng.choice(("人", "町", "所", "店", "先生"))
    end = rng.choice(("です", "でした", "を知っています", "が好きです"))
    return f"{word}な{noun}{end}。", f"{word}{rng.choice(('の', 'い', 'だ'))}{noun}{end}。"


def te_form(rng: Random) -> tuple[str, str]:
    """本を読んでいます / 本を読むています。"""
    who, (what, _, _, plain, te) = rng.choice(PEOPLE), rng.choice(OBJECTS)
    end = rng.choice(("います", "ください", "から寝ます", "みました"))
    return f"{who}は{what}を{te}{end}。", f"{who}は{what}を{plain}て{end}。"


def verb_last(rng: Random) -> tuple[str, str]:
    """私は本を読みます / 私は読みます本を。"""
    who, (what, polite, past, *_) = rng.choice(PEOPLE), rng.choice(OBJECTS)
    verb = rng.choice((polite, past))
    return f"{who}は{what}を{verb}。", f"{who}は{verb}{what}を。"


def demonstrative(rng: Random) -> tuple[str, str]:
    """この本 / これ本。"""
    which, noun = rng.choice("こそあど"), rng.choice((*LIFELESS, "人", "店", "町"))
    said = ("がいいですか", "を見ましたか") if which == "ど" else ("がいいです", "を見ました", "は有名です")
    end = rng.choice(said)
    return f"{which}の{noun}{end}。", f"{which}れ{noun}{end}。"


JAPANESE: dict[str, Draw] = {
    draw.__name__: draw
    for draw in (
        object_particle,
        place_particle,
        person_particle,
        likes,
        counter,
        animacy,
        tense,
        adjective_form,
        na_adjective,
        te_form,
        verb_last,
        demonstrative,
    )
}
