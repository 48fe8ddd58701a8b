"""A Redis channel of kombu makes one client, and another one when its pool is replaced."""

from __future__ import annotations

import redis
from celery import current_app


def test_a_channel_keeps_its_client_until_its_pool_is_replaced(clean_redis: redis.Redis) -> None:
    with current_app.connection_for_write() as connection:
        channel, other = connection.channel(), connection.channel()
        with channel.conn_or_acquire() as first, channel.conn_or_acquire() as second:
            assert first is second
            assert first is not channel.client, "the client that fetches is not shared with other commands"
        with other.conn_or_acquire() as elsewhere:
            assert elsewhere is not first
        channel._disconnect_pools()
        with channel.conn_or_acquire() as third:
            assert third is not first
            assert third.connection_pool is channel.pool
            assert third.ping()
