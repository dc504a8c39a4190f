from typing import Any
from msgspec import Struct
class Answered(Struct): 
    reason: str=""
class Rewritten(Struct):
    payload: bytes=b""
def priority(action): return 5
class Pace:
    def __init__(self, n): pass
    def take(self, now): return True
class Policy:
    allows_all=True
    def judge(self,*a): return None
