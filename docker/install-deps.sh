#!/bin/sh
# Install the Debian packages of one or more sets of packages.txt: install-deps.sh build test
# Does nothing, and needs no network and no root, where they are all there already.
set -eu
list=$(dirname "$0")/packages.txt
packages=$(for set in "$@"; do awk -v set="$set" '$1 == set { print $2 }' "$list"; done | sort -u)
[ -n "$packages" ] || { echo "install-deps.sh: no packages in: $*" >&2; exit 2; }

# Node and kubectl come from many places. Debian's package would not install beside another that has the same file: the command
# that is here serves.
there() {
    dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -q '^installed$' && return
    case $1 in
    nodejs) command -v node ;;
    npm) command -v npm ;;
    kubernetes-client) command -v kubectl ;;
    *) false ;;
    esac >/dev/null
}
missing=$(for p in $packages; do there "$p" || echo "$p"; done)
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "install-deps.sh: run me as root, or install sudo. Missing: $missing" >&2; exit 1; }
    as_root=sudo
fi
# A package that is here for a build or a test is not started as a service, as Debian would start nginx and Orthanc. A policy that is there stays.
policy=/usr/sbin/policy-rc.d
if ! [ -e "$policy" ]; then
    trap '$as_root rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -q
# shellcheck disable=SC2086 # a list of words on purpose
$as_root apt-get -o DPkg::Lock::Timeout=600 install -y -q --no-install-recommends $missing
