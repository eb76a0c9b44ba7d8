"""The `webbody` command, also as `python -m webbody` and under torchrun."""

from webbody.working_folder import put_last


def run() -> None:
    """Entry point; fixes the import path before any other import."""
    put_last()
    from webbody.cli import main

    main()


if __name__ == "__main__":
    run()
