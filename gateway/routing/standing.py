"""Which of a charger's backends leads as time goes by: takeover and giving back."""

from collections.abc import Callable

NEVER = float("inf")


class Standing:
    """`ranked` are the backends that may lead, the one that should first; `leader` is the one that does.

    The leader that cannot be used for `takeover_after_s` is replaced by the first that can; one that ranks
    higher gets the lead back when it could be used for `give_back_after_s` and owes nothing more.
    """

    def __init__(
        self, ranked: tuple[str, ...], leader: str, takeover_after_s: float, give_back_after_s: float
    ) -> None:
        self.ranked = ranked
        self.leader = leader
        self.takeover_after_s = takeover_after_s
        self.give_back_after_s = give_back_after_s
        self.due = NEVER
        self._since: dict[str, tuple[bool, float]] = {}

    def look(self, is_usable: Callable[[str], bool], now: float) -> str:
        """Who should lead now; `due` says when to look again if nothing happens before."""
        for name in {*self.ranked, self.leader}:
            usable = is_usable(name)
            if self._since.get(name, (None, 0.0))[0] is not usable:
                self._since[name] = (usable, now)
        self.due = NEVER
        return self._above(now) or self._instead(now) or self.leader

    def trust(self, name: str) -> None:
        """This one counts as having been there for long, if it is there."""
        self._since[name] = (True, float("-inf"))

    def _above(self, now: float) -> str | None:
        """Somebody who ranks above the leader and has been there for long enough."""
        rank = self.ranked.index(self.leader) if self.leader in self.ranked else len(self.ranked)
        return next((name for name in self.ranked[:rank] if self._has_been(name, True, now)), None)

    def _instead(self, now: float) -> str | None:
        """Somebody who can lead now, when the leader has not been there for too long."""
        if not self._has_been(self.leader, False, now):
            return None
        others = (name for name in self.ranked if name != self.leader)
        return next((name for name in others if self._since[name][0]), None)

    def _has_been(self, name: str, usable: bool, now: float) -> bool:
        was, since = self._since[name]
        if was is not usable:
            return False
        end = since + (self.give_back_after_s if usable else self.takeover_after_s)
        if now < end:
            self.due = min(self.due, end)
        return now >= end
