"""Bootstep of the Celery consumer: keeps threads of a worker for the urgent queue.

A worker that serves the urgent queue and others has one pool of threads. Celery fetches from all queues up to one
limit, so jobs that hang would take every thread, and webhooks and token refreshes would wait behind them. This step
fetches from the other queues through a channel of its own, whose limit is lower than the number of threads. The
difference is what urgent tasks have for themselves (`celery_tasks.threads_by_queue`).

It also stops fetching when the process is about to end (`core.process.stopping`), and counts the connections to the
broker (`core.process.broker_connections`).
"""

from __future__ import annotations

from typing import Any

from celery import bootsteps
from kombu.common import ignore_errors

from integrations.core.celery_tasks import URGENT, threads_by_queue
from integrations.core.process import activity, broker_connections, stopping
from integrations.core.worker import fetching


class ReservedThreads(bootsteps.StartStopStep):
    """Step of the consumer's blueprint; Celery calls its methods. Starts again after every loss of the broker."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **options: Any) -> None:
        self._others: Any = None  # the kombu consumer of the queues that are not urgent
        super().__init__(consumer, **options)

    def start(self, consumer: Any) -> None:
        """Move the other queues to their own channel."""
        broker_connections.note()
        queues = consumer.app.amqp.queues.consume_from
        threads = threads_by_queue(consumer.pool.num_processes, list(queues))
        activity.set_capacity(threads)
        fetching.forget()
        fetching.admit(consumer.task_consumer.channel, stopping.takes_urgent)
        others = [queue for name, queue in queues.items() if name != URGENT]
        limit = min((threads[queue.name] for queue in others), default=0)
        if not others or limit == consumer.pool.num_processes:
            return
        for queue in others:
            consumer.task_consumer.cancel_by_queue(queue.name)
        channel = consumer.connection.channel()
        channel.basic_qos(0, limit, consumer.qos_global)
        fetching.admit(channel, lambda: not stopping.is_requested() and _busy() < limit)
        self._others = consumer.app.amqp.TaskConsumer(channel, queues=others, on_decode_error=consumer.on_decode_error)
        self._others.on_message = consumer.create_task_handler()
        self._others.consume()

    def stop(self, consumer: Any) -> None:
        """Fetch no more. The channels stay open, so that running tasks can be acknowledged."""
        if self._others is not None:
            ignore_errors(consumer, self._others.cancel)
        if consumer.task_consumer is not None:
            ignore_errors(consumer, consumer.task_consumer.cancel)
        ignore_errors(consumer, fetching.finish)

    def shutdown(self, consumer: Any) -> None:
        """Close the channel."""
        if self._others is not None:
            self.stop(consumer)
            ignore_errors(consumer, self._others.close)
            ignore_errors(consumer, self._others.channel.close)
            self._others = None


def _busy() -> int:
    """Threads with tasks of the other queues. Tasks fetched before the broker was lost are among them."""
    return sum(one.queue != URGENT for one in activity.running())
