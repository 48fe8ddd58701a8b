"""A location created while the sandbox runs, with one user and the requested number of contacts."""

from __future__ import annotations

from integrations.sandbox.data import seed_data
from integrations.sandbox.data.records import User
from integrations.sandbox.data.world import Company, Location, World


def location(world: World, company: Company, name: str, contacts: int) -> Location:
    """A new location, which is not yet part of the world."""
    ids = world.ids
    made = Location(
        id=ids.new(),
        company_id=company.id,
        name=name,
        address="1 Main Street",
        city="Austin",
        state="TX",
        country="US",
        timezone="America/Chicago",
        email=f"office@{company.email.partition('@')[2]}",
    )
    user = User(
        id=ids.new(),
        company_id=company.id,
        first_name="Nova",
        last_name="Comer",
        email=f"nova@{company.email.partition('@')[2]}",
        phone=seed_data.phone(0),
        type="account",
        role="admin",
        location_ids=(made.id,),
    )
    made.users[user.id] = company.users[user.id] = user
    seed_data.fill(made, ids, contacts=contacts, until=world.now())
    return made
