#!/usr/bin/env bash
# python3-pyroute2 0.7.2-2 of Debian 12: every kernel VXLAN link is read as
# `ttl inherit`.
#
# IFLA_VXLAN_TTL_INHERIT is a flag when a link is made, and a byte, 0 or 1, in what the
# kernel tells of it (drivers/net/vxlan/vxlan_core.c: vxlan_policy, vxlan_fill_info).
# pyroute2 has it as a flag for both ways, and takes its presence for True. Who copies
# links by what it reads makes them inherit the inner TTL.
#
# Needs: apt-get download, dpkg-deb, python3 of Debian, ip, root, kernel VXLAN. It works in a
# network namespace of its own. Seen:
#   ttl 7: ip says ttl 7, pyroute2 says ttl 7 and inherit True
#   ttl inherit: ip says ttl inherit, pyroute2 says ttl 0 and inherit True
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q python3-pyroute2=0.7.2-2 >/dev/null 2>&1
dpkg-deb -x *.deb root
cat >read.py <<'P'
import subprocess, sys
sys.path.insert(0, 'root/usr/lib/python3/dist-packages')
from pyroute2 import IPRoute
ip = IPRoute()
for i, ttl in enumerate(('7', 'inherit')):
    name = 'vx%d' % i
    subprocess.run(['ip', 'link', 'add', name, 'type', 'vxlan', 'id', str(i), 'ttl', ttl, 'dstport', '4789'], check=True)
    words = subprocess.run(['ip', '-d', 'link', 'show', name], capture_output=True, text=True, check=True).stdout.split()
    data = ip.link('get', ifname=name)[0].get_attr('IFLA_LINKINFO').get_attr('IFLA_INFO_DATA')
    print('ttl %s: ip says ttl %s, pyroute2 says ttl %d and inherit %s' % (
        ttl, words[words.index('ttl') + 1], data.get_attr('IFLA_VXLAN_TTL'), data.get_attr('IFLA_VXLAN_TTL_INHERIT')))
P
got=$(unshare --net /usr/bin/python3 read.py)
printf '%s\n' "$got"
[ "$got" = 'ttl 7: ip says ttl 7, pyroute2 says ttl 7 and inherit True
ttl inherit: ip says ttl inherit, pyroute2 says ttl 0 and inherit True' ] || { echo "not as it was seen" >&2; exit 1; }
