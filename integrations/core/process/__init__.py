"""State of this process: the tasks and turns that its threads work on, its memory, and whether it is stopping.

`activity`         the running tasks and turns, since when, and when a turn last wrote to its run
`stopping`         the flag that asks turns to hand their runs back
`memory`           resident memory, and how much of it a worker may use
`source_position`  file and line of an exception or of a thread
"""
