"""How what was adopted ends with everything around it: a namespace is deleted in the middle."""

import pytest

from canary_operator.playground.client import NAMESPACES, NotFoundError
from tests.support.adopting import Shop
from tests.support.bed import Bed
from tests.support.clusters import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

PATIENCE_SECONDS = 60.0


async def test_a_namespace_goes_with_what_was_adopted_in_it(bed: Bed) -> None:
    shop = Shop(bed, await bed.cluster.namespace())
    await shop.apply_deployment()
    await shop.apply_service()
    release = await shop.adopt()
    await shop.apply_deployment("v2", replicas=None)
    await release.until_weight(20)
    await bed.client.delete(NAMESPACES, shop.namespace)

    async def gone() -> bool:
        try:
            await bed.client.get(NAMESPACES, shop.namespace)
        except NotFoundError:
            return True
        return False

    await eventually(gone, PATIENCE_SECONDS)
