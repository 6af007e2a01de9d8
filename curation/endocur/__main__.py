"""`python -m endocur`."""

from endocur.cli import main

if __name__ == "__main__":
    main()
