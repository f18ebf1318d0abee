from tests.e2e.conftest import bed  # noqa: F401 - a fixture
from tests.support.clusters import control_plane  # noqa: F401 - a fixture
