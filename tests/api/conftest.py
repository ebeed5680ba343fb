from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api import served as servers
from tests.api import shop as shops
from tests.cluster.apiserver import ApiServer
from tests.postgres import Postgres


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.stem == "test_reevaluations")  # it leaves the shop another Contract


@pytest.fixture(scope="session")
def shop() -> Iterator[shops.Shop]:
    """One API server for all modules that ask the server process: they add objects, each under its own names."""
    with ApiServer() as api:
        shop = shops.Shop(api)
        shop.furnish()
        yield shop
        shop.close()


@pytest.fixture(scope="session")
def prepared(shop: shops.Shop) -> Iterator[Postgres]:
    """A database with the shop's Contract and Workflows."""
    with Postgres() as postgres:
        shops.prepare(postgres, shop)
        yield postgres


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `served` keeps artifacts."""
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture(scope="session")
def served(
    shop: shops.Shop, prepared: Postgres, artifacts: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[servers.Served]:
    """One server that many modules ask and none may harm; at the end it must stop cleanly."""
    settings = {"AVOUCH_BLOBS": f"file://{artifacts}", "AVOUCH_AGGREGATED_API": "false"}
    with servers.Served(shop.api, prepared, tmp_path_factory.mktemp("server"), **settings) as served:
        yield served


@pytest.fixture(scope="module")
def run(served: servers.Served, pod: shops.Pod) -> str:
    """A run that the module's pod may speak about."""
    return served.open_run(pod)


@pytest.fixture
def namespace(bench: Any, request: pytest.FixtureRequest) -> str:
    """A namespace of the module's bench, of the test's name."""
    made: str = bench.namespace(request.node.name.replace("_", "-")[5:55].strip("-"))
    return made
