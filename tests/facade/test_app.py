"""Serving, as far as it needs no process of its own."""

import gc

from callboard import _app


def test_what_exists_when_calls_begin_is_not_looked_through_again() -> None:
    before = gc.get_freeze_count()
    with _app._frozen():
        assert gc.get_freeze_count() > before + 10_000
    assert gc.get_freeze_count() == 0
