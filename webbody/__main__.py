"""`python -m webbody`, which torchrun needs: the `webbody` command."""

from webbody.cli import main

if __name__ == "__main__":
    main()
