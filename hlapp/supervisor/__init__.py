"""Process supervisor: keeps web, workers and beat running on one machine. `manage.py serve` and the demo use it.

`programs`         what is started: commands of web, worker-urgent, worker and beat
`started_program`  one running process
`keeper`           keeps one program running: restarts, renewal, memory
`supervisor`       all of them together
`resident`         memory of a process and its children
`readiness`        how a process tells its supervisor that it does its work
`outputs`          where the lines of the processes go
`code_check`       whether processes would start with the code and configuration as they are now
"""
