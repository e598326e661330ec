"""The process that runs a submission, behind walls, and how the grader calls its functions.

    walls    bubblewrap around a process that waits
    course   the package as a submission finds it
    inside   the process: waits, forks, runs cells (the grader does not import it)
    remote   functions and networks of the other process
    wire     what crosses: numbers

The grader's process never runs code of a submission, and that of a submission never holds a test.
"""
