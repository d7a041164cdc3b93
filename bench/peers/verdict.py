"""What the peers' answers say: figures, medians, and in which cells our engine is ahead. No process, no clock."""

import dataclasses

# Most / least operations of any thread from which on a pool, when places are short, serves some at others' expense.
UNFAIR_FROM = 1.5


@dataclasses.dataclass(frozen=True)
class Answer:
    """One line of a peer: `ops wall_ns=400 operations=10,12`, and for a hold held_ns, for a time-out late_ns alone."""

    wall_ns: int = 0
    operations: tuple = ()  # By thread.
    held_ns: int = 0
    late_ns: tuple = ()

    def ns_of_one_core(self, cores):
        """Of one operation."""
        return self.wall_ns * min(len(self.operations), cores) / max(1, sum(self.operations))

    def most_to_least(self):
        least = min(self.operations)
        return max(self.operations) / least if least else float("inf")

    def busy_percent(self, places):
        return 100 * self.held_ns / (places * self.wall_ns)

    def per_second(self):
        return sum(self.operations) * 1e9 / self.wall_ns


def parse(request, line):
    """The Answer in `line` to `request`; ValueError if it is none."""
    word, *fields = line.split()
    if word != request.split()[0]:
        raise ValueError(f"asked '{request}', answered '{line}'")
    values = dict(field.split("=") for field in fields)
    lists = {name: tuple(int(number) for number in values.pop(name).split(","))
             for name in ("operations", "late_ns") if name in values}
    return Answer(**lists, **{name: int(number) for name, number in values.items()})


def median(values):
    """The mean of the two middle values of an even number."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


@dataclasses.dataclass(frozen=True)
class Cell:
    places: int
    threads: int

    @property
    def short(self):
        """Whether threads may have to wait for a place."""
        return self.threads > self.places

    def __str__(self):
        return f"{self.places} places, {self.threads} thread{'' if self.threads == 1 else 's'}"


@dataclasses.dataclass(frozen=True)
class Figure:
    """What one pool came to in one cell, over all rounds."""

    ns: tuple  # By round.
    most_to_least: tuple

    @property
    def median(self):
        return median(self.ns)

    @property
    def fair(self):
        return median(self.most_to_least) < UNFAIR_FROM


def counts(cell, figure):
    """Whether we must be at most that pool's figure: where places are short, barging is faster and starves."""
    return figure.fair or not cell.short


def is_ahead(cell, ours, peers):
    """Whether our median is at most that of each of `peers` that counts."""
    return all(ours.median <= peer.median for peer in peers if counts(cell, peer))


def last_line(ahead, cells, uncontended_ns, floor_ns):
    return f"acquire: ahead in {ahead} of {cells} cells, uncontended {uncontended_ns:.1f} ns, floor {floor_ns:.1f} ns"
