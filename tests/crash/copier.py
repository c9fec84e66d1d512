"""Takes backups and puts them back, again and again: `copier.py FOLDER LIFE`; it is killed meanwhile.

FOLDER has a data folder. What is done is said, a line for each.
"""

import sys
from pathlib import Path

import loopledger


def say(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def main():
    folder, life = Path(sys.argv[1]), sys.argv[2]
    with loopledger.open(folder / "data", workers=1) as ledger, loopledger.open(folder / "new") as other:
        say("ready")
        for number in range(10_000):
            ledger.backup(folder / "copy", force=True)
            say("saved", number)
            ledger.backup(folder / f"copy-{life}-{number}")
            say("saved anew", number)
            names = f"whole-{life}-{number}", f"part-{life}-{number}"
            other.restore(folder / "copy", called=names[0], chain_only=True)
            say("restored", names[0])
            other.restore(folder / "copy", called=names[1], seq=100, chain_only=True)
            say("restored", names[1])


main()
