from tests.e2e.conftest import bed  # noqa: F401 - a fixture
