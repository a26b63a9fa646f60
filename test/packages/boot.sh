# Boots a Debian system in this network namespace: boot.sh LOWER SCRATCH. What it changes of LOWER is in memory and goes
# with it. The first process is systemd, with what Debian has it start taken out: the network, consoles, timers.
set -eu
lower=$1 scratch=$2
cd "$scratch"
mount -t tmpfs -o mode=0755 none .
cd "$scratch"
mkdir upper work root
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$scratch/upper,workdir=$scratch/work" root
cd root
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs -o mode=0755 tmpfs dev
mount -t tmpfs -o mode=0755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
mkdir dev/net dev/shm dev/pts
mount -t devpts -o mode=0620,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mknod -m 666 dev/tty c 5 0
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/zero c 1 5
mknod -m 666 dev/full c 1 7
mknod -m 666 dev/random c 1 8
mknod -m 666 dev/urandom c 1 9
mknod -m 666 dev/net/tun c 10 200
mountpoint -q sys/fs/cgroup || mount -t tmpfs tmpfs sys/fs/cgroup
umount sys/fs/cgroup
mount -t cgroup2 cgroup2 sys/fs/cgroup
# man-db would read all pages of the system anew.
rm -rf etc/systemd/system/* etc/systemd/network usr/lib/systemd/system/*.wants usr/sbin/policy-rc.d var/lib/man-db/auto-update var/log/journal
printf '[Unit]\nDescription=tests\nWants=systemd-journald.service\nAfter=systemd-journald.service\n' >etc/systemd/system/default.target
: >etc/machine-id
mkdir -p .before
pivot_root . .before
cd /
umount -l .before
rmdir .before
exec env -i container=tests PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=journal --log-level=warning --show-status=no systemd.unified_cgroup_hierarchy=1
