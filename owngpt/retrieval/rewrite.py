"""A question -> what to search for: greetings, politeness and the frame of the question go, every term of it stays.

By rules, without a model: the same question always becomes the same query, at once.
"""

from __future__ import annotations

import re

_OPENINGS = (
    r"(?:hi|hello|hey|dear \w+|thanks|thank you)\b[,.! ]*",
    r"(?:please|kindly|quick question|just wondering|i was wondering|i wonder|so)\b[,:. ]*(?:if|whether)?",
    r"(?:can|could|would|will) (?:you|someone|anyone|we)(?: please| kindly)?"
    r" (?:tell|show|give|help|explain|describe|list|find|look up|summari[sz]e|let)\b"
    r"(?: (?:me|us|to me|to us))?(?: know| find| understand)?",
    r"(?:tell|show|give|remind) (?:me|us)\b",
    r"(?:i|we)(?:'d| would)? (?:need|want|like|love|have|am trying|are trying|'m trying)(?: to)?"
    r"(?: (?:know|find|find out|understand|learn|ask|see|figure out))?\b(?: about)?",
    r"do you (?:know|have)(?: any)?(?: information| details)?(?: (?:about|on))?",
    r"is there (?:any|an?) (?:information|details|documentation) (?:about|on|for)",
    r"(?:what|who)(?:'s|\s+(?:is|are|was|were))\b(?: (?:the|an?))?",
    r"(?:where|how|when|why) (?:do|does|did|can|could|should|would|may|must) (?:i|we|you|one|someone)\b",
    r"(?:where|how|when|why)(?:'s|\s+(?:is|are|was|were))\b(?: (?:the|an?))?",
    r"(?:am|are) (?:i|we) allowed to",
    r"(?:can|may|should|must) (?:i|we)\b",
)
_ABOUT = "(?:に(?:ついて|つき|関して)|のことを|を|が)?(?:詳しく|簡単に|具体的に)?"
_ASKED = "(?:ください|下さい|ほしい|欲しい|(?:くれ|もらえ|いただけ|頂け)ま(?:す|せん)か)"
_ENDINGS = (
    r"[?？!！.。\s]+",
    r",?\s*(?:please|thanks|thank you)",
    rf"{_ABOUT}(?:教え|おしえ|知らせ|説明し|解説し|調べ|まとめ)て(?:{_ASKED})?(?:です)?",
    rf"{_ABOUT}(?:知り|聞き|調べ|確認し)たい(?:です|のですが|んですが)?",
    r"(?:を|の|で)?お願い(?:いた)?します",
    r"(?:は|とは|って|というのは)(?:何|なに|なん|どう|どんな(?:もの|こと))(?:です|でしょう|なの|なのでしょう|だろう)?か?",
    r"(?:は)?どう(?:すれば|したら)(?:いい|よい|良い|よろしい)(?:です|でしょう|の)?か?",
    r"(?:なの|の)?(?:です|でしょう|でした|だろう)か",
    r"ま(?:す|した|せん|しょう)か",
    r"に(?:ついて|関して)(?:の(?:情報|詳細))?",
    r"とは",
)
_JAPANESE_OPENINGS = (
    r"(?:こんにちは|すみません|すいません|恐れ入りますが|申し訳ありませんが|質問ですが|ちなみに|あの)[、。,\s]*",
)
_LEFT = re.compile(rf"^(?:{'|'.join(_OPENINGS + _JAPANESE_OPENINGS)})\s*", re.IGNORECASE)
_RIGHT = re.compile(rf"(?:{'|'.join(_ENDINGS)})$", re.IGNORECASE)


def rewritten(query: str) -> str:
    """The query without its frame; as it is where nothing else would be left."""
    rest = " ".join(query.split())
    while True:
        shorter = _RIGHT.sub("", _LEFT.sub("", rest)).strip(" ,、")
        if shorter == rest:
            return rest
        if not any(map(str.isalnum, shorter)):
            return rest
        rest = shorter
