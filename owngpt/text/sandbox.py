"""Jinja templates that came with a checkpoint, run with bounded time and memory. Knows nothing of chats.

A template is a program of strangers. Jinja's sandbox keeps it from Python's internals; this one also bounds what it
costs. Two rules do it, put into the syntax tree before it is compiled:

- every value that a template builds is weighed, and none may weigh more than `MAX_WEIGHT`; the few operations that
  grow a value by more than a constant factor (`*`, `**`, `replace`, `join`, ...) are measured before, or are absent;
- every loop turn, macro call and weighing looks at the deadline.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import jinja2
import jinja2.meta
from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, LoopControlExtension
from jinja2.parser import Parser
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace, pass_context

MAX_WEIGHT = 8 * 1024 * 1024  # of one value, and of the output; a character weighs 1
_ENTRY_WEIGHT = 16  # of a container
MAX_SECONDS = 5.0  # processor time of one rendering
MAX_SOURCE = 256 * 1024  # characters of a template
_MAX_INT_BITS = 4096
_MAX_INDENT = 16

# str methods and filters that pad or format by a number, which no chat template needs
_PADDING = {"ljust", "rjust", "center", "zfill", "expandtabs", "translate"}
_ABSENT_FILTERS = ("center", "format", "wordwrap", "batch", "slice", "urlize", "pprint", "xmlattr", "filesizeformat")


class TemplateTooCostly(jinja2.TemplateError):
    """A template took too long, or built something too big."""


class Budget:
    """What one rendering may still spend."""

    def __init__(self, seconds: float = MAX_SECONDS) -> None:
        self._deadline = time.thread_time() + seconds

    def tick(self) -> None:
        """Raise `TemplateTooCostly` after the deadline."""
        if time.thread_time() > self._deadline:
            raise TemplateTooCostly("the chat template takes too long")


def weigh(value: object, limit: int = MAX_WEIGHT) -> int:
    """The weight of a value, shared parts counted each time; `TemplateTooCostly` above the limit."""
    weight, stack = 0, [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            weight += len(item)
        elif isinstance(item, Mapping):
            weight += 2 * len(item) * _ENTRY_WEIGHT
            stack += [*item.keys(), *item.values()] if weight <= limit else []
        elif isinstance(item, list | tuple | set | frozenset):
            weight += len(item) * _ENTRY_WEIGHT
            stack += item if weight <= limit else []
        if weight > limit:
            raise TemplateTooCostly("the chat template builds a value that is too big")
    return weight


class TemplateEnvironment(ImmutableSandboxedEnvironment):
    """Chat templates as transformers runs them: its options, filters and globals, and the `generation` tag ignored."""

    intercepted_binops = frozenset(["*", "**", "%", "+"])

    def __init__(self) -> None:
        extensions: list[type[Extension]] = [GenerationTag, LoopControlExtension]
        super().__init__(trim_blocks=True, lstrip_blocks=True, optimized=False, extensions=extensions)
        self.finalize = _weighed  # what is put out is weighed too; this also keeps the compiler from folding constants
        for name in _ABSENT_FILTERS:
            del self.filters[name]
        self.filters |= {"tojson": tojson, "indent": self._guard_indent(), "replace": _replace, "join": self._join()}
        self.filters |= {"_weighed": _weighed, "_tick": _tick}
        del self.globals["lipsum"]
        self.globals |= {"raise_exception": raise_exception, "strftime_now": strftime_now, "namespace": SafeNamespace}

    def compile_template(self, source: str) -> jinja2.Template:
        """A template that `render` can run. Raises `jinja2.TemplateError`, also where the source is far too nested."""
        if len(source) > MAX_SOURCE:
            raise TemplateTooCostly(f"the chat template has {len(source)} characters; at most {MAX_SOURCE}")
        try:
            return self.from_string(source)
        except (RecursionError, MemoryError, SyntaxError, ValueError, OverflowError) as error:
            raise jinja2.TemplateError(f"the chat template cannot be compiled: {type(error).__name__}") from error

    def render(self, template: jinja2.Template, variables: Mapping[str, Any]) -> str:
        """The text. Raises `jinja2.TemplateError` for whatever goes wrong in the template."""
        pieces, size = [], 0
        try:
            for piece in template.generate({**variables, "_budget": Budget()}):
                pieces.append(piece)
                size += len(piece)
                if size > MAX_WEIGHT:
                    raise TemplateTooCostly("the chat template's text is too big")
        except jinja2.TemplateError:
            raise
        except Exception as error:  # a program of strangers can raise anything; it is one kind of failure here
            raise jinja2.TemplateError(f"{type(error).__name__}: {error}") from error
        return "".join(pieces)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        return guard_tree(super()._parse(source, name, filename))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Measure what can multiply before it does."""
        context.parent["_budget"].tick()
        if operator == "*":
            _check_product(left, right)
        elif operator == "**":
            _check_power(left, right)
        elif operator == "%" and isinstance(left, str):
            raise SecurityError("string formatting with % is not available in chat templates")
        elif operator == "+" and isinstance(left, int) and isinstance(right, int):
            _check_bits(left.bit_length())
        result = super().call_binop(context, operator, left, right)
        weigh(result)
        return result

    def call(self, context: Context, obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Methods of strings that pad are absent, those that multiply are measured."""
        owner, name = getattr(obj, "__self__", None), getattr(obj, "__name__", "")
        if isinstance(owner, str):
            if name in _PADDING:
                raise SecurityError(f"str.{name} is not available in chat templates")
            if name == "replace":
                _check_replace(owner, *args, **kwargs)
            if name == "join" and args:
                args = (_bounded_list(args[0], len(owner)), *args[1:])
        return super().call(context, obj, *args, **kwargs)

    def call_filter(self, name: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        """What `map` does to each item."""
        _tick_if_running(*args, **kwargs)
        return super().call_filter(name, value, *args, **kwargs)

    def call_test(self, name: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        """What `select` and its like do to each item."""
        _tick_if_running(*args, **kwargs)
        return super().call_test(name, value, *args, **kwargs)

    def wrap_str_format(self, value: Any) -> Any:
        """`format` can pad to any width, so it is absent."""
        if super().wrap_str_format(value) is not None:
            raise SecurityError("str.format is not available in chat templates")

    def _guard_indent(self) -> Callable[..., str]:
        indent = self.filters["indent"]

        def guarded(text: str, width: int | str = 4, *args: Any, **kwargs: Any) -> str:
            _check_indent(width)
            return str(indent(text, width, *args, **kwargs))

        return guarded

    def _join(self) -> Callable[..., Any]:
        join = self.filters["join"]

        @jinja2.pass_eval_context
        def guarded(eval_context: nodes.EvalContext, value: Any, d: str = "", attribute: Any = None) -> Any:
            return join(eval_context, _bounded_list(value, len(d)), d, attribute)

        return guarded


def guard_tree(tree: nodes.Template) -> nodes.Template:
    """Put the weighings and the looks at the clock into a template's syntax tree."""
    for block in [*tree.find_all((nodes.For, nodes.Macro, nodes.CallBlock))]:
        assert isinstance(block, nodes.For | nodes.Macro | nodes.CallBlock)
        tick = nodes.Filter(nodes.Const(None), "_tick", [], [], None, None)
        block.body.insert(0, nodes.ExprStmt(tick).set_lineno(block.lineno))
    _weigh_children(tree)
    return tree


_BUILDERS = (nodes.List, nodes.Tuple, nodes.Dict, nodes.Call, nodes.Filter, nodes.Concat, nodes.Getitem)
_WORKERS = (nodes.Compare, nodes.Test)  # their values are small, their work may not be


def _weigh_children(tree: nodes.Node) -> None:
    stack = [tree]
    while stack:
        parent = stack.pop()
        stack.extend(parent.iter_child_nodes())
        if isinstance(parent, nodes.ExprStmt):
            continue
        for field, value in parent.iter_fields():
            if isinstance(value, list):
                value[:] = [_weigh_node(item) for item in value]
            elif isinstance(value, nodes.Node) and not (isinstance(parent, nodes.CallBlock) and field == "call"):
                setattr(parent, field, _weigh_node(value))


def _weigh_node(node: Any) -> Any:
    if not isinstance(node, _BUILDERS + _WORKERS) or getattr(node, "ctx", "load") != "load":
        return node
    return nodes.Filter(node, "_weighed", [], [], None, None).set_lineno(node.lineno)


@pass_context
def _weighed(context: Context, value: Any) -> Any:
    context.parent["_budget"].tick()
    if not isinstance(value, Undefined):
        weigh(value)
    return value


def _tick_if_running(
    args: Any = None, kwargs: Any = None, context: Context | None = None, eval_context: Any = None
) -> None:
    if context is not None:
        context.parent["_budget"].tick()


@pass_context
def _tick(context: Context, value: Any) -> Any:
    context.parent["_budget"].tick()
    return value


class GenerationTag(Extension):
    """`{% generation %}` marks what a model is trained on; for rendering it is nothing."""

    tags = {"generation"}  # noqa: RUF012 - as Jinja declares it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """The block's body."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class SafeNamespace(Namespace):
    """Jinja's namespace, without underscore names, through which Python's internals could be reached."""

    def __init__(*args: Any, **kwargs: Any) -> None:
        self, *positional = args
        values = dict(*positional, **kwargs)
        for name in values:
            _check_name(name)
        Namespace.__init__(self, values)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_name(name)
        super().__setitem__(name, value)


def tojson(
    value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    """JSON as models see it: not escaped for HTML, non-ASCII characters as they are."""
    weigh(value)
    _check_indent(indent or 0)
    _check_indent("".join(separators or ()))
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def raise_exception(message: str) -> None:
    """The way in which a template refuses its input."""
    raise jinja2.TemplateError(message)


def strftime_now(form: str) -> str:
    """The local time, formatted."""
    if len(form) > 256:
        raise TemplateTooCostly("the date format is too long")
    return datetime.now().strftime(form)


def _check_name(name: object) -> None:
    if not isinstance(name, str) or name.startswith("_"):
        raise SecurityError(f"{name!r} is not a name for a namespace")


def _check_bits(bits: int) -> None:
    if bits > _MAX_INT_BITS:
        raise TemplateTooCostly("the chat template builds a number that is too big")


def _check_product(left: Any, right: Any) -> None:
    if isinstance(left, int) and isinstance(right, int):
        _check_bits(left.bit_length() + right.bit_length())
    for sequence, count in ((left, right), (right, left)):
        if isinstance(sequence, str | list | tuple) and isinstance(count, int):
            weigh(sequence, MAX_WEIGHT // max(count, 1))


def _check_power(base: Any, exponent: Any) -> None:
    if isinstance(base, int) and isinstance(exponent, int):
        _check_bits(base.bit_length() * max(exponent, 0))


def _check_indent(width: int | str) -> None:
    if (len(width) if isinstance(width, str) else width) > _MAX_INDENT:
        raise TemplateTooCostly(f"an indentation of more than {_MAX_INDENT} is too much")


def _check_replace(text: str, old: Any, new: Any, count: Any = -1) -> None:
    hits = text.count(str(old))
    if len(text) + hits * len(str(new)) > MAX_WEIGHT:
        raise TemplateTooCostly("the chat template builds a string that is too big")


def _replace(text: Any, old: str, new: str, count: int | None = None) -> str:
    whole = str(text)
    _check_replace(whole, old, new)
    return whole.replace(old, new, -1 if count is None else count)


def _bounded_list(values: Any, separator: int) -> list[Any]:
    """The values to be joined, read only as far as they and their separators may weigh."""
    bounded, weight = [], 0
    for value in values:
        weight += separator + _ENTRY_WEIGHT + weigh(value)
        if weight > MAX_WEIGHT:
            raise TemplateTooCostly("the chat template joins too much")
        bounded.append(value)
    return bounded


def undeclared(source: str) -> frozenset[str]:
    """Names of the variables that a template reads from outside."""
    return frozenset(jinja2.meta.find_undeclared_variables(TemplateEnvironment().parse(source)))
