#!/usr/bin/env bash
# Installs the Debian packages of packages.txt that are missing. Touches nothing when none is.
#
# usage: scripts/packages.sh build|all|bench [--list]     --list: only print what is missing
set -euo pipefail
LIST=$(dirname "$0")/packages.txt

die() {
    echo "packages.sh: $*" >&2
    exit 1
}

case ${1:-} in
build) wanted=$(sed -n 's/^build //p' "$LIST") ;;
all) wanted=$(sed -nE 's/^(build|dev) //p' "$LIST") ;;
bench) wanted=$(sed -nE 's/^(build|dev|bench) //p' "$LIST") ;;
*) die "usage: scripts/packages.sh build|all|bench [--list]" ;;
esac

missing=()
for p in $wanted; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing+=("$p")
done
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "${2:-}" = --list ]; then
    printf '%s\n' "${missing[@]}"
    exit 0
fi

grep -qs '^VERSION_ID="12"' /etc/os-release ||
    die "made for Debian 12; here these packages are missing, install what corresponds to them: ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "as root, run: apt-get install --no-install-recommends ${missing[*]}"
    as_root=(sudo)
fi

# We want RabbitMQ's program, not a broker of the machine's own: policy-rc.d keeps a package from starting its services.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap '"${as_root[@]}" rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee $policy >/dev/null
    "${as_root[@]}" chmod 0755 $policy
fi

echo "packages.sh: installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 "$@" </dev/null >"$log" 2>&1 ||
        { tail -n 20 "$log" >&2 && die "apt-get $1 failed"; }
}
apt update
apt install --no-install-recommends "${missing[@]}"
rm -f "$log"

# Where systemd runs, the broker would come up at the next start of the machine.
if [ -d /run/systemd/system ] && [[ " ${missing[*]} " == *" rabbitmq-server "* ]]; then
    "${as_root[@]}" systemctl --quiet disable rabbitmq-server.service || true
    echo "packages.sh: rabbitmq-server.service is installed but disabled: only private brokers are used here" >&2
fi
