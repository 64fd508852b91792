"""`python -m brushwork` is the command `brushwork`."""

from brushwork.cli import main

if __name__ == "__main__":
    main()
