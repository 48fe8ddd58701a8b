"""A sealed value opens where it stands and nowhere else."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.core.errors import SealBroken
from integrations.core.secret import Secret
from integrations.vault import key_checks, keys
from integrations.vault.seal import Binding, key_id_of, seal, unseal

HERE = Binding(owner=("credential", "1", "Location", "loc1"), field="access_token", generation=3)


@pytest.fixture(autouse=True, scope="module")
def _without_a_database() -> Iterator[None]:
    """What sealing is can be said without the check values of the key ring, which are in the database."""
    keys.prove_with(lambda ring: None)
    yield
    keys.prove_with(key_checks.prove)


bindings = st.builds(
    Binding,
    owner=st.lists(st.text(max_size=12), min_size=1, max_size=4).map(tuple),
    field=st.text(min_size=1, max_size=12),
    generation=st.integers(0, 2**40),
)


@given(text=st.text(max_size=3000), binding=bindings)
def test_it_opens_under_its_own_binding(text: str, binding: Binding) -> None:
    assert unseal(seal(Secret(text), binding), binding).reveal() == text


@given(one=bindings, other=bindings)
def test_it_opens_under_no_other_binding(one: Binding, other: Binding) -> None:
    if one == other:
        return
    with pytest.raises(SealBroken):
        unseal(seal(Secret("token"), one), other)


@given(first=st.text(max_size=6), second=st.text(max_size=6))
def test_parts_of_an_owner_do_not_run_into_each_other(first: str, second: str) -> None:
    joined = Binding(owner=(first + second, ""), field="f", generation=1)
    parted = Binding(owner=(first, second), field="f", generation=1)
    assert (joined.encode() == parted.encode()) == (joined == parted)


@given(position=st.integers(min_value=0, max_value=10_000), flip=st.integers(1, 255))
def test_no_byte_can_be_changed(position: int, flip: int) -> None:
    blob = bytearray(seal(Secret("token"), HERE))
    blob[position % len(blob)] ^= flip
    with pytest.raises(SealBroken):
        unseal(bytes(blob), HERE)


@given(junk=st.binary(max_size=80))
def test_junk_is_a_broken_seal_and_nothing_worse(junk: bytes) -> None:
    with pytest.raises(SealBroken):
        unseal(junk, HERE)


def test_two_seals_of_one_text_differ() -> None:
    assert seal(Secret("token"), HERE) != seal(Secret("token"), HERE)


def test_older_keys_open_and_the_newest_seals(settings) -> None:
    old, new = (f"{name}:{base64.b64encode(name[:1].encode() * 32).decode()}" for name in ("old", "new"))
    settings.VAULT_KEYS = [old]
    blob = seal(Secret("token"), HERE)
    settings.VAULT_KEYS = [new, old]
    assert unseal(blob, HERE).reveal() == "token"
    assert key_id_of(seal(Secret("token"), HERE)) == "new"


def test_a_missing_key_is_named(settings) -> None:
    blob = seal(Secret("token"), HERE)
    missing = key_id_of(blob)
    settings.VAULT_KEYS = [f"other:{base64.b64encode(bytes(32)).decode()}"]
    with pytest.raises(SealBroken, match=missing):
        unseal(blob, HERE)


@pytest.mark.parametrize(
    ("entries", "complaint"),
    [
        ([], "at least one key"),
        (["nocolon"], "entry 1"),
        (["a:AAAA"], "'a' is not the base64 of 32 bytes"),
        (["a:!!!!"], "'a' is not the base64 of 32 bytes"),
        ([f"a:{base64.b64encode(bytes(32)).decode()}"] * 2, "is listed twice"),
    ],
)
def test_a_bad_ring_says_which_entry(entries: list[str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        keys.parse(entries)


def test_a_ring_shows_its_key_ids_only() -> None:
    secret = base64.b64encode(b"k" * 32).decode()
    assert secret not in repr(keys.parse([f"a:{secret}"]))
