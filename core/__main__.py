"""`python -m loopledger`: the command line, for those who have the package and not the command."""

from importlib import import_module

if __name__ == "__main__":
    # By its name, as the front door hands on the API: the core imports no adapter.
    import_module("loopledger.adapters.cli.main").main()
