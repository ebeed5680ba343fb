"""Tables on a terminal. Imported only where one is drawn: Rich costs a third of a command's time."""

import io

from rich import box, console, table, text

from avouch.cli import output

_TONES = {
    **dict.fromkeys(("True", "Passed", "ok", "added"), "green"),
    **dict.fromkeys(("False", "Failed", "Rejected", "Error", "missing", "owed", "failed"), "red"),
}


def drawn(found: output.Table, colour: bool) -> str:
    """The table as wide as the terminal, with cells that wrap."""
    grid = table.Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False)
    for number, column in enumerate(found.columns):
        grid.add_column(column, overflow="fold", no_wrap=number == 0)  # names stay whole, to be copied
    for row in found.rows:
        grid.add_row(*(text.Text(output.harmless(cell), style=_TONES.get(cell, "")) for cell in row))
    written = io.StringIO()
    console.Console(
        file=written, force_terminal=True, no_color=not colour, width=console.Console().width, highlight=False
    ).print(grid)
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines()) + "\n"
