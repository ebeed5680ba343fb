"""One cluster for all tests here, made once and installed once. They leave it as they found it, but for the last ones.

AVOUCH_TEST_CLUSTER=NAME: use the cluster of that name and leave it up, for those who write these tests.
"""

import os
from collections.abc import Iterator

import pytest

from examples.quickstart import demo, install
from tests.cluster import images
from tests.cluster.choice import AnyCluster, choose
from tests.e2e import external

# A cluster of its own comes before the other is up, and what takes avouch away comes after all that needs it.
_ORDER = ("test_the_cluster_itself", "", "test_permissions", "test_emptied_database", "test_uninstall")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _ORDER.index(item.path.stem if item.path.stem in _ORDER else ""))


@pytest.fixture(scope="session")
def cluster() -> Iterator[AnyCluster]:
    kept = os.environ.get("AVOUCH_TEST_CLUSTER")
    cluster = choose(kept or "e2e")
    cluster.up()
    try:
        prepared(cluster)
        yield cluster
    finally:
        if not kept:
            cluster.down()


@pytest.fixture(scope="session")
def machine(cluster: AnyCluster, tmp_path_factory: pytest.TempPathFactory) -> external.Machine:
    """A machine outside the cluster; the images, and with them the wheels, are there already."""
    return external.machine(tmp_path_factory.mktemp("machine"))


def prepared(cluster: AnyCluster) -> None:
    tag = install.build_images()
    demo.build_tools()
    install.load_images(cluster, tag)
    for image in (demo.TOOLS, images.REGISTRY):
        cluster.load_image(images.archive_of(image))
    install.install(cluster, tag)
