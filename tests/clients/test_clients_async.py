"""The asynchronous face of the newer Python client, which has the same operations."""

import pytest
from wishes import even, probabilities, rank, slots

pytest.importorskip("azure.ai.personalizer")
pytest.importorskip("aiohttp")


@pytest.fixture
def open_clients():
    from azure.ai.personalizer.aio import PersonalizerAdministrationClient, PersonalizerClient
    from azure.core.credentials import AzureKeyCredential

    def open_clients(server, key):
        more = {"connection_verify": server.certificate} if server.certificate else {}
        kinds = (PersonalizerClient, PersonalizerAdministrationClient)
        return tuple(kind(server.endpoint, AzureKeyCredential(key), retry_total=0, **more) for kind in kinds)

    return open_clients


async def test_its_operations(server, new_loop, open_clients):
    name, key = new_loop(server, "learned")
    client, administration = open_clients(server, key)
    async with client, administration:
        answer = await client.rank(rank(eventId="a/b ü", deferActivation=True))
        assert max(probabilities(answer).values()) > 0.5
        await client.activate("a/b ü")
        await client.reward("a/b ü", {"value": 0.5})
        configuration = await administration.get_service_configuration()
        configuration["rewardWaitTime"] = "PT12H"
        assert (await administration.update_service_configuration(configuration))["rewardWaitTime"] == "PT12H"
        policy = await administration.get_policy()
        assert await administration.update_policy(policy) == policy
        signed = b"".join([part async for part in await administration.export_model(signed=True)])
        await administration.reset_model()
        assert even(await client.rank(rank()))
        await administration.import_model(signed)
        assert max(probabilities(await client.rank(rank())).values()) > 0.5
        assert set(await administration.get_model_properties()) == {"creationTime", "lastModifiedTime"}
        assert set(await administration.get_log_properties()) == {"dateRange"}
        assert "--cb_explore_adf" in (await administration.reset_policy())["arguments"]
        await administration.delete_logs()
    assert server.problems(name) == []


async def test_its_slots(server, new_loop, open_clients):
    name, key = new_loop(server, "slots")
    client, administration = open_clients(server, key)
    async with client, administration:
        answer = await client.rank_multi_slot(slots(eventId="e", deferActivation=True))
        assert [slot["id"] for slot in answer["slots"]] == ["top", "side"]
        await client.activate_multi_slot("e")
        await client.reward_multi_slot("e", {"reward": [{"slotId": "top", "value": 1}]})
    assert [event["kind"] for event in server.log(name)][-2:] == ["Activated", "Rewarded"]


async def test_its_refusals(server, new_loop, open_clients):
    from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError

    _, key = new_loop(server)
    client, administration = open_clients(server, key)
    async with client, administration:
        with pytest.raises(HttpResponseError) as refused:
            await client.rank({"actions": []})
        assert (refused.value.status_code, refused.value.error.code) == (400, "InvalidRankRequest")
        with pytest.raises(ResourceNotFoundError):
            await administration.get_log_properties()
    client, administration = open_clients(server, "nobody's")
    async with client, administration:
        with pytest.raises(ClientAuthenticationError):
            await client.rank(rank())
