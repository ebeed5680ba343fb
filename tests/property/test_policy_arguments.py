"""Arguments of policies against the plainest statement of their rules."""

import hypothesis
from hypothesis import strategies as st

from avouch import errors
from avouch.policy import arguments, templates

texts = st.text("ab \\,\n\r\t\x0b\x85\u2028", max_size=30) | st.text(max_size=30)


def specified(text: str) -> arguments.Value | None:
    """Character by character: a line feed or a comma ends a part, unless a comma follows a backslash."""
    parts, part = [], ""
    for character in text:
        if character == "," and part.endswith("\\"):
            part = part[:-1] + ","
        elif character == "," or character == "\n":
            parts.append(part)
            part = ""
        else:
            part += character
    found = [each.strip() for each in (*parts, part) if each.strip()]
    return (found[0] if len(found) == 1 else found) if found else None


@hypothesis.given(text=texts)
def test_a_text_is_cut_at_lines_and_commas(text: str) -> None:
    assert arguments.value_of(text) == specified(text)


@hypothesis.given(parts=st.lists(st.text(max_size=8) | st.sampled_from(["{{", "}}", "{", "inputs.", "."]), max_size=8),
                  value=st.text(max_size=8))  # fmt: skip
def test_a_text_is_filled_or_refused(parts: list[str], value: str) -> None:
    text = "".join(parts)
    try:
        made = templates.filled(f"{text} {{{{ inputs.x }}}}", {"x": value})
    except errors.Invalid:
        assert "{{" in text or text.endswith("{")
        return
    assert made.endswith(f" {value}")
