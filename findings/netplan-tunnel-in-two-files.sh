#!/usr/bin/env bash
# netplan.io 0.106-2+deb12u1 (Debian 12): a second file that has a VXLAN tunnel takes
# back what the first one said of it, but not all of it: process_mapping_defs in
# src/parse.c begins the tunnel's VXLAN settings anew with each file.
#
# Right instead, netplan(5) of several files: "mappings are merged recursively", so
# the tunnel keeps MacLearning=false and TOS=16, as it keeps MTUBytes=1400 and TTL=5.
#
# Seen:
#   MTUBytes=1400
#   VNI=7
#   TTL=5
#   Independent=true
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download netplan.io=0.106-2+deb12u1 libnetplan0=0.106-2+deb12u1 >/dev/null 2>&1
for package in *.deb; do
	dpkg -x "$package" tools
done
mkdir -p root/etc/netplan
cat >root/etc/netplan/10.yaml <<'YAML'
network: {tunnels: {vx1: {mode: vxlan, id: 7, ttl: 5, mtu: 1400, mac-learning: false, type-of-service: 16}}}
YAML
cat >root/etc/netplan/20.yaml <<'YAML'
network: {tunnels: {vx1: {mode: vxlan, id: 7}}}
YAML
chmod 600 root/etc/netplan/*
libraries=$(echo tools/usr/lib/*-linux-gnu*)
LD_LIBRARY_PATH=$libraries tools/usr/libexec/netplan/generate --root-dir "$dir/root"
made=$(grep -E '^(MTUBytes|VNI|TTL|TOS|MacLearning|Independent)=' root/run/systemd/network/10-netplan-vx1.netdev)
echo "$made"
! grep -qE '^(TOS|MacLearning)=' <<<"$made" || { echo "it keeps them now" >&2; exit 1; }
