"""POST /v1/fim/completions: Mistral's shape, what is offered of what a model says, and how the prompt is made."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from owngpt.service.app import App
from owngpt.service.receipts import read_outputs
from owngpt.store.receipts import Receipts
from tests.fakes.engine import client_of, engine_of, make_app

pytestmark = pytest.mark.anyio
FUNCTION = "def f(x):\n    return "


async def fill(app: App, prompt: str, suffix: str = "\n", **body: Any) -> dict[str, Any]:
    async with client_of(app) as client:
        response = await client.post("/v1/fim/completions", json={"prompt": prompt, "suffix": suffix, **body})
    assert response.status_code == 200, response.text
    answer = response.json()
    assert isinstance(answer, dict)
    return answer


async def offered(app: App, prompt: str, suffix: str = "\n", **body: Any) -> str:
    content = (await fill(app, prompt, suffix, **body))["choices"][0]["message"]["content"]
    assert isinstance(content, str)
    return content


async def chunks(app: App, prompt: str, suffix: str = "\n", **body: Any) -> list[dict[str, Any]]:
    async with client_of(app) as client:
        body = {"prompt": prompt, "suffix": suffix, "stream": True, **body}
        response = await client.post("/v1/fim/completions", json=body)
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    *events, last = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    assert last == "[DONE]"
    return [json.loads(event) for event in events]


def asked(app: App) -> str:
    """The prompt as the model got it, with its marks."""
    tokenizer = engine_of(app).tokenizer
    return tokenizer.decode(engine_of(app).submissions[-1].prompt, skip_special=False)


async def test_answers_in_mistrals_shape() -> None:
    answer = await fill(make_app("x + 1\n\ndef g():\n"), FUNCTION, path="a.py", model="fake")
    assert answer["object"] == "chat.completion"
    message = {"role": "assistant", "content": "x + 1", "tool_calls": None}
    assert answer["choices"] == [{"index": 0, "message": message, "finish_reason": "stop"}]
    assert answer["model"] == "fake"
    assert answer["usage"]["completion_tokens"] == len(" x + 1\n"), "it was ended where the line ends"


async def test_every_chunk_has_content_and_the_last_one_usage() -> None:
    """Continue reads `choices[0].delta.content` of each chunk, and knows no chunk without a choice."""
    app = make_app("if x:\n        return 1\n    return 2\n\ndef g():\n")
    first, *others, last = await chunks(app, "def f(x):\n    ", path="a.py")
    assert first["object"] == "chat.completion.chunk"
    assert first["choices"] == [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]
    texts = [chunk["choices"][0]["delta"]["content"] for chunk in (*others, last)]
    assert texts == ["if x:\n        return 1", "\n    return 2", ""], "as soon as a line is sure to stay"
    assert (last["choices"][0]["finish_reason"], last["usage"]["prompt_tokens"] > 0) == ("stop", True)
    assert all("usage" not in chunk for chunk in (first, *others))


async def test_the_rest_of_what_the_model_says_is_not_waited_for() -> None:
    app = make_app("x\n" + "y" * 1000)
    await fill(app, FUNCTION, path="a.py", mode="line")
    assert len(engine_of(app).aborted) == 1
    assert app.limits.room.remaining == app.limits.room.capacity


async def test_a_client_that_hangs_up_frees_its_work() -> None:
    app = make_app("x" * 1000, delay=0.005)
    async with client_of(app) as client:
        body = {"prompt": "a = ", "stream": True, "mode": "raw"}
        request = asyncio.create_task(client.post("/v1/fim/completions", json=body))
        while not engine_of(app).num_running:
            await asyncio.sleep(0.001)
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
    assert (engine_of(app).num_running, len(engine_of(app).aborted)) == (0, 1)
    assert app.limits.room.remaining == app.limits.room.capacity


async def test_raw_is_what_the_model_says() -> None:
    said = "x + 1\n\ndef g():\n"
    assert await offered(make_app(said), FUNCTION, path="a.py", mode="raw") == said


async def test_nothing_is_offered_that_would_break_the_file() -> None:
    assert await offered(make_app("foo(\n"), "x = ", path="a.py") == ""
    assert await offered(make_app("1, 2\n"), '{"a": ', "\n}", path="a.json") == ""


async def test_lines_end_as_the_files_do() -> None:
    app = make_app("if x:\n        return 1\n\ndef g():\n")
    assert await offered(app, "def f(x):\r\n    ", "\r\n", path="a.py") == "if x:\r\n        return 1"
    assert "\r" not in asked(app)


async def test_nothing_at_all_may_be_completed() -> None:
    assert await offered(make_app("import os\n\nx\n"), "", "", path="a.py") == "import os"


async def test_the_line_that_is_written_is_the_beginning_of_the_middle() -> None:
    """So all before it is the same for the next character, and in the prefix cache."""
    app = make_app("rn 1")
    await fill(app, "def f():\n    retu", path="a.py")
    assert asked(app) == "<|fim_prefix|>def f():\n<|fim_suffix|>\n<|fim_middle|>    ret"
    assert engine_of(app).submissions[0].sampling.begins_with == "u"


async def test_a_checkpoint_that_knows_it_has_the_suffix_first() -> None:
    app = make_app("x")
    tokenizer = engine_of(app).tokenizer
    assert tokenizer.fim is not None
    tokenizer.fim = replace(tokenizer.fim, is_suffix_first=True)
    await fill(app, "a = 1\nb = ", path="a.py")
    assert asked(app) == "<|fim_prefix|><|fim_suffix|>\n<|fim_middle|>a = 1\nb ="
    assert engine_of(app).submissions[0].sampling.begins_with == " "


async def test_what_was_taken_back_is_not_offered_again() -> None:
    app = make_app("rn 1\n")
    assert await offered(app, "def f():\n    retu", path="a.py") == "rn 1"
    assert (await fill(app, "def f():\n    retu", path="a.py", max_tokens=4))["usage"]["completion_tokens"] == 5


async def test_nothing_is_taken_back_that_may_begin_a_stop_string() -> None:
    app = make_app("x = 1\ny = 2\n")
    assert await offered(app, "a = 1\n", "", path="a.py", stop=["\n"]) == "x = 1"
    assert engine_of(app).submissions[0].sampling.begins_with == ""


async def test_without_marks_the_prefix_is_continued_and_cut() -> None:
    app = make_app('hi")\nfoo()\n')
    engine_of(app).tokenizer.fim = None
    assert await offered(app, 'print("', '")\n', path="a.py") == "hi"
    assert asked(app) == "print("


async def test_other_files_stand_before_the_prefix_as_comments() -> None:
    app = make_app("1")
    context = [{"path": "b.py", "text": "def b(): ..."}, {"path": "c.py", "text": "C = 1"}]
    answer = await fill(app, "b = ", path="a.py", context=context)
    expected = "<|fim_prefix|># c.py:\n# C = 1\n\n# b.py:\n# def b(): ...\n\n<|fim_suffix|>\n<|fim_middle|>b ="
    assert asked(app) == expected, "the first one is the best, and stands next to the prefix"
    assert answer["context"]["included"] == ["b.py", "c.py"]


async def test_other_files_that_have_no_room_are_named() -> None:
    context = [{"path": "big.py", "text": "x" * 900}, {"path": "small.py", "text": "y"}]
    answer = await fill(make_app("1"), "b = ", context=context, max_context_tokens=100)
    assert (answer["context"]["included"], answer["context"]["omitted"]) == (["small.py"], ["big.py"])


async def test_a_long_file_is_cut_far_from_the_gap_and_says_so() -> None:
    app = make_app("1")
    lines = [f"v{n} = {n}\n" for n in range(2000)]
    answer = await fill(app, "".join(lines) + "b = ", "\n" + "".join(lines), path="a.py")
    left_out = answer["context"]
    assert left_out["omitted_prompt_characters"] == len("".join(lines[: len(lines) - _kept(app, lines)]))
    assert left_out["omitted_suffix_characters"] > 0
    assert answer["usage"]["prompt_tokens"] + 256 <= 4096, "room is left for the answer"


def _kept(app: App, lines: list[str]) -> int:
    """Lines of the prefix that the model saw; the first of them begins a group of 16."""
    seen = asked(app).removeprefix("<|fim_prefix|>").partition("<|fim_suffix|>")[0]
    number = next(n for n in range(0, len(lines), 16) if "".join(lines[n:]) == seen)
    return len(lines) - number


async def test_what_does_not_fit_is_an_error_where_nothing_may_be_cut() -> None:
    async with client_of(make_app()) as client:
        body = {"prompt": "x" * 5000, "truncation": "disabled"}
        error = (await client.post("/v1/fim/completions", json=body)).json()["error"]
    assert (error["param"], error["code"]) == ("prompt", "context_length_exceeded")


async def test_it_is_greedy_unless_asked_otherwise() -> None:
    app = make_app("1")
    await fill(app, "a = ")
    await fill(app, "a = ", temperature=0.5, top_p=0.9, random_seed=7, max_tokens=5, stop=["END"])
    first, second = (submission.sampling for submission in engine_of(app).submissions)
    assert first.temperature == 0
    assert (second.temperature, second.top_p, second.seed, second.stop) == (0.5, 0.9, 7, ("END",))


async def test_what_continue_sends_is_understood() -> None:
    """Its stop strings, its limit above what a small model has, and no field that is ignored."""
    stops = ["<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<file_sep>", "<|endoftext|>", "</fim_middle>", "</code>"]
    body = {
        "model": "fake",
        "prompt": "# Path: b.py\n\ndef f():\n    ",
        "suffix": "\n",
        "max_tokens": 4096,
        "temperature": 0.01,
        "stop": [*stops, "/src/", "#- coding: utf-8", "```"],
        "stream": True,
    }
    async with client_of(make_app("return 1\n")) as client:
        response = await client.post("/v1/fim/completions", json=body)
    assert response.status_code == 200
    assert "x-owngpt-ignored" not in response.headers
    assert "return 1" in response.text


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({"n": 2}, "n", "A gap is filled once"),
        ({"min_tokens": 5}, "min_tokens", "until the code ends"),
        ({"prompt": ["a"]}, "prompt", "expected a string"),
        ({"mode": "word"}, "mode", "'auto', 'line', 'block' or 'raw'"),
        ({"context": [{"path": "", "text": "a"}]}, "context[0].path", "too short"),
        ({"context": [{"path": "a", "text": "a"}] * 65}, "context", "array too long"),
        ({"max_tokens": 0}, "max_tokens", ">= 1"),
        ({"max_tokens": 3, "max_completion_tokens": 4}, "max_completion_tokens", "send one of them"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "only allowed when 'stream'"),
    ],
)
async def test_what_cannot_be_honoured_is_refused_by_name(body: dict[str, Any], param: str, words: str) -> None:
    async with client_of(make_app()) as client:
        response = await client.post("/v1/fim/completions", json={"prompt": "a", **body})
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, param)
    assert words in error["message"]


async def test_a_receipt_holds_what_was_generated_until_it_was_cut() -> None:
    app = make_app("x\n" + "y" * 50)
    async with client_of(app) as client:
        body = {"prompt": FUNCTION, "suffix": "\n", "path": "a.py", "store": True, "model": "fake"}
        response = await client.post("/v1/fim/completions", json=body)
    [receipt] = Receipts(app.database).list()
    assert receipt.id == response.headers["x-owngpt-receipt"]
    assert bytes(read_outputs(receipt.outputs)[0].token_ids) == b" x\n", "the space was typed, and chosen again"
