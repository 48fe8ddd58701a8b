"""`@background_job`: decorator that defines a job which workers run for each tenant, and the registry of all jobs.

::

    @background_job("welcome.tag_newcomers", every=timedelta(hours=1))
    def tag_newcomers(run: JobRun) -> None: ...

Define it in the `jobs.py` of an installed app: it is then scheduled, shown in the admin and can be started by hand.
The engine may call the function again at any time (a worker was killed, its turn was over, it waited for a permit).
Listings that it reads with `run` continue where they stopped; everything else must be safe to repeat.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from integrations.core import own_apps
from integrations.core.errors import BadRequest
from integrations.core.tenant import UserType
from integrations.jobs import wall_times
from integrations.jobs.job_run import JobRun
from integrations.jobs.wall_times import WallTimes
from integrations.quota.permits.lanes import Lane
from integrations.tenants.installation_change import InstallationChange

__all__ = ["JOBS", "Job", "JobRun", "background_job", "find"]  # JobRun: a job's module imports from here alone

Function = Callable[[JobRun], None]
LONGEST_NAME = 80
# The webhooks come too early and too late for a job: before there is a token, and after the token is gone. Either may
# be lost, too. So the job starts when the installation itself begins or ends.
UNINSTALLED = InstallationChange.What.UNINSTALLED.value
LIFECYCLE_OF = {"INSTALL": InstallationChange.What.INSTALLED.value, "UNINSTALL": UNINSTALLED}
SHORTEST_EVERY = timedelta(minutes=1)  # events are for what has to happen sooner


@dataclass(frozen=True, slots=True)
class Job:
    """One defined job. `level` is the kind of tenant it runs for: every installed location, or every company."""

    name: str
    function: Function
    every: timedelta | None
    events: tuple[str, ...]
    lane: Lane
    level: UserType
    scopes: frozenset[str] = frozenset()
    times: WallTimes | None = None
    catch_up: timedelta | None = None

    @property
    def is_scheduled(self) -> bool:
        """Whether time starts it, and not only events and operators."""
        return self.every is not None or self.times is not None

    @property
    def runs_after_uninstall(self) -> bool:
        """Whether it runs after an uninstall, when there is no token any more."""
        return self.events == (UNINSTALLED,)

    @property
    def title(self) -> str:
        """The first line of its docstring: what it does."""
        return (self.function.__doc__ or self.name).strip().partition("\n")[0]


JOBS: dict[str, Job] = {}


def background_job(  # noqa: PLR0913 - a declaration, with one name for each part
    name: str,
    *,
    every: timedelta | None = None,
    on: str | tuple[str, ...] = (),
    lane: Lane | None = None,
    level: UserType = UserType.LOCATION,
    scopes: tuple[str, ...] = (),
    at: str = "",
    cron: str = "",
    catch_up: timedelta | None = None,
) -> Callable[[Function], Function]:
    """Define a job under a name like `welcome.tag_newcomers`. It runs once at a time for each tenant:

    every so often (`every`, spread over the tenants), when an event of a type comes in (`on`; `run.events()` has them),
    when the installation changes (`on="installed"`, or another name of `InstallationChange.What`), and whenever an
    operator starts it (`manage.py job run`, the admin pages).

    `at="20:00"` runs it every day at that time, `cron="30 8 * * mon-fri"` at the times of a cron expression. Both are
    in the time zone of the location, and in UTC for companies and while the zone is unknown (`tenants.time_zones`).
    One run catches up on all that was missed while no worker ran; with `catch_up` only if it is at most so late.

    `lane` is its quota lane; the default is EVENTS for a job that only events start, else BULK. `scopes` are those that
    it needs: it runs only for tenants that granted them, and pages say where it is disabled. Raises BadRequest for a
    name that is taken, for a generator and an async function, and for times that make no sense.
    """
    if sum(map(bool, (every, at, cron))) > 1 or (catch_up is not None and not (at or cron)):
        raise BadRequest(f"{name!r}: choose one of `every`, `at` and `cron`; `catch_up` goes with the last two")
    times = wall_times.daily(at) if at else wall_times.cron(cron) if cron else None
    types = tuple(LIFECYCLE_OF.get(name, name) for name in ((on,) if isinstance(on, str) else on))

    def define(function: Function) -> Function:
        known = JOBS.get(name)
        if known is not None and known.function.__code__ is not function.__code__:
            raise BadRequest(f"there are two background jobs {name!r}")
        if len(name) > LONGEST_NAME or (every is not None and every < SHORTEST_EVERY):
            raise BadRequest(f"{name!r}: a name has at most {LONGEST_NAME} characters, `every` is a minute or more")
        own_apps.check_runs_when_called(function, f"the background job {name!r}")
        chosen = lane or (Lane.EVENTS if types and every is None and times is None else Lane.BULK)
        JOBS[name] = Job(name, function, every, types, chosen, level, frozenset(scopes), times, catch_up)
        return function

    return define


def find(name: str) -> Job:
    """The job of that name. Raises BadRequest, which lists the defined names."""
    if name not in JOBS:
        raise BadRequest(f"there is no job {name!r}; there are: {', '.join(sorted(JOBS)) or 'none yet'}")
    return JOBS[name]
