#!/usr/bin/env bash
# Builds the CPU image where no image registry can be reached, and runs the quick demo in
# it. The base is made from Debian's packages; Beam's boot program is a stand-in. Needs
# root, buildah and debootstrap (`apt-get install buildah debootstrap`), 25 GB of disk.
# Usage: docker/check_image.sh [FOLDER]   (for what it makes; removed when it ends)
set -euo pipefail
cd "$(dirname "$0")/.."
mirror=${MIRROR:-http://deb.debian.org/debian}
certificates=/etc/ssl/certs/ca-certificates.crt

for tool in buildah debootstrap; do
  if ! command -v "$tool" >/dev/null; then
    echo "error: $tool is missing. As root: apt-get install buildah debootstrap" >&2
    exit 2
  fi
done
if [ "$(id -u)" != 0 ]; then
  echo "error: debootstrap and chroot isolation need root. Run: sudo make image-check" >&2
  exit 2
fi
place=$(mktemp -d "${1:-/var/tmp}/m2f-image.XXXXXX")
run_buildah() {
  # vfs needs no kernel module; it copies a stage for each layer, so there is one layer.
  TMPDIR=$place buildah --root "$place/store" --runroot "$place/run" \
    --storage-driver vfs "$@"
}
cleanup() {
  run_buildah rm --all >/dev/null 2>&1 || true
  run_buildah rmi --all --force >/dev/null 2>&1 || true
  rm -rf "$place"
}
trap cleanup EXIT

echo "1/4 a Debian base with Python 3.11"
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates \
  bookworm "$place/base" "$mirror" >"$place/debootstrap.log" 2>&1 ||
  { tail -20 "$place/debootstrap.log" >&2; exit 1; }
# Some networks sign for the package index with a certificate of their own.
cp "$certificates" "$place/base$certificates"
base=$(run_buildah from scratch)
run_buildah add --quiet "$base" "$place/base" / >/dev/null
run_buildah config --env "SSL_CERT_FILE=$certificates" --env "PIP_CERT=$certificates" \
  --env UV_SYSTEM_CERTS=true "$base"
run_buildah commit --quiet --rm "$base" localhost/m2f-base:check >/dev/null
rm -rf "$place/base"

echo "2/4 a stand-in for Beam's boot program"
mkdir -p "$place/boot/opt/apache/beam"
printf '#!/bin/sh\necho "a stand-in for /opt/apache/beam/boot" >&2\nexit 1\n' \
  >"$place/boot/opt/apache/beam/boot"
chmod +x "$place/boot/opt/apache/beam/boot"
boot=$(run_buildah from scratch)
run_buildah add --quiet "$boot" "$place/boot" / >/dev/null
run_buildah commit --quiet --rm "$boot" localhost/m2f-boot:check >/dev/null

echo "3/4 the image"
run_buildah build --isolation chroot --format docker --target cpu \
  --build-arg PYTHON_IMAGE=localhost/m2f-base:check \
  --build-arg BEAM_IMAGE=localhost/m2f-boot:check \
  --file docker/Dockerfile --tag localhost/m2f:check .

echo "4/4 the image at work"
container=$(run_buildah from --pull-never localhost/m2f:check)
inside() { run_buildah run --isolation chroot "$container" -- "$@"; }
inside m2f --version
test "$(inside id -u)" = 10001
inside test -x /opt/apache/beam/boot
run_buildah run --isolation chroot --user 4711:4711 "$container" -- \
  python -c 'import getpass, pathlib; getpass.getuser(); pathlib.Path.home().joinpath("a").touch()'
inside python -m pip --quiet show apache-beam # what the boot program asks
strays=$(inside sh -c 'for tool in gcc g++ make git uv pytest; do command -v $tool; done; true')
if [ -n "$strays" ]; then
  echo "error: the final stage holds tools that belong to the build: $strays" >&2
  exit 1
fi
inside m2f demo --quick
run_buildah images --format '{{.Name}}:{{.Tag}} {{.Size}}' --filter reference=m2f:check
echo "The image builds and runs."
