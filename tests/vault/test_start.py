"""A wrong or missing key stops web, worker and beat at start-up, names the key, and harms nothing."""

from __future__ import annotations

import pytest

from integrations.tokens.models import Credential
from tests.vault.conftest import entry, make_rows, spawn

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.mark.parametrize("argv", [["-c", "import hlapp.wsgi"], ["-c", "import hlapp.asgi"]])
@pytest.mark.parametrize(
    ("ids", "named"), [(["k2"], "'k1' (6 values)"), ([entry("k1", "another ")], "under the id 'k1'")]
)
def test_a_web_process_does_not_start_with_a_wrong_or_missing_key(app, ring, argv, ids, named) -> None:
    make_rows(app, 2)
    refused(argv, ids, named, ring)


@pytest.mark.parametrize("kind", ["worker", "beat --pidfile= -s {folder}/schedule"])
def test_neither_does_celery(app, ring, kind, tmp_path) -> None:
    make_rows(app, 2)
    argv = kind.format(folder=tmp_path).split()
    refused(["-m", "celery", "-A", "hlapp", "--quiet", *argv], ["k2"], "'k1' (6 values)", ring)


def refused(argv: list[str], ids: list[str], named: str, ring) -> None:
    wrong = ring(*ids)
    before = dict(Credential.objects.values_list("pk", "access_sealed"))
    with spawn(*argv, ring=wrong) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 3, err
    lines = [line for line in err.splitlines() if "not started" in line]
    assert len(lines) == 1
    assert named in lines[0]
    assert "Traceback" not in err
    assert all(item.partition(":")[2] not in err for item in wrong)
    assert dict(Credential.objects.values_list("pk", "access_sealed")) == before


def test_the_right_ring_starts(app, ring) -> None:
    make_rows(app, 2)
    with spawn("-c", "import hlapp.wsgi; print('up')", ring=ring("k2", "k1")) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out.strip()) == (0, "up"), err


def test_a_web_process_comes_up_without_its_database(ring) -> None:
    """It has to answer 503; the ring is proven at its first use."""
    code = (
        "import hlapp.wsgi; from integrations.vault import keys\n"
        "from django.db import OperationalError\n"
        "try: keys.ring()\n"
        "except OperationalError: print('unproven, unused')"
    )
    options = "?connect_timeout=1&pool=false"
    wrapped = f"import os; os.environ['DATABASE_URL'] = 'postgresql://nobody@127.0.0.1:1/none{options}'\n{code}"
    with spawn("-c", wrapped, ring=ring("k1")) as process:
        out, err = process.communicate(timeout=100)
    assert "unproven, unused" in out, err
    assert "vault.unproven" in err
