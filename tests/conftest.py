"""Properties hold or do not: how long one example takes says more of a busy machine than of them.

And no test waits for ever: one that hangs fails by name, with the stacks of its threads.
"""

import hypothesis
import pytest

hypothesis.settings.register_profile("avouch", deadline=None)
hypothesis.settings.load_profile("avouch")

# Seconds a test may take on a machine that is busy with other things, by the marker of its level; fixtures not counted.
SECONDS = {"cluster": 1_500, "apiserver": 600, "": 300}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("timeout") is None:
            level = next((marker for marker in SECONDS if marker and item.get_closest_marker(marker)), "")
            item.add_marker(pytest.mark.timeout(SECONDS[level], func_only=True))
