"""A memory budget shared by the bodies of all connections."""

import threading


class Budget:
    """A number of bytes that may be taken at the same time; thread-safe."""

    def __init__(self, most: int) -> None:
        self._most, self._left = most, most
        self._condition = threading.Condition()

    def reserve(self) -> "MemoryReservation":
        """A new, empty reservation for one body."""
        return MemoryReservation(self)

    def try_take(self, count: int) -> bool:
        """Take bytes if they are free."""
        with self._condition:
            if count > self._left:
                return False
            self._left -= count
            return True

    def take(self, count: int) -> int:
        """Wait for bytes and take them, at most the whole budget; how many were taken."""
        count = min(count, self._most)
        with self._condition:
            self._condition.wait_for(lambda: count <= self._left)
            self._left -= count
        return count

    def give_back(self, count: int) -> None:
        with self._condition:
            self._left += count
            self._condition.notify_all()


class MemoryReservation:
    """The memory that one body takes of a budget; released by `release`."""

    def __init__(self, budget: Budget) -> None:
        self._budget, self._taken = budget, 0

    def try_grow(self, count: int) -> bool:
        """Take more bytes if they are free; whether it did."""
        fits = self._budget.try_take(count)
        self._taken += count * fits
        return fits

    def wait_for(self, count: int) -> None:
        """Replace the bytes taken by so many; waits until they are free."""
        self.release()
        self._taken = self._budget.take(count)

    def release(self) -> None:
        self._budget.give_back(self._taken)
        self._taken = 0
