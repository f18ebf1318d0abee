"""`kubectl canary`: see, steer and plan rollouts.

main.py      the group of commands; starts without importing what a command needs
commands/    one thin command a module: read, compute, print
screens/     pure functions from data to what is printed
live/        the cluster: who we are there, reading, following, asking
offline/     what needs no cluster: lint, plan, simulate
sight.py     what one look at a CanaryRollout shows
"""
