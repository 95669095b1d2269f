"""POST /v1/completions, against a scripted engine."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.fakes.engine import client_of, engine_of, make_app

pytestmark = pytest.mark.anyio


async def complete(app: Any, **body: Any) -> dict[str, Any]:
    async with client_of(app) as client:
        response = await client.post("/v1/completions", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def chunks_of(response: httpx.Response) -> list[dict[str, Any]]:
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    lines = [line for line in response.text.split("\n\n") if line]
    assert lines.pop() == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines]


async def test_continues_a_text() -> None:
    answer = await complete(make_app("Hello 日本!"), prompt="Say it: ", max_tokens=100)
    assert answer["object"] == "text_completion"
    assert answer["choices"] == [{"text": "Hello 日本!", "index": 0, "logprobs": None, "finish_reason": "stop"}]
    assert answer["usage"]["prompt_tokens"] == 8
    assert answer["model"] == "fake"


async def test_makes_16_tokens_unless_told_otherwise() -> None:
    choice = (await complete(make_app("x" * 99), prompt="a"))["choices"][0]
    assert (choice["text"], choice["finish_reason"]) == ("x" * 16, "length")


async def test_a_stream_says_what_the_whole_answer_says() -> None:
    app = make_app("Hello 日本! 👋🏽")
    whole = await complete(app, prompt=["a", "b"], n=2, max_tokens=100)
    async with client_of(app) as client:
        body = {"prompt": ["a", "b"], "n": 2, "max_tokens": 100, "stream": True}
        chunks = chunks_of(await client.post("/v1/completions", json=body))
    texts = ["", "", "", ""]
    for chunk in chunks:
        for choice in chunk["choices"]:
            texts[choice["index"]] += choice["text"]
    assert texts == [choice["text"] for choice in whole["choices"]] == ["Hello 日本! 👋🏽"] * 4
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) == 1
    assert "usage" not in chunks[0]


async def test_a_stream_ends_with_usage_where_asked_for() -> None:
    async with client_of(make_app("abc")) as client:
        body = {"prompt": "a", "stream": True, "stream_options": {"include_usage": True}}
        *chunks, last = chunks_of(await client.post("/v1/completions", json=body))
    assert all(chunk["usage"] is None for chunk in chunks)
    assert (last["choices"], last["usage"]["completion_tokens"]) == ([], 3)


async def test_every_prompt_and_choice_has_its_index_and_is_paid_for() -> None:
    app = make_app(lambda submission: f"{bytes(submission.prompt).decode()}{submission.choice}")
    answer = await complete(app, prompt=[f"p{i}" for i in range(20)], n=2)
    assert [c["text"] for c in answer["choices"]] == [f"p{i}{j}" for i in range(20) for j in range(2)]
    assert answer["usage"]["prompt_tokens"] == sum(len(f"p{i}") for i in range(20))
    assert app.limits.room.remaining == app.limits.room.capacity


async def test_token_ids_are_taken_as_they_are() -> None:
    app = make_app("x")
    await complete(app, prompt=[72, 105])
    await complete(app, prompt=[[72], [105]])
    assert [s.prompt for s in engine_of(app).submissions] == [[72, 105], [72], [105]]


async def test_lm_eval_reads_one_logprob_per_token_and_the_first_is_null() -> None:
    """lm-eval's local-completions scores a text with echo, logprobs and one token."""
    answer = await complete(make_app("d"), prompt=[list(b"abc")], echo=True, logprobs=1, max_tokens=1)
    choice = answer["choices"][0]
    assert choice["text"] == "abcd"
    assert choice["logprobs"] == {
        "tokens": ["a", "b", "c", "d"],
        "token_logprobs": [None, -0.5, -0.5, -0.5],
        "top_logprobs": [None, {"b": -0.5}, {"c": -0.5}, {"d": -0.5}],
        "text_offset": [0, 1, 2, 3],
    }


async def test_offsets_count_characters_not_bytes() -> None:
    logprobs = (await complete(make_app("!"), prompt="日本", echo=True, logprobs=0))["choices"][0]["logprobs"]
    assert logprobs["text_offset"] == [0, 0, 0, 1, 1, 1, 2]
    assert logprobs["tokens"][0] == "bytes:\\xe6"


async def test_no_tokens_means_only_the_echo() -> None:
    answer = await complete(make_app("never shown"), prompt="Hi", echo=True, logprobs=1, max_tokens=0)
    assert answer["choices"][0]["text"] == "Hi"
    assert len(answer["choices"][0]["logprobs"]["tokens"]) == 2
    assert answer["usage"]["completion_tokens"] == 0


async def test_a_suffix_fills_the_middle() -> None:
    app = make_app("x")
    await complete(app, prompt="def f(", suffix="): pass")
    tokenizer = engine_of(app).tokenizer
    shown = tokenizer.decode(engine_of(app).submissions[0].prompt, skip_special=False)
    assert shown == "<|fim_prefix|>def f(<|fim_suffix|>): pass<|fim_middle|>"


async def test_a_gap_ends_where_its_family_ends_it() -> None:
    """<|endoftext|> ends a middle; only <|im_end|> is an end token of this checkpoint."""
    app = make_app("x")
    await complete(app, prompt="a", suffix="b")
    await complete(app, prompt="a")
    filled, continued = engine_of(app).submissions
    assert engine_of(app).tokenizer.token_to_id("<|endoftext|>") in filled.sampling.stop_token_ids
    assert continued.sampling.stop_token_ids == ()


async def test_marks_in_code_around_a_gap_are_text() -> None:
    app = make_app("x")
    await complete(app, prompt="MID = '<|fim_middle|>'", suffix="<|fim_prefix|>")
    prompt = engine_of(app).submissions[0].prompt
    marks = [engine_of(app).tokenizer.token_to_id(name) for name in ("<|fim_prefix|>", "<|fim_middle|>")]
    assert [list(prompt).count(mark) for mark in marks] == [1, 1]


async def test_an_empty_prompt_is_the_start_of_a_document() -> None:
    app = make_app("x")
    await complete(app, prompt="")
    assert engine_of(app).submissions[0].prompt == [engine_of(app).tokenizer.eos_token_ids[0]]


async def test_sampling_reaches_the_engine() -> None:
    app = make_app("x")
    penalties = {"frequency_penalty": 1, "presence_penalty": -1, "repetition_penalty": 1.5}
    sent = {"temperature": 0.5, "top_p": 0.9, "top_k": 7, "min_p": 0.1, "seed": 3, "stop": "END"}
    await complete(app, prompt="a", logit_bias={"65": -100}, **penalties, **sent)
    sampling = engine_of(app).submissions[0].sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k, sampling.min_p) == (0.5, 0.9, 7, 0.1)
    assert (sampling.seed, sampling.stop, sampling.logit_bias) == (3, ("END",), {65: -100})
    assert (sampling.frequency_penalty, sampling.presence_penalty, sampling.repetition_penalty) == (1, -1, 1.5)


async def test_a_stop_string_is_not_shown() -> None:
    assert (await complete(make_app("one two three"), prompt="a", stop=[" t"]))["choices"][0]["text"] == "one"


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({"best_of": 3}, "best_of", "must equal 'n'"),
        ({"prompt": ["a"] * 2048, "n": 128}, "n", "262144 choices"),
        ({"prompt": ["a"] * 2049}, "prompt", "2049 inputs"),
        ({"prompt": [1, "a"]}, "prompt", "element 0"),
        ({"prompt": []}, "prompt", "empty array"),
        ({"prompt": [[]]}, "prompt", "element 0"),
        ({"prompt": [9999]}, "prompt", "token id 9999 does not exist"),
        ({"prompt": [[1], [-1]]}, "prompt", "token id -1 does not exist"),
        ({"prompt": "x" * 5000}, "prompt", "4096 tokens; the prompt has 5000"),
        ({"suffix": "b", "echo": True}, "echo", "suffix"),
        ({"stop": ["a"] * 100_000}, "stop", "but got length 100000"),
        ({"stop": [""]}, "stop[0]", "too short"),
        ({"logit_bias": {"99999": 1}}, "logit_bias", "'99999' is not a token id"),
        ({"logit_bias": {"1": 101}}, "logit_bias.1", "<= 100"),
        ({"max_tokens": -1}, "max_tokens", ">= 0"),
        ({"n": 0}, "n", ">= 1"),
        ({"n": 2.5}, "n", "expected an integer, but got a decimal"),
        ({"n": True}, "n", "got a boolean"),
        ({"temperature": "hot"}, "temperature", "expected a decimal, but got a string"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "only allowed when 'stream'"),
        ({"seed": 2**64}, "seed", "value"),
    ],
)
async def test_what_cannot_be_honoured_is_refused_by_name(body: dict[str, Any], param: str, words: str) -> None:
    async with client_of(make_app()) as client:
        response = await client.post("/v1/completions", json={"prompt": "a", **body})
    error = response.json()["error"]
    assert (response.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert words in error["message"]
    assert len(error["message"]) < 400


async def test_a_model_without_the_tokens_cannot_fill_in() -> None:
    app = make_app()
    engine_of(app).tokenizer.fim = None
    async with client_of(app) as client:
        error = (await client.post("/v1/completions", json={"prompt": "a", "suffix": "b"})).json()["error"]
    assert (error["param"], error["code"]) == ("suffix", "unsupported_value")
