"""What a runner shows of a finished attestation, as far as it has room."""

RESULT = "attestation-report"  # the Task result; it only surfaces where the Task declares it
RESULT_LIMIT = 3500  # bytes: Tekton's 4,096 for all results of a TaskRun, less the others and their frame
_TITLE = "Chainloop Attestation Report\n\n"
_CUT = "\n... (truncated)"


def tekton_result(table: str, link: str = "") -> str:
    """The text of the Task result: title, link, table; only the table is cut, and never inside a character.

    The link comes first, so that it is not what gets lost.

    >>> tekton_result("passed", "https://avouch.example/runs/1").splitlines()[2]
    'View details: https://avouch.example/runs/1'
    """
    head = f"{_TITLE}View details: {link}\n\n" if link else _TITLE
    if _size(head) + len(_CUT) > RESULT_LIMIT:
        head = _TITLE  # a link of that length is of no use to anybody
    left = RESULT_LIMIT - _size(head)
    if _size(table) <= left:
        return head + table
    kept = table.encode("utf-8", "replace")[: left - len(_CUT)].decode("utf-8", "ignore")
    return f"{head}{kept}{_CUT}"


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
