"""The command line starts fast because it imports nothing heavy."""

import subprocess
import sys


def test_help_imports_neither_polars_nor_sqlalchemy() -> None:
    program = (
        "import sys; sys.argv = ['twinrow', '--help']\n"
        "from twinrow.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert end.code in (0, None), end.code\n"
        "heavy = {'polars', 'sqlalchemy', 'httpx2', 'azure', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout
