"""Alerts to operators by e-mail and webhook: what the dashboard would say, when no operator looks at it.

Every minute the live checks (`console.doctor.live_checks`) run. A finding that lasts for `ALERT_AFTER_MINUTES` is sent
by e-mail and by webhook, again after `ALERT_REPEAT_HOURS`, and once more when it is over. Warnings wait for the end of
quiet hours; trouble does not.

The dispatcher starts it and not beat, whose end is one of the findings. No process of this deployment can tell that all
of them have ended. For that there is `ALERT_PING_URL`, an address that gets a request after every look: a service there
alarms when none comes.
"""
