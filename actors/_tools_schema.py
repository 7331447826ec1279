"""`@tool`: an ordinary function becomes one that a model can call."""

import inspect
import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast, get_type_hints, overload

import attrs

from ._ports import MediaUnit
from ._tools_types import BadArguments, Field, Json, Kind, kind_of, record_of

if TYPE_CHECKING:
    from collections.abc import Awaitable

P = ParamSpec("P")
R = TypeVar("R")

# How long a tool may take, float seconds. A caller waits in silence meanwhile.
DEFAULT_TIMEOUT = 30.0
# The longest arguments to look at, characters.
MAX_ARGUMENTS = 256 * 1024
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


class ToolError(Exception):
    """Raise it in a tool to tell the model, in words, why there is no result."""


@attrs.frozen(kw_only=True)
class ToolContext:
    """What a tool may know about its call; a parameter with this type is filled in, and not shown to the model."""

    call: MediaUnit | None
    """The phone call, or None for a client without one. A parameter of the type `Call` gets it directly."""
    client: MediaUnit
    """The provider client that asked."""
    call_id: str
    """The provider's id of this use of the tool."""
    name: str


class Tool(Generic[P, R]):
    """A function that a model can call; made by `tool`. Calling it calls the function.

    Attributes:
        name: What the model calls it.
        description: What it is told about it.
        parameters: JSON Schema of the arguments.
        timeout: Seconds until the model is told that it took too long.
    """

    def __init__(
        self,
        function: Callable[P, R],
        *,
        name: str | None = None,
        description: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        if not callable(function):
            raise TypeError(f"a tool is a function, not {repr(function)[:80]}")
        self.function = function
        self.name: str = name or getattr(function, "__name__", "") or type(function).__name__
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"a tool's name is 1 to 64 letters, digits, - and _, unlike {self.name[:80]!r}")
        if not timeout > 0:
            raise ValueError(f"a tool's timeout is more than 0 seconds, not {timeout!r}")
        self.timeout = timeout
        self.is_async = inspect.iscoroutinefunction(inspect.unwrap(function))
        summary, told = parse_docstring(inspect.getdoc(function) or "")
        self.description = description if description is not None else summary
        self._injected: dict[str, type] = {}
        self._arguments = self._read_signature(told)
        self.__name__ = self.name
        self.__doc__ = function.__doc__

    @property
    def parameters(self) -> Json:
        """JSON Schema of the arguments."""
        return self._arguments.schema

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Tool {self.name!r}>"

    def _read_signature(self, told: Mapping[str, str]) -> Kind:
        try:
            hints = get_type_hints(self.function, include_extras=True)
        except NameError as error:
            raise TypeError(
                f"the tool {self.name!r} has a type hint that is not known at run time: {error}"
            ) from error
        fields: list[Field] = []
        for parameter in inspect.signature(self.function).parameters.values():
            name = parameter.name
            if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY}:
                raise TypeError(f"the tool {self.name!r} cannot have the parameter {str(parameter)!r}")
            if name not in hints:
                raise TypeError(f"the parameter {name!r} of the tool {self.name!r} needs a type hint")
            hint: object = hints[name]
            if isinstance(hint, type) and issubclass(hint, (ToolContext, MediaUnit)):
                self._injected[name] = hint
                continue
            try:
                kind = kind_of(hints[name])
            except RecursionError:
                raise TypeError(
                    f"the parameter {name!r} of the tool {self.name!r} refers to itself"
                ) from None
            if name in told and "description" not in kind.schema:
                kind = attrs.evolve(kind, schema={**kind.schema, "description": told[name]})
            required = parameter.default is parameter.empty
            fields.append(Field(name, kind, required, None if required else parameter.default))
        return record_of(fields, lambda values: values)

    def bind(self, arguments: str, context: ToolContext) -> Callable[[], object]:
        """Read the model's arguments.

        Args:
            arguments: JSON text of an object; empty text stands for an empty object.
            context: For the parameters that are filled in.

        Returns:
            The call, ready to be made; for an async function it returns an awaitable.

        Raises:
            BadArguments: They do not fit; the text is for the model.
        """
        if len(arguments) > MAX_ARGUMENTS:
            raise BadArguments(f"the arguments are longer than {MAX_ARGUMENTS} characters")
        try:
            value: object = json.loads(arguments) if arguments.strip() else {}
        except (ValueError, RecursionError):
            raise BadArguments("the arguments are not a JSON object") from None
        try:
            values = cast("dict[str, object]", self._arguments.load(value))
        except RecursionError:
            raise BadArguments("the arguments nest too deeply") from None
        for name, hint in self._injected.items():
            if hint is ToolContext:
                values[name] = context
            elif isinstance(context.call, hint):
                values[name] = context.call
            else:
                raise BadArguments("this tool works in a phone call only")
        function = cast("Callable[..., object]", self.function)
        return lambda: function(**values)


AnyTool = Tool[Any, Any]


@overload
def tool(function: "Callable[P, Awaitable[R]]", /) -> "Tool[P, Awaitable[R]]": ...
@overload
def tool(function: Callable[P, R], /) -> Tool[P, R]: ...
@overload
def tool(
    *, name: str | None = None, description: str | None = None, timeout: float = DEFAULT_TIMEOUT
) -> Callable[[Callable[P, R]], Tool[P, R]]: ...
def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    timeout: float = DEFAULT_TIMEOUT,
) -> Any:
    """Make a function one that a model can call.

    The model is told the first paragraph of the docstring, and of each parameter its type and its line in the
    `Args` section (or a string in `Annotated[...]`). Types are str, int, float, bool, Literal, enums, lists, tuples,
    sets, dicts with string keys, unions, dataclasses, attrs classes and TypedDicts. A parameter with the type
    `Call` or `ToolContext` is filled in and not shown.

    Async functions run in the call's tree, plain ones in a worker thread. Whatever a tool raises becomes an
    answer to the model; the text of a `ToolError` is given to it word for word. A result that is not a string is
    sent as JSON.

    Args:
        function: The function.
        name: What the model calls it, if not by the function's name.
        description: What it is told, if not the docstring.
        timeout: Float seconds until the model is told that it took too long.

    Raises:
        TypeError: A parameter has no type hint, or one without a JSON form.
    """

    def decorate(function: Callable[..., Any]) -> AnyTool:
        return Tool(function, name=name, description=description, timeout=timeout)

    return decorate if function is None else decorate(function)


_SECTION = re.compile(
    r"(Args|Arguments|Parameters|Returns|Return|Yields|Raises|Example|Examples|Note|Notes):\s*$"
)
_ENTRY = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.*)$")


def parse_docstring(doc: str) -> tuple[str, dict[str, str]]:
    """What a docstring says: of the function, and of each parameter in its `Args` section.

    Args:
        doc: From `inspect.getdoc`: without common indentation.
    """
    lines = doc.splitlines()
    summary: list[str] = []
    for line in lines:
        if not line.strip() or _SECTION.match(line):
            break
        summary.append(line.strip())
    told: dict[str, str] = {}
    inside, indent, name = False, 0, ""
    for line in lines:
        if section := _SECTION.match(line):
            inside = section[1] in {"Args", "Arguments", "Parameters"}
            indent = 0
            continue
        if not inside or not line.strip():
            continue
        depth = len(line) - len(line.lstrip())
        if depth == 0:
            inside = False
            continue
        indent = indent or depth
        entry = _ENTRY.match(line.strip()) if depth <= indent else None
        if entry:
            name = entry[1]
            told[name] = entry[2].strip()
        elif name in told:
            told[name] = f"{told[name]} {line.strip()}".strip()
    return " ".join(summary), {name: text for name, text in told.items() if text}
