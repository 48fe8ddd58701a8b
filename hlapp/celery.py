"""The Celery app: broker, queues, and what beat starts when.

Pitfalls that these values answer (each was reproduced): kombu's Redis pool has 10 connections and loses
acknowledgements beyond; its sockets wait for ever by default; a killed worker's messages come back only after the
visibility timeout, which is why every unit of work also has a row, and the dispatcher sends it again sooner
(`core.dispatch`).
"""

from __future__ import annotations

import sys
from typing import Any

from celery import Celery, signals
from celery.concurrency import get_implementation
from celery.worker.control import Panel
from django.conf import settings
from kombu import Exchange, Queue

from hlapp import project, time_limits
from hlapp.start import REFUSED, check_event_names, check_vault_keys, observe
from hlapp.supervisor import readiness
from integrations.console.doctor import beat_proof
from integrations.core.celery_tasks import DEFAULT, URGENT
from integrations.core.process import core_dumps
from integrations.core.worker import broker_tls, redis_clients
from integrations.core.worker.reserved_threads import ReservedThreads

project.prepare()

# Seconds. Beat's clock and a worker's are not the same: what a worker finds too old is never run, so this is what they
# may differ by. Workers that come back find so many seconds' sweeps, most of which have nothing to do.
_STALE = 60
ANSWERED = frozenset({"ping", "stats", "jobs.known"})  # the messages of the control channel that a worker answers
_POOL = "thread"  # the module of celery.concurrency

# RabbitMQ keeps a quorum queue on several nodes, and counts how often a message came.
_QUEUE_ARGUMENTS = {"x-queue-type": "quorum"} if settings.CELERY_BROKER_URL.startswith("amqp") else None

app = Celery("hlapp")
app.conf.update(
    broker_url=settings.CELERY_BROKER_URL,
    broker_use_ssl=broker_tls.options(settings.CELERY_BROKER_URL),
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "visibility_timeout": 900,
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
        "max_connections": 100,
        "socket_timeout": 30,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "socket_keepalive_options": time_limits.KEEPALIVE,
        "health_check_interval": 25,
        "global_keyprefix": f"{settings.NAMESPACE}:celery:",
        "queue_order_strategy": "priority",  # `-Q urgent,api`: in the order the worker names them
        **settings.REDIS.transport_options(settings.CELERY_BROKER_URL),
    }
    if settings.CELERY_BROKER_URL.startswith(("redis", "unix", "sentinel"))
    else {},
    task_default_queue=DEFAULT,
    # What a worker without -Q serves. With the urgent queue and another one it keeps threads for the first.
    task_queues=[
        Queue(name, Exchange(name), routing_key=name, queue_arguments=_QUEUE_ARGUMENTS) for name in (URGENT, DEFAULT)
    ],
    # Sweeps and the repair of a lost refresh answer must not wait behind ten thousand pages.
    task_routes={
        "*.sweep": {"queue": "urgent"},
        "console.heartbeat": {"queue": "urgent"},
        "tokens.repair": {"queue": "urgent"},
    },
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    worker_consumer="integrations.core.worker.reconnecting:ReconnectingConsumer",
    worker_pool="threads",  # `-P prefork`, which is Celery's default, means this too
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    timezone="UTC",
    beat_schedule={
        "tokens.sweep": {"task": "tokens.sweep", "schedule": 2.0, "options": {"expires": _STALE}},
        "installs.sweep": {"task": "installs.sweep", "schedule": 5.0, "options": {"expires": _STALE}},
        "sync.sweep": {"task": "sync.sweep", "schedule": 30.0, "options": {"expires": _STALE}},
        "jobs.sweep": {"task": "jobs.sweep", "schedule": 2.0, "options": {"expires": _STALE}},
        "jobs.update_schedules": {"task": "jobs.update_schedules", "schedule": 60.0, "options": {"expires": 60}},
        "outbox.sweep": {"task": "outbox.sweep", "schedule": 30.0, "options": {"expires": _STALE}},
        "webhooks.tidy": {"task": "webhooks.tidy", "schedule": 600.0, "options": {"expires": 600}},
        "quota.forecast": {"task": "quota.forecast", "schedule": 600.0, "options": {"expires": 600}},
        "quota.tidy": {"task": "quota.tidy", "schedule": 600.0, "options": {"expires": 600}},
        "console.heartbeat": {"task": "console.heartbeat", "schedule": 10.0, "options": {"expires": 10}},
        "console.export_audit_head": {
            "task": "console.export_audit_head",
            "schedule": 60.0,
            "options": {"expires": 60},
        },
        "gateway.tidy": {"task": "gateway.tidy", "schedule": 600.0, "options": {"expires": 600}},
        "problems.roll_up": {"task": "problems.roll_up", "schedule": 30.0, "options": {"expires": _STALE}},
        "problems.tidy": {"task": "problems.tidy", "schedule": 3600.0, "options": {"expires": 3600}},
        "exports.tidy": {"task": "exports.tidy", "schedule": 600.0, "options": {"expires": 600}},
        "upserts.tidy": {"task": "upserts.tidy", "schedule": 3600.0, "options": {"expires": 3600}},
        "vault.sign_rows": {"task": "vault.sign_rows", "schedule": 3600.0, "options": {"expires": 3600}},
        "privacy.tidy": {"task": "privacy.tidy", "schedule": 3600.0, "options": {"expires": 3600}},
    },
)
app.autodiscover_tasks()
redis_clients.keep()
app.steps["consumer"].add(ReservedThreads)


@signals.setup_logging.connect
def _keep_our_logging(**_: object) -> None:
    """Celery would install its own handlers; ours, with the redaction, are already there."""


@signals.before_task_publish.connect(sender=beat_proof.TASK)
def _prove_to_be_beat(body: Any, **_: object) -> None:
    body[1]["proof"] = beat_proof.make()


@signals.worker_init.connect
@signals.beat_init.connect
def _before_work(signal: object = None, **_: object) -> None:
    """SystemExit is the one exception that passes through a Celery signal."""
    observe("beat" if signal is signals.beat_init else "worker")
    core_dumps.forbid()
    time_limits.limit_sessions(time_limits.WORKER)
    check_event_names()
    check_vault_keys()


@signals.celeryd_init.connect
def _answer_questions_only(**_: object) -> None:
    """Who can write to the broker may ask workers, and may not stop, revoke, limit or reroute anything.

    Celery's own tasks (`celery.map` and others) go too: they start tasks by name, and none of ours uses them.
    """
    app.finalize()
    for name in Panel.data.keys() - ANSWERED:
        del Panel.data[name]
    for name in [name for name in app.tasks if name.startswith("celery.")]:
        del app.tasks[name]


@signals.worker_init.connect
def _refuse_other_pools(sender: Any, **_: object) -> None:
    """The guard of a worker, its reserved threads and its leases are made for threads of one process."""
    pool = get_implementation(sender.pool_cls).__module__.rpartition(".")[2]
    if pool != _POOL:
        sys.stderr.write(f"not started: a worker with the pool {pool} has no guard; start it with -P threads\n")
        sys.stderr.flush()
        raise SystemExit(REFUSED)


@signals.worker_ready.connect
def _start_threads(sender: Any, **_: object) -> None:
    """Until the last task has ended: a thread also renews the running parked ones. `sender` is the Celery consumer."""
    from integrations.core.dispatch import Dispatcher  # noqa: PLC0415 - models are not loaded before this
    from integrations.core.worker.guard import Guard  # noqa: PLC0415
    from integrations.quota.parking.parked_task_sender import ParkedTaskSender  # noqa: PLC0415
    from integrations.tokens.refresh.orphan_repair import Repairers  # noqa: PLC0415
    from integrations.tokens.spool.drain_thread import DrainThread  # noqa: PLC0415

    controller = sender.controller
    dispatcher = Dispatcher(threads=controller.concurrency, queues=sender.app.amqp.queues.consume_from)
    others = (ParkedTaskSender(), Repairers(), DrainThread())
    for one in (dispatcher, *others):
        one.start()
        signals.worker_shutdown.connect(lambda one=one, **_: one.stop(), weak=False)
    guard = Guard(controller, dispatcher, others=others, memory_limit=settings.WORKER_MEMORY_BYTES)
    guard.start()
    signals.worker_shutting_down.connect(lambda **_: guard.terminate(), weak=False)
    readiness.report()


@signals.beat_init.connect
def _report_beat(**_: object) -> None:
    """After `_before_work`, which ends the process when it must not run: receivers are called in their order."""
    readiness.report()
