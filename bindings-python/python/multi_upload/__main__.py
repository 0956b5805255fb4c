"""The ``multi-upload`` command: the same program as the binary, out of the native library."""

from __future__ import annotations


def main() -> int:
    """Runs the command with this process's arguments and returns its exit code."""
    import signal
    import sys

    from ._base import load

    # Python only notes a Ctrl-C for later; the command deals with it at once.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    code: int = load().run_cli(["multi-upload", *sys.argv[1:]])
    return code


if __name__ == "__main__":
    raise SystemExit(main())
