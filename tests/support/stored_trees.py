"""A tree of files for tests that ask folders and buckets the same questions."""

TREE = {
    "saved_model.pb": b"graph",
    "a[1]/first.txt": b"1",
    "a[1]/second.txt": b"22",
    "z/deep/er": b"",
}


def plant(folder, tree=None):
    """Writes a tree, by default `TREE`, below a folder and returns the folder."""
    for name, content in (TREE if tree is None else tree).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder
