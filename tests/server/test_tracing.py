import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from owngpt.errors import ConfigError, InvalidRequest
from owngpt.server.tracing import OpenTelemetryTracer
from tests.fakes.engine import client_of, make_app

trace_service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")


class Collector:
    """Stands for an OpenTelemetry collector: keeps the spans that arrive at /v1/traces."""

    def __init__(self) -> None:
        self.spans: list[dict[str, object]] = []
        self.trace_ids: list[str] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                assert self.path == "/v1/traces"
                collector.add(body)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"

    def add(self, body: bytes) -> None:
        request = trace_service.ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            service = {item.key: item.value.string_value for item in resource.resource.attributes}["service.name"]
            for scope in resource.scope_spans:
                self.trace_ids += [span.trace_id.hex() for span in scope.spans]
                self.spans += [{"service": service, **as_dict(span)} for span in scope.spans]


def as_dict(span: object) -> dict[str, object]:
    attributes = {item.key: plain(item.value) for item in span.attributes}  # type: ignore[attr-defined]
    return {"name": span.name, "kind": span.kind, "failed": span.status.code == 2, **attributes}  # type: ignore[attr-defined]


def plain(value: object) -> object:
    kind = value.WhichOneof("value")  # type: ignore[attr-defined]
    found = getattr(value, kind)
    return [plain(item) for item in found.values] if kind == "array_value" else found


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield collector
    collector.server.shutdown()
    thread.join()
    collector.server.server_close()


def test_a_span_reaches_the_collector(collector: Collector) -> None:
    tracer = OpenTelemetryTracer(collector.endpoint + "/")
    with tracer.span("chat garlic", {"gen_ai.operation.name": "chat", "gen_ai.request.model": "garlic"}) as span:
        span.set_attribute("gen_ai.usage.input_tokens", 12)
        span.set_attribute("gen_ai.response.finish_reasons", ["stop"])
    tracer.close()
    assert collector.spans == [
        {
            "service": "owngpt",
            "name": "chat garlic",
            "kind": 2,  # server
            "failed": False,
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "garlic",
            "gen_ai.usage.input_tokens": 12,
            "gen_ai.response.finish_reasons": ["stop"],
        }
    ]


def test_a_failure_is_marked_and_its_message_stays_here(collector: Collector) -> None:
    tracer = OpenTelemetryTracer(collector.endpoint)
    with pytest.raises(InvalidRequest), tracer.span("chat garlic", {}):
        raise InvalidRequest("a secret of the user's")
    tracer.close()
    assert collector.spans == [
        {"service": "owngpt", "name": "chat garlic", "kind": 2, "failed": True, "error.type": "InvalidRequest"}
    ]


@pytest.mark.anyio
async def test_requests_are_traced_with_the_genai_conventions_and_without_content(collector: Collector) -> None:
    app = make_app("Hello!")
    app.tracer = OpenTelemetryTracer(collector.endpoint)
    question = {"messages": [{"role": "user", "content": "my secret"}], "n": 2, "max_tokens": 3, "seed": 7}
    async with client_of(app) as client:
        for is_streamed in (False, True):
            assert (await client.post("/v1/chat/completions", json={**question, "stream": is_streamed})).is_success
        assert (await client.post("/v1/embeddings", json={"input": "my secret"})).is_success
    app.tracer.close()
    chat = {
        "service": "owngpt",
        "name": "chat fake",
        "kind": 2,
        "failed": False,
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "owngpt",
        "gen_ai.request.model": "fake",
        "gen_ai.request.choice.count": 2,
        "gen_ai.request.max_tokens": 3,
        "gen_ai.request.seed": 7,
        "gen_ai.request.temperature": 1.0,
        "gen_ai.request.top_p": 1.0,
        "gen_ai.response.model": "fake",
        "gen_ai.response.finish_reasons": ["length", "length"],
        "gen_ai.usage.output_tokens": 6,
    }
    *chats, embedding = collector.spans
    assert [{**chat, "gen_ai.usage.input_tokens": span["gen_ai.usage.input_tokens"]} for span in chats] == chats
    assert embedding["name"] == "embeddings fake-embed"
    assert "my secret" not in str(collector.spans)


@pytest.mark.anyio
async def test_a_request_joins_the_trace_of_its_caller(collector: Collector) -> None:
    app = make_app("Hello!")
    app.tracer = OpenTelemetryTracer(collector.endpoint)
    trace_id, question = "4bf92f3577b34da6a3ce929d0e0e4736", {"input": "a"}
    async with client_of(app) as client:
        await client.post(
            "/v1/embeddings", json=question, headers={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
        )
        await client.post("/v1/embeddings", json=question, headers={"traceparent": "nonsense"})
    app.tracer.close()
    assert collector.trace_ids[0] == trace_id
    assert collector.trace_ids[1] != trace_id


def test_the_endpoint_must_be_a_url() -> None:
    with pytest.raises(ConfigError, match="otel_endpoint is 'localhost:4318'; it must be"):
        OpenTelemetryTracer("localhost:4318")


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'owngpt\[otel\]'"):
        OpenTelemetryTracer("http://localhost:4318")
