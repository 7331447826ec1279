"""Tools a session may offer to the model: functions of the client, and those the server runs itself."""

from __future__ import annotations

from typing import ClassVar

import attrs

from .._converter import JsonObject

__all__ = ["FileSearch", "FunctionTool", "Mcp", "Tool", "WebSearch", "XSearch"]


@attrs.frozen(kw_only=True)
class FunctionTool:
    """A function the client runs. Both spellings, flat and nested under ``function``, decode to this."""

    type: ClassVar[str] = "function"
    name: str
    description: str | None = None
    parameters: JsonObject | None = None
    """JSON Schema of the arguments."""

    def to_nested(self) -> dict[str, object]:
        """Return the spelling of the server's echo. Clients send the flat one."""
        function: dict[str, object] = {"name": self.name}
        if self.description is not None:
            function["description"] = self.description
        if self.parameters is not None:
            function["parameters"] = self.parameters
        return {"type": self.type, "function": function}


@attrs.frozen(kw_only=True)
class WebSearch:
    """Search of the web, run by the server."""

    type: ClassVar[str] = "web_search"
    allowed_domains: tuple[str, ...] | None = None
    """At most 5; not together with ``excluded_domains``."""
    excluded_domains: tuple[str, ...] | None = None
    enable_image_understanding: bool | None = None
    location: JsonObject | None = None
    """``country``, ``city``, ``region``, ``timezone``."""
    user_location: JsonObject | None = None
    """Another name of ``location``."""


@attrs.frozen(kw_only=True)
class XSearch:
    """Search of posts on X, run by the server."""

    type: ClassVar[str] = "x_search"
    allowed_x_handles: tuple[str, ...] | None = None
    """At most 20; not together with ``excluded_x_handles``."""
    excluded_x_handles: tuple[str, ...] | None = None
    from_date: str | None = None
    """YYYY-MM-DD, not after ``to_date``."""
    to_date: str | None = None
    enable_image_understanding: bool | None = None
    enable_video_understanding: bool | None = None


@attrs.frozen(kw_only=True)
class FileSearch:
    """Search of uploaded collections, run by the server."""

    type: ClassVar[str] = "file_search"
    vector_store_ids: tuple[str, ...]
    max_num_results: int | None = None
    """Default 10."""


@attrs.frozen(kw_only=True)
class Mcp:
    """A remote MCP server whose tools the Grok server calls itself."""

    type: ClassVar[str] = "mcp"
    server_url: str
    server_label: str
    """No dots in it."""
    server_description: str | None = None
    allowed_tools: tuple[str, ...] | None = None
    authorization: str | None = attrs.field(default=None, repr=False)
    headers: JsonObject | None = attrs.field(default=None, repr=False)


Tool = FunctionTool | WebSearch | XSearch | FileSearch | Mcp
"""Any tool of a session."""
