"""For all tests."""

import signal


def pytest_configure() -> None:
    """Let Ctrl-C work in the processes that tests start.

    A shell starts background jobs with SIGINT ignored, and all their children inherit that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
