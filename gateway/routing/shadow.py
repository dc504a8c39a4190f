class Difference: pass
def compare(*a): return ()
