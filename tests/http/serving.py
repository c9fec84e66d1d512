"""How a server is begun in a process of its own."""

import sys

PROGRAM = (sys.executable, "-W", "error", "-c", "from loopledger.adapters.cli.main import main; main()")
