"""The download of an export's files, for operators who may see personal data. Each download is in the audit trail."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.db.models import Sum
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.shortcuts import get_object_or_404

from integrations.core import audit, clock, masking
from integrations.core.admin import operator
from integrations.core.lists import spreadsheet
from integrations.exports import export_files
from integrations.exports.models import Export, Run

DOWNLOAD = "exports.download_export"
_TYPES = {
    Export.Form.CSV: "text/csv; charset=utf-8",
    Export.Form.JSON_LINES: "application/jsonl",
    Export.Form.PARQUET: "application/vnd.apache.parquet",
}


def download(request: HttpRequest, run_id: int, resource: str, number: int = 0) -> StreamingHttpResponse:
    """All of one resource that a run wrote, or its file of this number, streamed.

    Raises PermissionDenied without the permissions, Http404 for what is not there or has expired.
    """
    if not request.user.has_perms((DOWNLOAD, masking.PERMISSION)):
        raise PermissionDenied
    run = get_object_or_404(Run.objects.select_related("export"), pk=run_id)
    parts = export_files.available(run, clock.now()).filter(resource=resource)
    parts = parts.filter(number=number) if number else parts
    size = parts.aggregate(size=Sum("size"))["size"]
    if size is None or (run.export.form == Export.Form.PARQUET and not number):
        raise Http404("The file is not there any more.")
    name = f"{resource}-{run.pk}{f'-{number}' if number else ''}.{run.export.form}"
    audit.record("export.downloaded", actor=operator(request), subject=f"export:{run.export_id}", run=run.pk, file=name)
    answer = StreamingHttpResponse(export_files.read(parts), content_type=_TYPES[Export.Form(run.export.form)])
    answer["Content-Disposition"] = spreadsheet.attachment(name)
    answer["Content-Length"] = str(size)
    return answer
