from __future__ import annotations

from hypothesis import settings

# `pytester`, for the fixtures that users get.
pytest_plugins = ["pytester"]

# A loaded machine is slow, not wrong: hypothesis must not time our examples.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
