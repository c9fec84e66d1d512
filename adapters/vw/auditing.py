"""The program that lets VowpalWabbit predict with its audit on: `python auditing.py OPTIONS`.

It reads contexts from its standard input, one a line, and prints what VowpalWabbit does, with a
line after each. It imports nothing of loopledger, which would take several times as long as all
that it does.
"""

import os
import sys
from typing import Any

import pylibvw


def main() -> None:
    """Predict for each context."""
    workspace: Any = pylibvw.vw([*sys.argv[1:], "--audit"])
    for line in sys.stdin.buffer:
        examples = workspace._parse(line.decode())  # noqa: SLF001
        pylibvw.vw.predict_multi(workspace, examples)
        os.write(1, b"= = =\n")
        workspace._finish_example_multi_ex(examples)  # noqa: SLF001
    workspace.finish()


if __name__ == "__main__":
    main()
