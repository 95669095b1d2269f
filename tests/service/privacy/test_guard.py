"""The guard: placeholders on the way in, the caller's values on the way out, and nothing when looking fails."""

from __future__ import annotations

import json
import random
from contextlib import suppress

import pytest

from owngpt.errors import InvalidRequest, PrivacyError
from owngpt.service.privacy import Guard, Policy
from owngpt.service.privacy.finder import Finder
from owngpt.service.privacy.policy import EntityRule
from owngpt.service.privacy.vault import Vault
from owngpt.trust.pii import Detector

MASK = Policy("mask")


def guard(policy: Policy = MASK, vault: Vault | None = None) -> Guard:
    return Guard(Finder(policy), vault)


def test_values_become_placeholders_and_come_back() -> None:
    one = guard()
    text = "田中太郎様 taro@example.com and hanako@example.com, taro@example.com again"
    masked = one.mask(text)
    assert masked == "<PERSON_1>様 <EMAIL_1> and <EMAIL_2>, <EMAIL_1> again"
    assert one.unmask(masked) == text
    assert one.mask("taro@example.com") == "<EMAIL_1>"


def test_nobody_forges_a_placeholder() -> None:
    one = guard()
    text = "taro@example.com said <EMAIL_1> and <EMAIL_2>"
    masked = one.mask(text)
    assert masked == "<EMAIL_1> said <TEXT_1> and <TEXT_2>"
    assert one.unmask(masked) == text
    assert one.unmask("<EMAIL_9>") == "<EMAIL_9>"


def test_a_value_is_found_wherever_it_stands_again() -> None:
    contents = ["Xanthippe Quorn <x@example.com>", "Did Xanthippe Quorn come? XXanthippe Quorn"]
    assert guard().mask_document(contents) == ["<PERSON_1> <<EMAIL_1>>", "Did <PERSON_1> come? XXanthippe Quorn"]


def test_every_string_key_and_long_number_of_a_document() -> None:
    document = {
        "model": "taro@example.com",  # the name of a model stays: it is looked up, and never read by one
        "tools": [{"parameters": {"properties": {"taro@example.com": {"const": 4111111111111111}}}}],
        "arguments": '{"to": "田中太郎様", "mail": "taro\\u0040example.com"}',
        "name": "Taro Yamada",
        "prompt": [4111111111, 2],
        "seed": 4111111111111111,
    }
    masked = guard().mask_document(document)
    assert masked["tools"][0]["parameters"]["properties"] == {"<EMAIL_1>": {"const": "<CREDIT_CARD_1>"}}
    assert json.loads(masked["arguments"]) == {"to": "<PERSON_1>様", "mail": "<EMAIL_1>"}
    assert (masked["name"], masked["prompt"], masked["seed"]) == ("<PERSON_2>", [4111111111, 2], 4111111111111111)


def test_keys_of_the_cache_stay_apart() -> None:
    """Placeholders are the same in every request, so that they would share what is not to be shared."""
    keys = ["taro@example.com", "hanako@example.com", "taro@example.com", "plain"]
    masked = [guard().mask_document({"prompt_cache_key": key})["prompt_cache_key"] for key in keys]
    assert masked[0] == masked[2] != masked[1]
    assert masked[3] == "plain"
    assert "taro" not in masked[0]


def test_the_key_of_a_value_is_its_context() -> None:
    assert guard().mask_document({"a": {"password": "swordfish7"}}) == {"a": {"password": "<SECRET_1>"}}


def test_a_function_may_be_called_like_a_person() -> None:
    document = {"tools": [{"function": {"name": "Emma"}}], "messages": [{"name": "Emma"}]}
    masked = guard().mask_document(document)
    assert masked == {"tools": [{"function": {"name": "Emma"}}], "messages": [{"name": "<PERSON_1>"}]}


def test_restored_inside_json_it_stays_json() -> None:
    one = guard()
    value = 'pass"word\\1'
    name = one.vault.put("SECRET", value, is_own=True)
    assert json.loads(one.unmask(f'{{"a": "{name}"}}', as_json=True)) == {"a": value}


def test_blank_keeps_every_offset() -> None:
    text = "連絡先：taro@example.com まで"
    assert guard().blank(text) == "連絡先：●●●●●●●●●●●●●●●● まで"


def test_blocking_names_types_and_paths_only() -> None:
    policy = Policy("mask", entities={"EMAIL": EntityRule("block"), "PHONE": EntityRule("block")})
    document = {"messages": [{"content": "ok"}, {"content": "taro@example.com 090-1234-5678"}]}
    with pytest.raises(InvalidRequest) as caught:
        guard(policy).mask_document(document)
    error = caught.value
    assert (error.param, error.code) == ("messages[1].content", "pii_blocked")
    assert "messages[1].content has EMAIL, PHONE" in error.message
    assert "taro" not in error.message
    assert "1234" not in error.message


def test_thresholds_and_types_that_are_off() -> None:
    policy = Policy("mask", entities={"EMAIL": EntityRule("off"), "PERSON": EntityRule(threshold=0.99)})
    assert guard(policy).mask("田中太郎様 taro@example.com 090-1234-5678") == "田中太郎様 taro@example.com <PHONE_1>"


def test_without_restore_values_stay_masked() -> None:
    one = guard(Policy("mask", restore=False))
    masked = one.mask("taro@example.com <EMAIL_1>")
    assert one.output(masked) == "<EMAIL_1> <EMAIL_1>"  # the second is what the caller wrote


def test_what_the_model_says_of_itself_is_masked() -> None:
    one = guard()
    one.mask("taro@example.com")
    said = "Write to <EMAIL_1> or taro@example.com, not to hanako@example.com or <EMAIL_7>."
    assert one.output(said) == "Write to taro@example.com or taro@example.com, not to <EMAIL_2> or <EMAIL_7>."


SAID = (
    "Dear Mr. John Fitzgerald Smith, your card 4111 1111 1111 1111 and <EMAIL_1> are known. 田中太郎様のお電話は"
    "090-1234-5678、住所は東京都新宿区西新宿二丁目8番1号です。 "
    "The end of it is far away, <PERSON_1> said; GB82 WEST 1234 5698 7654 32."
)


def test_it_does_not_matter_how_the_text_is_cut() -> None:
    def said(pieces: list[str]) -> str:
        one = guard()
        one.mask("taro@example.com")
        stream = one.stream()
        return "".join([*map(stream.feed, pieces), stream.finish()])

    whole = said([SAID])
    assert "4111" not in whole
    assert "John" not in whole
    assert "090" not in whole
    assert "taro@example.com are known" in whole
    assert said(list(SAID)) == whole
    dice = random.Random(1)
    for _ in range(20):
        cuts = sorted(dice.sample(range(len(SAID)), 12))
        assert said([SAID[a:b] for a, b in zip([0, *cuts], [*cuts, len(SAID)], strict=True)]) == whole


def test_a_stream_shows_nothing_before_it_is_sure() -> None:
    one, shown = guard(), ""
    stream = one.stream()
    for character in "The quick brown fox jumps over the lazy dog and writes to " + "hanako@example.com today. ":
        shown += stream.feed(character)
        assert "hanako" not in shown
    assert (shown + stream.finish()).endswith("<EMAIL_1> today. ")


def test_a_stream_gets_on() -> None:
    stream = guard().stream()
    shown = "".join(stream.feed("word ") for _ in range(100))
    assert len(shown) >= 500 - 112


def test_a_number_of_the_models_own_keeps_json_whole() -> None:
    text = '{"card": 4111111111111111, "note": "4111111111111111"}'
    assert json.loads(guard().output(text, as_json=True)) == {"card": "<CREDIT_CARD_1>", "note": "<CREDIT_CARD_1>"}


class Failing(Detector):
    """Raises now and then."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._dice = random.Random(seed)

    def find(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        if self._dice.random() < 0.3:
            raise ValueError("taro@example.com")
        return super().find(*args, **kwargs)


@pytest.mark.parametrize("seed", range(10))
def test_what_fails_is_never_taken_for_clean(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever comes out before the failure is clean, and the failure says nothing of the content."""
    one, shown = Guard(Finder(MASK, Failing(seed))), ""
    stream = one.stream()
    with suppress(PrivacyError):
        for character in SAID.replace("<EMAIL_1>", "taro@example.com"):
            shown += stream.feed(character)
        shown += stream.finish()
    assert "taro" not in shown
    assert "4111" not in shown
    assert "taro" not in caplog.text


def test_looking_takes_no_longer_than_it_may() -> None:
    with pytest.raises(PrivacyError):
        Guard(Finder(MASK, seconds=-1)).mask("taro@example.com")


def test_a_vault_remembers() -> None:
    one = guard()
    one.mask("taro@example.com 090-1234-5678")
    other = guard(vault=Vault.read(one.vault.write()))
    assert other.mask("hanako@example.com taro@example.com") == "<EMAIL_2> <EMAIL_1>"
    assert other.unmask("<PHONE_1>") == "090-1234-5678"


def test_placeholders_of_stored_text_are_not_given_again() -> None:
    one = guard()
    one.reserve("as <EMAIL_3> said")
    assert one.mask("taro@example.com") == "<EMAIL_4>"


def test_what_is_kept_has_every_value_of_the_caller_masked() -> None:
    """Also where nothing around says what it is, as in the pieces of a stream; and placeholders stay themselves."""
    one = guard()
    one.mask("田中様 は47歳 taro@example.com")
    document = [{"delta": "田中"}, {"delta": "47"}, {"id": "fc_47a", "arguments": '{"a": "\\u7530\\u4e2d <EMAIL_1>"}'}]
    kept = one.kept(document)
    assert kept[:2] == [{"delta": "<PERSON_1>"}, {"delta": "<AGE_1>"}]
    assert kept[2] == {"id": "fc_47a", "arguments": '{"a": "<PERSON_1> <EMAIL_1>"}'}
    assert one.restored(kept)[:2] == document[:2]


def test_what_is_kept_is_never_refused() -> None:
    assert guard(Policy("block")).kept({"a": "taro@example.com"}) == {"a": "<EMAIL_1>"}
    assert guard(Policy("block")).blank("taro@example.com") == "●" * 16


def test_a_restored_document() -> None:
    one = guard()
    one.mask("password: a\\b-77 ")
    part = {"text": "see <SECRET_1> here", "annotations": [{"index": 14, "start": 3}]}
    document = {"content": [part], "arguments": '{"a": "<SECRET_1>"}', "status": "completed"}
    shown = one.restored(document)
    assert shown["content"] == [{"text": "see a\\b-77 here", "annotations": [{"index": 10, "start": 3}]}]
    assert json.loads(shown["arguments"]) == {"a": "a\\b-77"}
    assert one.restored({"type": "x.arguments.delta", "delta": "<SECRET_1>"})["delta"] == "a\\\\b-77"


def test_a_policy_is_written_and_read() -> None:
    policy = Policy("block", 0.7, False, {"EMAIL": EntityRule("mask"), "PERSON": EntityRule(None, 0.9)})
    assert Policy.read(policy.write()) == policy
    assert policy.document()["entities"]["PERSON"] == {"action": "block", "threshold": 0.9}
    assert not Policy().is_on
    assert Policy(entities={"EMAIL": EntityRule("mask")}).is_on
