"""Two devices of one person, in Python: what a phone does, by the bindings that it uses."""

import sys
import tempfile
import threading
from pathlib import Path

import phone

host = sys.argv[1]
seed = phone.new_seed()
assert len(seed) == 64


class Watcher(phone.Watcher):
    def __init__(self):
        self.has_changed = threading.Event()

    def changed(self):
        self.has_changed.set()


with tempfile.TemporaryDirectory() as folder:
    mine = phone.ShoppingList.open(str(Path(folder) / "mine.redb"), seed, host)
    other = phone.ShoppingList.open(str(Path(folder) / "other.redb"), seed, host)
    watcher = Watcher()
    other.watch(watcher)

    milk = mine.add("milk")
    bread = mine.add("bread")
    assert [item.name for item in mine.items()] == ["bread", "milk"]
    mine.tick(milk, True)
    mine.remove(bread)
    assert mine.sync()
    assert watcher.has_changed.wait(60)
    assert other.sync()
    assert other.items() == [phone.Item(id=milk, name="milk", is_in_cart=True)]
    assert "in sync" in other.status()[0], other.status()

    try:
        phone.ShoppingList.open(str(Path(folder) / "third.redb"), "not a seed", None)
    except phone.ShoppingError.Failed as error:
        assert "64 hex digits" in error.reason, error.reason
    else:
        raise AssertionError("a text is not a seed")

    other.shut()
    mine.shut()
    again = phone.ShoppingList.open(str(Path(folder) / "mine.redb"), seed, None)
    assert [item.name for item in again.items()] == ["milk"]
    again.shut()

print("the story of two devices is told")
