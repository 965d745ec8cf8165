"""Saves and restores everything a training run needs to go on."""

import contextlib
import dataclasses
import logging
import pathlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from foundation import artifact_paths, errors
from model.train import differences, failures, manifest, state

_KEPT = 2
_LIST = "checkpoint"  # where TensorFlow's own tools look for the newest


@dataclasses.dataclass(frozen=True)
class _Found:
    """The newest checkpoint that is whole."""

    made: manifest.Manifest
    prefix: str


class Checkpoints:
    """The states of a training, in a folder of their own.

    A checkpoint is TensorFlow's two files and a manifest, which is written last. At
    whatever moment the process ends, those that were whole before are whole still.

    Args:
        training: what is trained; no other training goes on from its checkpoints.
    """

    def __init__(
        self,
        training_state: state.State,
        folder: artifact_paths.Path,
        training: Mapping[str, Any] | None = None,
    ):
        self._state = training_state
        self._folder = folder
        self._training = dict(training or {})
        self._whole: list[int] = []
        self._saved: int | None = None

    def restore_latest(self, tell: Callable[[str], None] = logging.warning) -> int:
        """Loads the newest checkpoint that is whole, if there is one.

        Args:
            tell: gets a line when a newer one is damaged.

        Returns:
            Batches seen so far, 0 for a new run.

        Raises:
            ConfigError: the checkpoint is one of another training.
            OSError: a place could not be read, which does not say it is damaged.
        """
        damages: list[str] = []
        with contextlib.ExitStack() as stack:
            found = self._newest(damages, stack)
            at = found.made.step if found else 0
            if damages:
                others = f"step {at}" if found else "step 0, for none is whole"
                tell(
                    f"checkpoint damaged: {'; '.join(damages)} in {self._folder}. "
                    f"Training goes on from {others}"
                )
            if found is None:
                return 0
            self._require_same(found.made)
            self._state.checkpoint.read(found.prefix).assert_consumed()
        self._state.take(found.made.facts)
        self._saved = at
        self._whole = [at]
        return at

    def restore(self, step: int) -> bool:
        """Loads the checkpoint of one step; whether it is there and whole.

        Raises:
            OSError: a place could not be read, which does not say it is damaged.
        """
        try:
            made = manifest.read(self._folder, step)
            with readable(self._folder, made) as place:
                prefix = str(place / manifest.prefix(step))
                self._state.checkpoint.read(prefix).assert_consumed()
        except manifest.DamageError:
            return False
        return True

    def save(self, keep: Iterable[int] = (), is_changed: bool = False) -> None:
        """Writes a checkpoint, unless there is one of this step.

        Those beyond the last two are removed.

        Args:
            keep: steps whose checkpoints stay, such as that of the best weights.
            is_changed: what is known of this step is not what was saved of it.

        Raises:
            PipelineError: a value is not finite, or the checkpoint cannot be written.
        """
        step = self._state.step
        if step == self._saved and not is_changed:
            return
        if bad := self._state.nonfinite():
            raise errors.TrialError(
                f"training stopped at step {step}: {len(bad)} weights are not finite, "
                f"the first is {bad[0]}. Nothing of it was saved. Lower "
                "train.learning_rate; the last checkpoint is intact."
            )
        with failures.of_saving(self._folder, step):
            self._write(step)
        self._saved = step
        self._whole = [each for each in self._whole if each != step] + [step]
        self._prune({*self._whole[-_KEPT:], *keep})

    def _newest(self, damages: list[str], stack: contextlib.ExitStack) -> _Found | None:
        for step in manifest.steps(self._folder):
            try:
                made = manifest.read(self._folder, step)
                place = stack.enter_context(readable(self._folder, made))
            except manifest.DamageError as error:
                damages.append(f"{manifest.prefix(step)} ({error})")
                continue
            return _Found(made, str(place / manifest.prefix(step)))
        return None

    def _require_same(self, made: manifest.Manifest) -> None:
        if changed := differences.between(made.training, self._training):
            raise errors.ConfigError(
                f"{self._folder}: holds a training, at step {made.step}, of another "
                f"configuration: {differences.told(changed)}. Name another folder, or "
                "take the change back."
            )

    def _write(self, step: int) -> None:
        folder, prefix = self._folder, manifest.prefix(step)
        folder.mkdir(parents=True, exist_ok=True)
        # What is left of one that was damaged must not count while it is replaced.
        (folder / manifest.name(step)).unlink(missing_ok=True)
        if isinstance(folder, pathlib.Path):
            written = self._state.checkpoint.write(str(folder / prefix))
            paths = sorted(folder.glob(f"{pathlib.Path(written).name}.*"))
            files = {path.name: manifest.measure(path) for path in paths}
        else:
            files = self._upload(folder, prefix)
        facts = self._state.facts()
        manifest.write(folder, step, files, self._training, facts)
        text = f'model_checkpoint_path: "{prefix}"\n'
        artifact_paths.write_whole(folder / _LIST, text.encode())

    def _upload(
        self, folder: artifact_paths.RemotePath, prefix: str
    ) -> dict[str, tuple[int, str]]:
        """Writes here first: digests of what is in a store would mean to fetch it."""
        files = {}
        with tempfile.TemporaryDirectory(prefix="m2f_checkpoint_") as name:
            here = pathlib.Path(name)
            self._state.checkpoint.write(str(here / prefix))
            for path in sorted(here.iterdir()):
                files[path.name] = manifest.measure(path)
                with artifact_paths.asked(folder / path.name) as gfile:
                    gfile.copy(str(path), str(folder / path.name), overwrite=True)
        return files

    def _prune(self, kept: set[int]) -> None:
        """Removes other checkpoints, and what was left of them; that may wait."""
        self._whole = [step for step in self._whole if step in kept]
        try:
            paths = list(self._folder.iterdir())
            # Manifests first: without it, what is left of a checkpoint does not count.
            for path in sorted(paths, key=lambda path: path.suffix != ".json"):
                step = manifest.step_of(path.name)
                if step is None or step in kept:
                    continue
                if path.is_dir():
                    artifact_paths.remove_tree(path, missing_ok=True)
                else:
                    path.unlink(missing_ok=True)
        except OSError as error:
            logging.warning("Checkpoints: %s holds old ones: %s", self._folder, error)


@contextlib.contextmanager
def readable(
    folder: artifact_paths.Path, made: manifest.Manifest
) -> Iterator[artifact_paths.Path]:
    """Where a checkpoint can be read from, once it was found to be whole.

    Raises:
        DamageError: it is not.
        OSError: a place could not be read, which does not say it is damaged.
    """
    if isinstance(folder, pathlib.Path):
        manifest.check(folder, made)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="m2f_checkpoint_") as name:
        manifest.check(folder, made, pathlib.Path(name))
        yield pathlib.Path(name)
