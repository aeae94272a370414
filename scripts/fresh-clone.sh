#!/usr/bin/env bash
# Does a stranger's first minute work? An empty Debian 12, a clone of HEAD, ./run and a call, then ./run test.
# Needs root and the packages debootstrap and git. Nothing of this machine but its kernel and network is used.
#
# usage: scripts/fresh-clone.sh [--keep] [--no-test] [DIR]     DIR: where the Debian goes (default: new, in /var/tmp)
#   MIRROR=URL    the Debian mirror (default: apt's first one, else deb.debian.org)
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

keep=0 test=1 root=
for arg in "$@"; do
    case $arg in
    --keep) keep=1 ;;
    --no-test) test=0 ;;
    -*) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
    *) root=$arg ;;
    esac
done
[ "$(id -u)" -eq 0 ] || { echo "fresh-clone: needs root for debootstrap and chroot" >&2 && exit 1; }
mirror=${MIRROR:-$(sed -nE 's/^URIs: *(\S*debian\.org\S*).*/\1/p; s/^deb (\[[^]]*\] )?(\S*debian\.org\S*) .*/\2/p' \
    /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null | head -n 1 || true)}
mirror=${mirror:-http://deb.debian.org/debian}
[ -n "$root" ] || root=$(mktemp -d /var/tmp/fresh-clone.XXXXXX)

say() { echo "fresh-clone: $*"; }
inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=dumb "$@"; }

service=
clean_up() {
    # Whatever still runs in there was started by us.
    [ -z "$service" ] || kill -TERM "$service" 2>/dev/null || true
    [ ! -d "$root/root/tree" ] || inside /bin/bash -c 'cd /root/tree && ./run stop' >/dev/null 2>&1 || true
    for m in dev/shm dev/pts dev proc sys; do
        mountpoint -q "$root/$m" && umount -l "$root/$m"
    done
    [ $keep -eq 1 ] || rm -rf --one-file-system "$root"
}
trap clean_up EXIT

say "Debian 12 in $root from $mirror"
begin=$SECONDS
[ -x "$root/usr/bin/apt-get" ] || debootstrap --variant=minbase bookworm "$root" "$mirror" >"$root.log" 2>&1 ||
    { tail -n 5 "$root.log" >&2 && exit 1; }
rm -f "$root.log"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sys "$root/sys"
mount -t tmpfs -o mode=0755 dev "$root/dev"
for d in null zero random urandom full tty; do
    touch "$root/dev/$d" && mount --bind "/dev/$d" "$root/dev/$d"
done
mkdir -p "$root/dev/shm" "$root/dev/pts"
mount -t tmpfs shm "$root/dev/shm"
ln -sf /proc/self/fd "$root/dev/fd"
for f in resolv.conf hosts; do cp -L "/etc/$f" "$root/etc/$f"; done
for f in /etc/apt/apt.conf.d/*proxy*; do [ ! -e "$f" ] || cp "$f" "$root/etc/apt/apt.conf.d/"; done
say "$((SECONDS - begin)) s for an empty Debian: $(inside dpkg-query -f '.\n' -W | wc -l) packages"

git clone --quiet --no-hardlinks "$top" "$root/root/tree"
say "cloned $(git -C "$top" rev-parse --short HEAD)"

begin=$SECONDS
inside /bin/bash -c 'cd /root/tree && exec ./run' >"$root/root/run.log" 2>&1 &
service=$!
until grep -q '^run: ready' "$root/root/run.log"; do
    kill -0 $service 2>/dev/null || { tail -n 30 "$root/root/run.log" >&2 && say "./run ended" && exit 1; }
    [ $((SECONDS - begin)) -lt 1800 ] || { say "./run is not ready after 30 minutes" && exit 1; }
    sleep 1
done
say "./run: ready after $((SECONDS - begin)) s"
inside /bin/bash -c 'cd /root/tree && ./run demo' || { say "./run demo failed" && exit 1; }
inside sipp -sn uac 127.0.0.1:5060 -r 50 -m 100 -d 500 -nostdin >"$root/root/sipp.log" 2>&1 && code=0 || code=$?
say "sipp -sn uac 127.0.0.1:5060 -r 50 -m 100 -d 500: exit $code"

begin=$SECONDS
kill -TERM "$(cat "$root/root/tree/build/dev/run.pid")"
wait $service || { say "./run ended with $?" && exit 1; }
service=
left=$(find /proc -maxdepth 2 -name root -lname "$root" 2>/dev/null | wc -l)
say "SIGTERM: ended after $((SECONDS - begin)) s; left running in the chroot: $left processes"
[ $code -eq 0 ] || exit 1

if [ $test -eq 1 ]; then
    begin=$SECONDS
    inside /bin/bash -c 'cd /root/tree && ./run test' >"$root/root/test.log" 2>&1 && code=0 || code=$?
    say "./run test: exit $code after $((SECONDS - begin)) s: $(tail -n 1 "$root/root/test.log")"
    [ $code -eq 0 ] || { grep -E '^ *(FAIL|ERROR)|^==' "$root/root/test.log" || tail -n 40 "$root/root/test.log"; } >&2
fi
exit $code
