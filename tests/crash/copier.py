"""Takes backups and puts them back, again and again: `copier.py FOLDER LIFE`; it is killed meanwhile.

FOLDER has a data folder. What is done is said, a line for each.
"""

import sys
from pathlib import Path

import loopledger


def main():
    folder, life = Path(sys.argv[1]), sys.argv[2]
    with loopledger.open(folder / "data", workers=1) as ledger, loopledger.open(folder / "new") as other:
        print("ready", flush=True)
        for number in range(10_000):
            ledger.backup(folder / "copy", force=True)
            print("saved", number, flush=True)
            ledger.backup(folder / f"copy-{life}-{number}")
            print("saved anew", number, flush=True)
            names = f"whole-{life}-{number}", f"part-{life}-{number}"
            other.restore(folder / "copy", called=names[0], chain_only=True)
            print("restored", names[0], flush=True)
            other.restore(folder / "copy", called=names[1], seq=100, chain_only=True)
            print("restored", names[1], flush=True)


main()
