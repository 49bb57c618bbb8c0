"""The stack, marks and memo of a pickle's machine, and what they may cost."""

from typing import Any, NoReturn

from refsnn.formats.model_file import Source
from refsnn.formats.refusals import refuse

BUDGET = 32 << 20  # bytes that objects may take, about, beside twice the file
PUT_COST, ITEM_COST, DICT_COST = 100, 100, 250  # bytes of a memo entry, of a dict's, of a container
LARGEST_KEY = 1 << 60  # larger integers can be chosen so that all have one hash, and a dict takes hours
STATE_DICT = "where you have the framework, save plain weights: torch.save(model.state_dict(), 'weights.pt')"


class StackMachine:
    """What operations work on. A ValueError, TypeError, IndexError or KeyError means that the pickle is damaged."""

    def __init__(self, content: bytes, place: str, source: Source) -> None:
        self.content, self.place, self.source = content, place, source
        self.at = self.begin = 0  # where the next byte is read; where its operation began
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.budget = BUDGET + 2 * len(source.content)

    def fail(self, code: str, reason: str, remedy: str) -> NoReturn:
        refuse(code, self.source.path, self.place, reason, remedy)

    def mark(self) -> None:
        self.spend(8)
        self.marks.append(len(self.stack))

    def take(self, count: int) -> bytes:
        if not 0 <= count <= len(self.content) - self.at:
            self.fail("truncated", f"the pickle ends, or exceeds Limits.header_bytes, before byte {self.at + count}",
                      "copy or save the file again")  # fmt: skip
        self.at += count
        return self.content[self.at - count : self.at]

    def spend(self, cost: int) -> None:
        self.budget -= cost
        if self.budget < 0:
            self.fail("nesting", "more objects than the description of any model", STATE_DICT)

    def push(self, value: Any, cost: int) -> None:
        self.spend(cost)
        self.stack.append(value)

    def put(self, index: int) -> None:
        self.spend(PUT_COST)
        self.memo[index] = self.stack[-1]

    def popped(self) -> list[Any]:
        """What was pushed since the last mark."""
        start = self.marks.pop()
        items = self.stack[start:]
        if start > len(self.stack):
            raise ValueError("a mark above the stack")
        del self.stack[start:]
        return items

    def tuple(self, items: list[Any]) -> None:
        self.push(tuple(items), 56 + 8 * len(items))

    def last(self, count: int) -> list[Any]:
        if len(self.stack) - (self.marks[-1] if self.marks else 0) < count:
            raise ValueError("the stack is empty")
        items = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return items

    def extend(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise TypeError("items for what is no list")
        self.spend(16 * len(items))
        self.stack[-1].extend(items)

    def set(self, items: list[Any]) -> None:
        self.spend(ITEM_COST * len(items))
        target = self.stack[-1]
        if type(target) is not dict or len(items) % 2:
            raise TypeError("keys and values for what is no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[checked_key(key)] = value


def checked_key(key: Any) -> Any:
    """The key of a dict; a ValueError for what no state dict uses."""
    if isinstance(key, str | bytes | bool | float | None) or (isinstance(key, int) and abs(key) < LARGEST_KEY):
        return key
    raise ValueError("a key that is neither text nor number")
