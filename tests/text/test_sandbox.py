"""Hostile templates end, soon and small."""

# ruff: noqa: E501

import resource
import time

import jinja2
import pytest

from owngpt.text import sandbox
from owngpt.text.sandbox import TemplateEnvironment

BOMBS = {
    "endless loop": "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}",
    "huge range": "{% for a in range(10**12) %}{% endfor %}",
    "string times": '{{ "a" * 10**9 }}',
    "times string": '{{ 10**9 * "a" }}',
    "list times": "{{ ([] * 10**9)|length }}{{ ([1] * 10**9)|length }}",
    "nested times": '{{ (["a" * 10**6] * 10**6)|length }}',
    "power": "{{ 10**(10**10) }}",
    "repeated product": "{% set ns = namespace(x=3) %}{% for i in range(60) %}{% set ns.x = ns.x * ns.x %}{% endfor %}",
    "doubling": '{% set ns = namespace(x="a") %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}',
    "doubling by plus": '{% set ns = namespace(x="a") %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}',
    "straight doubling": '{% set x = "aaaa" %}' + "{% set x = x ~ x %}" * 60,
    "shared lists": "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x|tojson }}",
    "shared dicts": "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = {1: ns.x, 2: ns.x} %}{% endfor %}{{ ns.x }}",
    "shared by dict()": "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = dict(a=ns.x, b=ns.x) %}{% endfor %}",
    "compared": "{% set ns = namespace(x=1, y=1) %}{% for i in range(60) %}{% set ns.x = (ns.x, ns.x) %}{% set ns.y = (ns.y, ns.y) %}{% endfor %}{{ ns.x == ns.y }}",
    "padding": '{{ "a".ljust(10**9) }}',
    "padding by map": "{{ [1]|map('center', 10**9)|list }}",
    "zfill": '{{ "a".zfill(10**9) }}',
    "center": '{{ "a"|center(10**9) }}',
    "format": '{{ "%1000000000d"|format(1) }}',
    "percent": '{{ "%1000000000d" % 1 }}',
    "method format": '{{ "{:1000000000}".format(1) }}',
    "replace": '{{ ("a" * 10**6).replace("a", "b" * 10**6) }}',
    "replace nothing": '{{ ("a" * 10**6).replace("", "b" * 10**6) }}',
    "replace filter": '{{ ("a" * 10**6)|replace("a", "b" * 10**6) }}',
    "join": '{{ ("b" * 10**6).join("a" * 10**6) }}',
    "join filter": '{{ ("a" * 10**6)|join("b" * 10**6) }}',
    "indent": '{{ "a"|indent(10**9, true) }}',
    "indent lines": '{{ ("\\n" * 10**6)|indent("x" * 10**4, true) }}',
    "tojson indent": "{{ [1]|tojson(indent=10**9) }}",
    "tojson separators": '{{ ([1] * 10**5)|tojson(separators=["x" * 10**6, ":"]) }}',
    "select": "{{ range(99999)|select('in', range(99999)|list)|list|length }}",
    "map": "{{ range(99999)|map('in', [1] * 99999)|map('replace', '1', 'x' * 10000)|list|length }}",
    "straight comparisons": "{% set x = 'a' * 4000000 %}" + "{{ (x ~ 'b') == (x ~ 'c') }}" * 2000,
    "straight searches": "{% set x = range(99999)|list %}" + "{{ 'y' in x }}{{ x is eq x }}" * 400,
    "split": "{% set x = ('ab ' * 2700000).split() %}",
    "output": '{% for i in range(99999) %}{{ "a" * 10**6 }}{% endfor %}',
    "macro recursion": "{% macro f(n) %}{{ f(n + 1) }}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
    "loop recursion": "{% for a in [[1]] recursive %}{{ loop([[1], [1]]) }}{% endfor %}",
    "call block": "{% macro f() %}{{ caller() }}{{ caller() }}{% endmacro %}"
    + "{% call f() %}" * 30
    + "{% endcall %}" * 30,
    "slices": "{{ [1]|slice(10**9)|list }}",
    "batch": "{{ [1]|batch(10**9, 0)|list }}",
    "sum": "{{ ([[1] * 10**6] * 10**6)|sum(start=[])|length }}",
    "strftime": '{{ strftime_now("%c" * 10**6) }}',
    "unbounded name": "{{ lipsum(n=10**6) }}",
}
ESCAPES = {
    "class": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "attr filter": "{{ (''|attr('__class__')).__mro__ }}",
    "map attribute": "{{ ['']|map(attribute='__class__')|first|attr('mro') }}",
    "globals": "{{ raise_exception.__globals__['json'] }}",
    "init": "{{ namespace.__init__.__globals__ }}",
    "namespace class": "{% set ns = namespace() %}{% set ns.__class__ = 1 %}",
    "namespace argument": "{{ namespace(__class__=1) }}",
    "budget": "{{ _budget.tick.__globals__['json'] }}",
    "self": "{{ self._TemplateReference__context.environment }}",
    "mutate": "{{ messages.append(1) }}",
    "mutate dict": "{{ messages[0].update({'a': 1}) }}",
    "include": "{% include '/etc/passwd' %}",
    "import": "{% import 'os' as os %}",
}


def run(source: str) -> str:
    environment = TemplateEnvironment()
    return environment.render(environment.compile_template(source), {"messages": [{"role": "user", "content": "x"}]})


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox.Budget.__init__, "__defaults__", (0.3,))


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.thread_time()
    with pytest.raises(jinja2.TemplateError):
        run(BOMBS[name])
    assert time.thread_time() - start < 3
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600 * 1024  # KiB


@pytest.mark.parametrize("name", ESCAPES)
def test_escapes(name: str) -> None:
    with pytest.raises(jinja2.TemplateError):
        run(ESCAPES[name])


def test_the_deadline_cannot_be_moved() -> None:
    with pytest.raises(jinja2.TemplateError, match="too long"):
        run("{% set _budget = 1 %}{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            "{% for m in messages %}{{ loop.index }}{{ loop.last }}{{ loop.length }}{{ m.role }}{% endfor %}",
            "1True1user",
        ),
        ("{% for a in range(9) if a is odd %}{% if a > 4 %}{% break %}{% endif %}{{ a }}{% endfor %}", "13"),
        ("{% for k, v in {'a': 1}.items() %}{{ k ~ v }}{% else %}none{% endfor %}", "a1"),
        ("{% set x %}a{{ 'b' | upper }}{% endset %}{{ x }}{% filter upper %}c{% endfilter %}", "aBC"),
        ("{% macro f(x, y='d') %}{{ x }}{{ y }}{% endmacro %}{{ f('c') }}", "cd"),
        ("{% macro f() %}[{{ caller('x') }}]{% endmacro %}{% call(a) f() %}{{ a }}{% endcall %}", "[x]"),
        ("{% generation %}g{% endgeneration %}", "g"),
        ("{{ {'é': '<b>'} | tojson }}", '{"é": "<b>"}'),
        ("{{ messages | map(attribute='role') | join(', ') }}{{ 'a-b'.replace('-', '+') }}", "usera+b"),
        ("{{ missing is defined }}{{ missing }}{{ (missing or 'x') }}", "Falsex"),
        ("{{ messages | selectattr('role', 'equalto', 'user') | list | length }}", "1"),
        ("{% set a, b = 1, 2 %}{{ [a, b][1:] }}{{ 'x' * 3 }}{{ 7 % 4 }}", "[2]xxx3"),
        ("{{ messages[0]['content'] | trim | indent(2) }}{{ messages[-1].role }}", "xuser"),
    ],
)
def test_ordinary_templates_are_as_in_jinja(source: str, text: str) -> None:
    assert run(source) == text
