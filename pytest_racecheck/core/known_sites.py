"""Numbers for sites, so that processes can speak of them in short."""

from __future__ import annotations

from pytest_racecheck.core.values import Site


class KnownSites:
    """The sites that forked processes inherit together with their numbers."""

    def __init__(self) -> None:
        self.numbers: dict[Site, int] = {}
        self._sites: list[Site] = []

    def __len__(self) -> int:
        return len(self._sites)

    def __getitem__(self, number: int) -> Site:
        return self._sites[number]

    def add(self, inherited: Site, site: Site) -> None:
        """Give a number to a site that processes inherit; here it is the one that stands for its key."""
        if inherited not in self.numbers:
            self.numbers[inherited] = len(self._sites)
            self._sites.append(site)
