"""Tasks on a contact, and the search over all of a location's tasks."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import Any

from integrations.sandbox.data.records import Task
from integrations.sandbox.data.world import Location
from integrations.sandbox.protocol import ApiCall, Reply, Route
from integrations.sandbox.refusals import not_found
from integrations.sandbox.resources.checks import Rules, body, limit, own, succeeded
from integrations.sandbox.resources.contacts.contacts import find
from integrations.sandbox.timestamps import iso, parse

RULES: Rules = {
    "title": "text",
    "body": "string",
    "dueDate": "date",
    "completed": "boolean",
    "assignedTo": "string",
}
FIELDS = {"title": "title", "body": "body", "completed": "completed", "assignedTo": "assigned_to"}


def list_tasks(call: ApiCall) -> Reply:
    """List the tasks on a contact."""
    location, contact = find(call)
    return Reply({"tasks": [_view(task) for task in location.tasks.where("contact_id", contact.id)]})


def get(call: ApiCall) -> Reply:
    """Return one task."""
    return Reply({"task": _view(_find(call)[1])})


def create(call: ApiCall) -> Reply:
    """Create a task."""
    location, contact = find(call)
    given = body(call, RULES, required=("title", "dueDate", "completed"))
    task = location.tasks.add(
        Task(
            id=call.world.ids.new(),
            location_id=location.id,
            contact_id=contact.id,
            added_at=call.world.now(),
            **_fields(given),
        )
    )
    call.publish("TaskCreate", location.id, _event(task))
    return Reply({"task": _view(task)}, 201)


def update(call: ApiCall) -> Reply:
    """Update a task."""
    return Reply({"task": _view(_store(call, body(call, RULES)))})


def complete(call: ApiCall) -> Reply:
    """Set whether a task is completed."""
    given = body(call, {"completed": "boolean"}, required=("completed",))
    return Reply({"task": _view(_store(call, given))})


def delete(call: ApiCall) -> Reply:
    """Delete a task."""
    location, task = _find(call)
    del location.tasks[task.id]
    call.publish("TaskDelete", location.id, _event(task))
    return Reply(succeeded(call, "succeeded"))


def search(call: ApiCall) -> Reply:
    """Search the tasks of a location."""
    rules: Rules = {
        "contactId": "strings",
        "completed": "boolean",
        "assignedTo": "strings",
        "query": "string",
        "limit": "number",
        "skip": "number",
        "businessId": "string",
    }
    given = body(call, rules)
    location = own(call, call.path["locationId"])
    skip, size = int(given.get("skip", 0)), limit(given, default=25)
    found = (task for task in location.tasks.in_order((("added_at", True),)) if _fits(task, given))
    rows = islice(found, skip, skip + size)
    return Reply({"tasks": [{**_view(task), "dateAdded": iso(task.added_at)} for task in rows]})


def _fits(task: Task, given: dict[str, Any]) -> bool:
    return (
        task.contact_id in given.get("contactId", [task.contact_id])
        and task.completed == given.get("completed", task.completed)
        and task.assigned_to in given.get("assignedTo", [task.assigned_to])
        and given.get("query", "").lower() in task.title.lower()
    )


def _find(call: ApiCall) -> tuple[Location, Task]:
    location, contact = find(call)
    task = location.tasks.get(call.path["taskId"])
    if task is None or task.contact_id != contact.id:
        raise not_found("Task", call.path["taskId"])
    return location, task


def _store(call: ApiCall, given: dict[str, Any]) -> Task:
    # The vendor has no TaskUpdate: only a task that becomes complete gets a webhook.
    location, old = _find(call)
    task = location.tasks.add(replace(old, **_fields(given)))
    if task.completed and not old.completed:
        call.publish("TaskComplete", location.id, _event(task))
    return task


def _fields(given: dict[str, Any]) -> dict[str, Any]:
    fields = {row: given[name] for name, row in FIELDS.items() if name in given}
    return fields | ({"due_at": parse(given["dueDate"])} if "dueDate" in given else {})


def _view(task: Task) -> dict[str, Any]:
    return {
        "id": task.id,
        "title": task.title,
        "body": task.body,
        "dueDate": iso(task.due_at),
        "completed": task.completed,
        "contactId": task.contact_id,
        **({"assignedTo": task.assigned_to} if task.assigned_to else {}),
    }


def _event(task: Task) -> dict[str, Any]:
    fields = {name: value for name, value in _view(task).items() if name != "completed"}
    return {**fields, "dateAdded": iso(task.added_at)}


READ, WRITE = ("contacts.readonly",), ("contacts.write",)
ONE = "/contacts/{contactId}/tasks/{taskId}"
ROUTES = (
    Route("GET", "/contacts/{contactId}/tasks", "get-all-tasks", list_tasks, READ),
    Route("POST", "/contacts/{contactId}/tasks", "create-task", create, WRITE),
    Route("GET", ONE, "get-task", get, READ),
    Route("PUT", ONE, "update-task", update, WRITE),
    Route("DELETE", ONE, "delete-task", delete, WRITE),
    Route("PUT", f"{ONE}/completed", "update-task-completed", complete, WRITE),
    Route("POST", "/locations/{locationId}/tasks/search", "task-search", search, ("locations/tasks.readonly",)),
)
