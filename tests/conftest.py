"""For all tests."""

import signal

from hypothesis import settings


def pytest_configure() -> None:
    """Let Ctrl-C work in the processes that tests start, and time fail no generated example.

    A shell starts background jobs with SIGINT ignored, and all their children inherit that.
    """
    settings.register_profile("untimed", deadline=None)
    settings.load_profile("untimed")
    signal.signal(signal.SIGINT, signal.default_int_handler)
