"""The command line by ``python -m paramsearch``, where the script is not on the path."""

from paramsearch.cli.main import main

if __name__ == "__main__":
    main()
