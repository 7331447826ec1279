"""What goes wrong around a lab, as opposed to in it."""


class LabEnded(Exception):
    """The lab is over: it was stopped, or its system gave up; then the error that ended it is the cause."""


class LabRunning(Exception):
    """There is a lab already, and there can only be one; the text says what to do."""


class ScenarioFailed(Exception):
    """The scenario of a call raised; the error is the cause."""


class PackageMissing(ImportError):
    """A package of the [notebook] extra is not installed."""
