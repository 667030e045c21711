"""What everything else in one process is put together from."""

from __future__ import annotations

import os

from tocsin.adapters.crypto.secret_box import AesSecretBox
from tocsin.adapters.http.sender import HttpSender
from tocsin.adapters.jq.pool import JqTemplates
from tocsin.config import Settings, origin_of
from tocsin.model.endpoint import Endpoint
from tocsin.model.ids import IdMint
from tocsin.model.mail import MailFrom
from tocsin.model.noun import Noun
from tocsin.operations.endpoint_codec import EndpointCodec
from tocsin.operations.endpoints import Endpoints as EndpointOperations
from tocsin.pipeline.prepare import Preparation, pool_of, token_pool_of
from tocsin.pipeline.send import Ways
from tocsin.wiring.sending import make_ways
from tocsin.wiring.stores import Store
from tocsin.workers.endpoints import Endpoints
from tocsin.workers.following import Announcing
from tocsin.workers.store_clock import StoreClock


class Parts(Noun, frozen=True, kw_only=True):
    """`operations` is what people do with endpoints, `endpoints` what the loops know of them; `announcing` tells other
    processes that something moved; `now_ms` is the clock by which everything is stored."""

    settings: Settings
    store: Store
    sender: HttpSender
    ways: Ways
    mail_from: MailFrom | None
    box: AesSecretBox
    codec: EndpointCodec
    templates: JqTemplates
    endpoints: Endpoints
    announcing: Announcing
    operations: EndpointOperations
    mint: IdMint
    now_ms: StoreClock


async def make_parts(
    settings: Settings,
    store: Store,
    sender: HttpSender,
    mint: IdMint,
    box: AesSecretBox,
    now_ms: StoreClock,
) -> Parts:
    """Everything, with the endpoints loaded; a changed endpoint is followed from now on. Raises Misconfigured."""
    templates, codec = JqTemplates(), EndpointCodec(box)
    ways, mail_from = make_ways(settings, sender)
    endpoints = Endpoints(store.directory, store.directory, codec, origin=origin_of(settings), mail_from=mail_from)
    await endpoints.load()

    announcing = Announcing()

    def close_pools(number: int, before: Preparation | None) -> None:
        del number
        if before is not None:
            pool = pool_of(before.endpoint.id, before.endpoint.revision)
            sender.close_pool(pool)
            sender.close_pool(token_pool_of(pool))

    endpoints.followers.append(close_pools)
    endpoints.kept = announcing.changed

    async def follow(endpoint: Endpoint) -> None:
        del endpoint
        announcing.changed()
        await endpoints.reload()

    operations = EndpointOperations(
        store.directory,
        codec=codec,
        mint=mint,
        now_ms=now_ms,
        entropy=os.urandom,
        allow_http=settings.allow_http,
        allow_proxy=settings.proxy is None,
        standing=endpoints.standing,
        templates=templates,
        sends_mail=mail_from is not None,
        on_change=follow,
    )
    return Parts(
        settings=settings,
        store=store,
        sender=sender,
        ways=ways,
        mail_from=mail_from,
        box=box,
        codec=codec,
        templates=templates,
        endpoints=endpoints,
        announcing=announcing,
        operations=operations,
        mint=mint,
        now_ms=now_ms,
    )
