"""World from a seed: the same arguments give the same agencies, locations, ids and people.

Dates end at `until`, by default a fixed day, so that two runs are the same. `seed_data` has the numbers of records.
"""

from __future__ import annotations

from integrations.sandbox.data import seed_data
from integrations.sandbox.data.ids import Ids
from integrations.sandbox.data.records import User
from integrations.sandbox.data.seed_words import AGENCY_NAMES, BUSINESSES, CITIES, FIRST_NAMES, LAST_NAMES, STREETS
from integrations.sandbox.data.world import Company, Location, World

UNTIL = 1_793_491_200_000  # 2026-11-01T00:00:00Z
USERS_PER_LOCATION = 3


def seed(*, companies: int, locations: int, contacts: int, seed: int, until: int = UNTIL) -> World:
    """`companies` agencies with `locations` locations each and `contacts` contacts in each location.

    `until` (milliseconds since 1970) is the newest date of anything but coming appointments.
    """
    world = World(ids=Ids(f"runtime-{seed}"))
    for number in range(companies):
        # One stream of ids for each company and location: more of one leaves the others unchanged.
        company = _company(Ids(f"{seed}-{number}"), number)
        for index in range(locations):
            ids = Ids(f"{seed}-{number}-{index}")
            location = _location(ids, company, index)
            seed_data.fill(location, ids, contacts=contacts, until=until)
            company.locations[location.id] = location
        world.add(company)
    return world


def _company(ids: Ids, number: int) -> Company:
    name = AGENCY_NAMES[number % len(AGENCY_NAMES)]
    if number >= len(AGENCY_NAMES):
        name = f"{name} {number // len(AGENCY_NAMES) + 1}"
    slug = name.lower().replace(" ", "-")
    company = Company(id=ids.new(), name=name, email=f"hello@{slug}.example.com")
    owner = _user(ids, company.id, "agency", ())
    company.users[owner.id] = owner
    return company


def _location(ids: Ids, company: Company, number: int) -> Location:
    pick = ids.random
    city, state, country, postal_code, timezone = pick.choice(CITIES)
    name = f"{city} {BUSINESSES[number % len(BUSINESSES)]}"
    slug = name.lower().replace(" ", "-")
    location = Location(
        id=ids.new(),
        company_id=company.id,
        name=name,
        address=f"{pick.randint(1, 999)} {pick.choice(STREETS)}",
        city=city,
        state=state,
        country=country,
        timezone=timezone,
        email=f"office-{number}@{slug}.example.com",
        phone=seed_data.phone(ids.random.randrange(seed_data.PHONES)),
        postal_code=postal_code,
        website=f"https://{slug}.example.com",
    )
    for _ in range(USERS_PER_LOCATION):
        user = _user(ids, company.id, "account", (location.id,))
        location.users[user.id] = company.users[user.id] = user
    return location


def _user(ids: Ids, company_id: str, kind: str, location_ids: tuple[str, ...]) -> User:
    first, last = ids.random.choice(FIRST_NAMES), ids.random.choice(LAST_NAMES)
    user_id = ids.new()
    return User(
        id=user_id,
        company_id=company_id,
        first_name=first,
        last_name=last,
        email=f"{first}.{last}.{user_id[:4]}@staff.example.com".lower(),
        phone=seed_data.phone(ids.random.randrange(seed_data.PHONES)),
        type=kind,
        role="admin" if kind == "agency" else ids.random.choice(("admin", "user")),
        location_ids=location_ids,
    )
