"""YAML as Kubernetes reads it. Imported only where YAML is written."""

from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    """Lists are indented below their key, and many lines stay many lines."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent lists too."""
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        """No anchors: readers of Kubernetes' YAML are people."""
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def written(answer: Any) -> str:
    """One document."""
    return yaml.dump(answer, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)
