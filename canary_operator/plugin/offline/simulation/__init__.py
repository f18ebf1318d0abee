"""Plays a rollout with the operator's own decisions, on a virtual clock and drawn requests.

    asked.py  subject.py            what a command line means: which rollout, which scenario
    scenario.py  scenario_file.py   what happens meanwhile: `errors=5%@step2`, or YAML
    stage.py                        what holds at a moment of a scenario
    chance.py                       random counts, exact and from a seed
    traffic.py  telemetry.py        requests, as proxies count and Prometheus sees them
    setup.py  clock.py              what is played, and when it begins
    play.py                         one rollout: the engine, its world, and the clock
    recorder.py  ending.py          what the engine records of it, and what it comes to
    timeline.py                     what happened in it
    runs.py  progress.py            many rollouts, in two processes
    outcomes.py                     how often they ended in which way
    told.py  exported.py            all that in words, and for programs

Verdicts, weights and times are the engine's; nothing of its rules is repeated here.
"""
