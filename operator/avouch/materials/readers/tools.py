"""The tools that made a report, as Chainloop records them: the first by name and version, all as one JSON list."""

from collections.abc import Iterator

from avouch.materials.readers import document, jsons


def annotations(tools: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Name and version of the first tool, and the list of all. Tools without a name are left out."""
    named = [(name, version) for name, version in tools if document.plain(name)]
    if named:
        yield from one(*named[0])
        plain = [(document.plain(name), document.plain(version)) for name, version in named]
        yield document.TOOLS, jsons.compact([f"{name}@{version}" if version else name for name, version in plain])


def one(name: str, version: str = "") -> Iterator[tuple[str, str]]:
    """Name and version of the only tool."""
    yield document.TOOL, name
    yield document.TOOL_VERSION, version
