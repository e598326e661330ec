"""Where every number of the course comes from: `python -m tools.measured where 28.1`.

    lessonNN/claims.py     numbers that the prose quotes: functions of a seed
    lessonNN/studies.py    tables and fits that a lesson shows without running them
    speed/                 what the presets and a step cost, and the claims about it
    claims, quoting        the register of claims; how they get into the prose
    tables, recordings, figures    the registers of what studies make
    stored/                results of claims, presets and benchmark; what the lessons load lies in
                           dipcourse/_recordings, which is packed with the package

A lesson's own functions are taken out of the lesson (``tools.lesson_code``), not written again.
"""
