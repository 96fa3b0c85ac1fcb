"""Progress of a search that also moves between batches, as member-steps are made."""

from dataclasses import replace

from paramsearch.discovery.progress import Listener, Progress


class Reports:
    """Sends progress on, with the training runs made so far.

    Args:
        listen: Told about progress.
        steps: Updates per training run.

    Example:
        >>> heard = []
        >>> Reports(heard.append, steps=10).steps(25)
        >>> heard[0].stage, heard[0].members
        ('base', 2.5)
    """

    def __init__(self, listen: Listener, steps: int):
        self._listen = listen
        self._last = Progress("base", 0, None, None)
        self._share = 1 / steps  # of a member that one of its steps is
        self._members = 0.0

    def send(self, progress: Progress) -> None:
        """Tell where the search stands."""
        self._last = replace(progress, members=self._members)
        self._listen(self._last)

    def steps(self, count: int) -> None:
        """Tell that member-steps were made."""
        self._members += count * self._share
        self.send(replace(self._last, note=""))

    def note(self, words: str) -> None:
        """Tell in words what takes unusual time or goes otherwise than usual."""
        self.send(replace(self._last, note=words))
