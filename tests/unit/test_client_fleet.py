"""Many small clients act as one: the first with room is taken, and none is made before it is needed."""

from contextlib import ExitStack

from app.providers.http import ClientFleet


async def test_few_requests_share_the_first_client() -> None:
    fleet = ClientFleet(connections=64, keep_s=5)

    with fleet.take() as one:
        pass
    with fleet.take() as two, fleet.take() as three:
        assert one is two is three
    await fleet.close()
    assert one.is_closed


async def test_more_requests_than_connections_take_another_client() -> None:
    fleet = ClientFleet(connections=2 * ClientFleet.CONNECTIONS, keep_s=5)

    with ExitStack() as stack:
        taken = [stack.enter_context(fleet.take()) for _ in range(2 * ClientFleet.CONNECTIONS)]
        assert [client is taken[0] for client in taken] == [True] * 8 + [False] * 8
        # All are busy: the least busy one lets it wait.
        with fleet.take() as one, fleet.take() as two:
            assert {one, two} == set(taken)
    with fleet.take() as again:
        assert again is taken[0]
    await fleet.close()
