"""What can be wrong with stored data, with a run folder or with a model. All are ``ActError``."""

from __future__ import annotations

from act_envs.errors import ActError


class DataNotFound(ActError):
    """The path does not exist, or holds no data."""


class DataCorrupt(ActError):
    """A file is truncated, damaged, or no parquet file at all."""


class SchemaMismatch(ActError):
    """A file holds other rows, or another version of the rows, than were asked for."""


class UnfinishedRun(ActError):
    """A folder holds only some of the parts of its run."""


class RunConflict(ActError):
    """The output folder holds something else than this run."""


class RunLocked(ActError):
    """Another process is working in the output folder."""


class ForbiddenSplit(ActError):
    """Tasks of this split must not enter training data."""


class ReplayMismatch(ActError):
    """A recorded trajectory does not happen again in its environment."""


class ModelNotFound(ActError):
    """There is no usable model under that name or path."""


class EndpointError(ActError):
    """An endpoint is not there, refuses, or does not speak the protocol."""


class RequestRefused(EndpointError):
    """The endpoint does not take the request as it is (400, 422).

    Attributes:
        said: what it answered.
    """

    def __init__(self, message: str, said: str = "") -> None:  # a default: it must be picklable
        super().__init__(message)
        self.said = said


class WorkerDied(ActError):
    """Processes that did the same part of a run have died, one after the other."""


class NoCluster(ActError):
    """There is no Ray cluster at the address, or it cannot do the work."""


class HubUnreachable(ActError):
    """The Hub does not answer, or not as a Hub does."""


class HubRefused(ActError):
    """The Hub does not let this token do it, or does not take what it was given."""


class HubConflict(ActError):
    """The repository on the Hub holds something else than what is to be there."""


class HubMismatch(ActError):
    """What the Hub gives back is not what was sent."""
