"""Fixtures for pytest: `pytest_plugins = ["callboard.testing.fixtures"]` in your `conftest.py`."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from ._calls import SimulatedCall, simulate_call
from ._determinism import Simulation, simulate

T = TypeVar("T")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option `--simulation-seed`."""
    parser.addoption(
        "--simulation-seed", type=int, default=0, help="the seed of callboard's simulated runs (default: 0)"
    )


@pytest.fixture
def simulation_seed(request: pytest.FixtureRequest) -> int:
    """The seed of simulated runs: the option's."""
    seed: int = request.config.getoption("--simulation-seed")
    return seed


@pytest.fixture
def simulation(simulation_seed: int) -> Callable[..., Any]:
    """`simulate` with the seed of the command line: `simulation(main)` returns what `main(simulation)` returns."""

    def run(main: Callable[[Simulation], Awaitable[T]], **options: Any) -> T:
        return simulate(main, **{"seed": simulation_seed, **options})

    return run


@pytest.fixture
def call_factory(simulation_seed: int) -> Callable[..., SimulatedCall]:
    """`simulate_call` with the seed of the command line: `call_factory(scenario, steps)`."""

    def call(*given: Any, **options: Any) -> SimulatedCall:
        return simulate_call(*given, **{"seed": simulation_seed, **options})

    return call
