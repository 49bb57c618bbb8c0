"""stub"""


def stored(graph, path, name):
    raise NotImplementedError
