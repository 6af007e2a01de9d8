"""`python -m endomae`."""

from endomae.cli import main

if __name__ == "__main__":
    main()
