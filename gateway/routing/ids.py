class Ids:
    COMMANDS=frozenset(); CALLS=frozenset(); ANSWERS=frozenset()
    is_empty=True
    def __init__(self, data=b""): pass
    def stored(self): return b"{}"
