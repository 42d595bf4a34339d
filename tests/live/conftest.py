"""What live tests share: one whole province for all tests that only look or break lines of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import need
from tests.live.prometheus import Prometheus
from tests.live.province import Province, few_sites


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the whole province come last, together: it runs as short a time as possible beside others."""
    items.sort(key=lambda item: "province" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def province(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Province]:
    """All 310 sites, simulator and daemon running and ready."""
    need("mosquitto")
    whole = Province(tmp_path_factory.mktemp("province"))
    try:
        whole.start_sim()
        whole.start_daemon()
        yield whole
    finally:
        whole.close()


@pytest.fixture(scope="session")
def prometheus(province: Province, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A real Prometheus that scrapes the whole province every two seconds and evaluates the exported rules."""
    need("prometheus", "promtool")
    server = Prometheus(tmp_path_factory.mktemp("prometheus"), province)
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def few(tmp_path: Path) -> Iterator[Callable[..., Province]]:
    """Makes provinces of a few sites; the simulator of each runs, its daemon is the test's to start."""
    need("mosquitto")
    made: list[Province] = []

    def make(*, sim: bool = True, **settings: Any) -> Province:
        small = few_sites(tmp_path / f"province{len(made)}", **settings)
        made.append(small)
        if sim:
            small.start_sim()
        return small

    yield make
    for small in made:
        small.close()
