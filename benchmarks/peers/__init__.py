"""Other engines, each in a process and an environment of its own (`setup.sh` makes them). None is a dependency."""
