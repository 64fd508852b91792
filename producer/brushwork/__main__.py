"""Run the command `brushwork` by `python -m brushwork`."""

from brushwork.cli import main

if __name__ == "__main__":
    main()
