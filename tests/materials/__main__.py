"""Write tests/assets/materials anew from the table of cases: `python -m tests.materials`."""

import shutil

from tests.materials import table

if __name__ == "__main__":
    shutil.rmtree(table.FOLDER, ignore_errors=True)
    for name, case in (*table.good(), *table.bad()):
        path = table.FOLDER / name / case.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(case.content)
    print(f"{sum(1 for _ in table.good())} good and {sum(1 for _ in table.bad())} bad files in {table.FOLDER}")
