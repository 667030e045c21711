"""The NATS servers that other tests rely on: three are a cluster, which has a leader again after it lost one."""

from __future__ import annotations

from tests.kit.nats import NatsCluster


async def test_a_cluster_finds_another_leader() -> None:
    async with NatsCluster() as cluster:
        leader = await cluster.wait()
        assert [url.startswith("nats://127.0.0.1:") for url in cluster.urls] == [True] * 3
        leader.kill()
        other = await cluster.wait()
        assert other is not leader
        leader.start()
        await cluster.wait()
        other.freeze()
        assert other.ask("/varz") is None
        other.thaw()
        await cluster.wait()
        await cluster.restart(other)
        assert all(server.is_up for server in cluster.servers)
