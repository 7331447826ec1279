"""The one place that talks to IPython, which has no types."""

import importlib
from collections.abc import Callable
from typing import Any

from ._players import need


def show_html(html: str) -> Callable[[str], None]:
    """Show HTML under the cell that runs.

    Returns:
        A function that puts other HTML in its place, from any thread.

    Raises:
        PackageMissing: IPython is not installed.
    """
    try:
        ipython: Any = importlib.import_module("IPython.display")
    except ImportError:
        raise need("IPython") from None
    handle = ipython.display(ipython.HTML(html), display_id=True)

    def update(html: str) -> None:
        handle.update(ipython.HTML(html))

    return update
