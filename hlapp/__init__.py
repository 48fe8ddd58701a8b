"""The Django project: settings, URLs, the Celery app, logs and the embedded services of a development run."""
