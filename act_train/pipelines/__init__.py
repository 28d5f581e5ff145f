"""Lists of stages that go on where they were stopped: how they are written, named and run."""
