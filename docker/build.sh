#!/usr/bin/env bash
# Builds an image with whichever of docker, podman and buildah works here.
# Usage: docker/build.sh TARGET TAG [argument of the engine...]
#   docker/build.sh cpu registry.example.com/m2f:1.0
#   docker/build.sh gpu m2f:gpu --build-arg PYTHON_IMAGE=...
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -lt 2 ]; then
  echo "usage: docker/build.sh {cpu|gpu} TAG [argument of the engine...]" >&2
  exit 2
fi
target=$1 tag=$2
shift 2

for engine in docker podman buildah none; do
  # A client without its server is there and still of no use.
  if command -v "$engine" >/dev/null && "$engine" info >/dev/null 2>&1; then break; fi
done
if [ "$engine" = none ]; then
  echo "error: none of docker, podman and buildah works here. Install one, or start its service." >&2
  exit 2
fi

arguments=(--file docker/Dockerfile --target "$target" --tag "$tag")
arguments+=(--build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)")
# The OCI format has no place for HEALTHCHECK.
if [ "$engine" != docker ]; then arguments+=(--format docker); fi
echo "Building $tag ($target) with $engine"
exec "$engine" build "${arguments[@]}" "$@" .
