"""Turns a .pth or .pt checkpoint into a .npz, with PyTorch's weights-only reader.

Run as a script by the Python that has PyTorch, which need not have this package:

    /path/to/python torch_checkpoint.py checkpoint.pth out.npz

The weights-only reader builds tensors and plain containers and nothing else.
"""

import pathlib
import pickle
import re
import sys

_WRAPPERS = ("model", "state_dict", "model_state_dict", "state_dict_ema")


def main() -> int:
    """Reads the file named first, writes the one named second."""
    import numpy as np
    import torch  # pyright: ignore[reportMissingImports]

    source, out = (pathlib.Path(argument) for argument in sys.argv[1:3])
    try:
        content = torch.load(source, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # PyTorch's own message advises to read the file without protection.
        named = re.search(r"GLOBAL (\S+)", str(error))
        why = f"it asks for {named[1]}" if named else "it is no checkpoint"
        print(f"{why}, which the weights-only reader refuses", file=sys.stderr)
        return 2
    except Exception as error:  # whatever PyTorch raises, the user reads one line
        print(" ".join(str(error).split())[:300], file=sys.stderr)
        return 2
    for wrapper in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
            break
    tensors = {
        name.removeprefix("module."): value
        for name, value in (content.items() if isinstance(content, dict) else ())
        if isinstance(value, torch.Tensor)
    }
    if not tensors:
        print("it holds no named tensors", file=sys.stderr)
        return 2
    np.savez(out, **{name: value.float().numpy() for name, value in tensors.items()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
