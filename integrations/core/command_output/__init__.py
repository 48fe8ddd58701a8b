"""What management commands write to the terminal.

`printable_command`  base class of the commands; removes control characters
`progress_display`   progress bars of a command that waits for runs
"""
