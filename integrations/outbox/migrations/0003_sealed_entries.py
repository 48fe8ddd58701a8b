"""A seal over each entry of the outbox. Entries that are not done are sealed as they are found."""

from django.db import migrations, models

from integrations.outbox import entry_seal
from integrations.vault import keys
from integrations.vault.seal import seal_under

BATCH = 500


def seal(apps, schema_editor):
    Entry = apps.get_model("outbox", "Entry")
    ring = None
    for entry in Entry.objects.exclude(state="done").select_related("outbox").iterator(BATCH):
        ring = ring or keys.unproven()  # its proof reads tables that later migrations may not have changed yet
        text = entry_seal.text(entry, entry.key, may_be_sent=entry.state in ("waiting", "sent"))
        sealed = seal_under(ring, ring.newest, text, entry_seal.binding(entry))
        Entry.objects.filter(pk=entry.pk).update(sealed=sealed)


class Migration(migrations.Migration):
    dependencies = [("outbox", "0002_trace_ids")]

    operations = [
        migrations.AddField("entry", "sealed", models.BinaryField(null=True)),
        migrations.RunPython(seal, migrations.RunPython.noop),
    ]
