#!/usr/bin/env bash
# iproute2 6.1.0-3 of Debian 12: `ip link set NAME ...` takes a device's name for one of its
# own words where the name is the word or, for some words, the beginning of it. The man page
# shows DEVICE without `dev` as the usual form, and `ip link add NAME` takes every such name.
#
# A device "ma" cannot be set up: "ma" is the beginning of `master`, so that "up" is looked
# for as the name of a bridge. The message speaks of "master", which nobody wrote. Worse,
# `ip link show up` is not about a device "up" but lists all that are up, with exit status 0. Only
# `dev NAME` always means a device, also in scripts that have names from elsewhere.
#
# Needs: bash, apt-get download, dpkg-deb, unshare, root. Seen:
#   set ma up: 255, Error: argument "up" is wrong: Device does not exist
#   set dev ma up: 0
#   set up up: 255, Not enough information: "dev" argument is required.
#   set dev up up: 0
#   show up: 0, lists lo ma up
#   show dev up: 0, lists up
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1 libelf1 libmnl0 libcap2 libdb5.3 libtirpc3 >/dev/null 2>&1
for deb in *.deb; do dpkg-deb -x "$deb" root; done
export LD_LIBRARY_PATH="$PWD/root/usr/lib/x86_64-linux-gnu:$PWD/root/lib/x86_64-linux-gnu"
ip=$(find "$PWD/root" -name ip -path '*bin/ip' | head -n 1)
# shellcheck disable=SC2016 # the inner shell expands it
got=$(unshare --net bash -c '
ip=$0
"$ip" link set dev lo up
for name in ma up; do
	"$ip" link add dev "$name" type bridge
	for words in "set $name up" "set dev $name up"; do
		said=$("$ip" link $words 2>&1) && rc=0 || rc=$?
		echo "$words: $rc${said:+, $said}"
	done
done
for words in "show up" "show dev up"; do
	said=$("$ip" -br link $words) && rc=0 || rc=$?
	echo "$words: $rc, lists $(sed "s/ .*//" <<<"$said" | sort | tr "\n" " " | sed "s/ $//")"
done' "$ip" | sed '/^$/d')
printf '%s\n' "$got"
[ "$got" = 'set ma up: 255, Error: argument "up" is wrong: Device does not exist
set dev ma up: 0
set up up: 255, Not enough information: "dev" argument is required.
set dev up up: 0
show up: 0, lists lo ma up
show dev up: 0, lists up' ] || { echo "not as it was seen" >&2; exit 1; }
