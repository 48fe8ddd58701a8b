"""Webhook deliveries: in order for each tenant, in parallel between tenants, with the vendor's retries and a log.

The vendor promises no order. The sandbox sends each tenant's first attempts one after the other, so that tests are
repeatable. A retry may overtake later deliveries, and a fault rule changes the order on demand. The waits between
attempts are real time, multiplied by `webhook_time_scale`; they do not follow the sandbox's clock.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from integrations.sandbox.events import retries, signing
from integrations.sandbox.faults import WEBHOOK_KINDS, Faults, Rule
from integrations.sandbox.options import Options

LOG_LENGTH = 2000
AT_ONCE = 32
HOLD_MS = 1000.0
DELAY_MS = 500.0


@dataclass(slots=True, eq=False)
class Delivery:
    """One webhook with its attempts. It waits for the first attempt of the delivery `after`."""

    webhook_id: str
    event: str
    tenant: str
    body: bytes = field(repr=False)
    url: str
    signature: str = field(repr=False)
    after: Delivery | None = field(default=None, repr=False)
    state: str = "pending"
    tries: list[int | str] = field(default_factory=list)
    tried: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def summary(self) -> dict[str, Any]:
        """The delivery as JSON for the control pages."""
        return {
            "webhookId": self.webhook_id,
            "type": self.event,
            "tenant": self.tenant,
            "state": self.state,
            "tries": list(self.tries),
            "body": json.loads(self.body),
        }


class Deliveries:
    """Queue and log of webhook deliveries."""

    def __init__(self, options: Options, faults: Faults) -> None:
        self.log: deque[Delivery] = deque(maxlen=LOG_LENGTH)
        self.counts = {"sent": 0, "failed": 0, "pending": 0, "dropped": 0}
        self._options = options
        self._faults = faults
        self._key = signing.private_key(options.seed)
        self._mailboxes: dict[str, deque[Delivery]] = {}
        self._held: dict[str, Delivery] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Start sending."""
        timeout = aiohttp.ClientTimeout(total=self._options.webhook_timeout)
        self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())

    async def stop(self) -> None:
        """Stop sending; pending deliveries are dropped."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def send(self, tenant: str, body: dict[str, Any], url: str, after: Delivery | None = None) -> Delivery:
        """Queue a body with its envelope for `url`, behind the tenant's other deliveries."""
        raw = json.dumps(body, separators=(",", ":")).encode()
        sign = signing.signature(self._key, raw)
        delivery = Delivery(body["webhookId"], body["type"], tenant, raw, url, sign, after)
        self.log.append(delivery)
        rules = self._faults.pick(WEBHOOK_KINDS, {"event": delivery.event, "location": tenant})
        self.counts["pending"] += 1
        if rules:
            self._disturb(delivery, rules[0])
        else:
            self._queue(delivery)
        return delivery

    def resend(self, webhook_id: str) -> bool:
        """Send the same body again, as the vendor's log page can. False for an unknown id."""
        for delivery in self.log:
            if delivery.webhook_id == webhook_id:
                self._spawn(self._try(delivery))
                return True
        return False

    def _disturb(self, delivery: Delivery, rule: Rule) -> None:
        if rule.kind == "webhook-drop":
            self._settle(delivery, "dropped")
        elif rule.kind == "webhook-delay":
            self._spawn(self._queue_later(delivery, self._faults.milliseconds(rule.params, DELAY_MS)))
        elif rule.kind == "webhook-reorder":
            self._held[delivery.tenant] = delivery
            hold_ms = float(rule.params.get("hold_ms", HOLD_MS))
            self._spawn(self._release_later(delivery, hold_ms))
        elif rule.kind == "webhook-bad-signature":
            delivery.signature = signing.signature(self._key, delivery.body + b" ")
            self._queue(delivery)
        else:
            self._queue(delivery, copies=1 + int(rule.params.get("copies", 1)))

    def _queue(self, delivery: Delivery, copies: int = 1) -> None:
        tenant = delivery.tenant
        waiting = [delivery] * copies
        held = self._held.pop(tenant, None)
        if held is not None and held is not delivery:
            waiting.append(held)
        box = self._mailboxes.get(tenant)
        if box is not None:
            box.extend(waiting)
        else:
            self._mailboxes[tenant] = deque(waiting)
            self._spawn(self._empty(tenant))

    async def _queue_later(self, delivery: Delivery, milliseconds: float) -> None:
        await asyncio.sleep(milliseconds / 1000)
        self._queue(delivery)

    async def _release_later(self, delivery: Delivery, milliseconds: float) -> None:
        await asyncio.sleep(milliseconds / 1000)
        if self._held.get(delivery.tenant) is delivery:
            self._queue(delivery)

    async def _empty(self, tenant: str) -> None:
        box = self._mailboxes[tenant]
        while box:
            delivery = box.popleft()
            if delivery.after is not None:
                await delivery.after.tried.wait()
            await self._try(delivery)
        del self._mailboxes[tenant]

    async def _try(self, delivery: Delivery) -> None:
        status = await self._post(delivery)
        delivery.tried.set()
        if status is not None and 200 <= status < 300:
            self._settle(delivery, "delivered")
            return
        wait = retries.wait_before_retry(self._options.webhook_policy, status, len(delivery.tries))
        if wait is None:
            self._settle(delivery, "failed")
        elif delivery.state == "pending":
            self._spawn(self._retry(delivery, wait * self._options.webhook_time_scale))

    async def _retry(self, delivery: Delivery, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._try(delivery)

    async def _post(self, delivery: Delivery) -> int | None:
        """The status of the answer; None if there was none."""
        assert self._session is not None
        headers = {"Content-Type": "application/json", signing.HEADER: delivery.signature}
        try:
            async with (
                self._slots,
                self._session.post(delivery.url, data=delivery.body, headers=headers, allow_redirects=False) as answer,
            ):
                await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            delivery.tries.append(type(error).__name__)
            return None
        delivery.tries.append(answer.status)
        return answer.status

    def _settle(self, delivery: Delivery, state: str) -> None:
        """Count the outcome once; a duplicate's second answer changes nothing."""
        if delivery.state != "pending":
            return
        delivery.state = state
        delivery.tried.set()
        self.counts["pending"] -= 1
        self.counts["sent" if state == "delivered" else state] += 1

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
