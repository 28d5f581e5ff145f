"""What can be wrong with a recipe, with training data or with a result file. All ``ActError``."""

from __future__ import annotations

from act_envs.errors import ActError


class RecipeError(ActError):
    """A recipe, an option or their combination cannot be run."""


class TrainingData(ActError):
    """The data hold nothing that a stage may train on, or something that it must not."""


class NothingToLearn(ActError):
    """Every reward would be the same, so that training would silently change nothing."""


class ResultMismatch(ActError):
    """A result file holds the episodes of another request, is damaged, or cannot be paired."""


class GradingFailed(ActError):
    """The process that grades answers is gone."""


class PipelineFailed(ActError):
    """A step of a pipeline did not end well."""


class DemoFailed(ActError):
    """A step of the demo did not end well, or its folder holds another demo."""
