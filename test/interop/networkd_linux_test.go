package interop_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/uvtep/uvtep/test/lab"
)

// networkdProgram is systemd-networkd, of Debian's package systemd.
const networkdProgram = "/lib/systemd/systemd-networkd"

// networkdFiles are files of systemd-networkd, by directory and name. The devices
// have MAC addresses, for networkd makes them of the machine's id otherwise.
func networkdFiles() map[string]string {
	files := map[string]string{
		"etc/30-eth0.network": "[Match]\nName=eth0\nName=eth9\nName=\nName=eth0\n[Network]\nLinkLocalAddressing=no\nVXLAN=vd1\nVXLAN=vd2\nVXLAN=vd3\nVXLAN=vd4\nVXLAN=\nVXLAN=vd1 vd2\n",
		"run/30-eth0.network": "[Match]\nName=eth0\n[Network]\nVXLAN=vi1\n",
		"etc/50-vd1.network": "[Match]\nName=vx* vd1\nName=!vi*\nType=vxlan\n[Link]\nMTUBytes=1.2K\n[Network]\nLinkLocalAddressing=no\n" +
			"[BridgeFDB]\nDestination=192.0.2.11\n[BridgeFDB]\nDestination=192.0.2.11\n" +
			"[BridgeFDB]\nMACAddress=0200.0000.0009\nDestination=192.0.2.12\nVNI=0x10\n[BridgeFDB]\nMACAddress=2-0-0-0-0-a\nDestination=192.0.2.13\nOutgoingInterface=eth0\n" +
			"[BridgeFDB]\nMACAddress=01:00:5e:00:00:12\nDestination=239.1.1.9\nVLANId=\n[BridgeFDB]\nMACAddress=02:00:00:00:00:0f\nDestination=192.0.2.17\nVNI=\n" +
			"[BridgeFDB]\nDestination=192.0.2.2\nColour=red\n",
		"etc/49-ether.network":           "[Match]\nType=ether\nName=vd1\n[Link]\nMTUBytes=1111\n",
		"etc/50-vd1.network.d/more.conf": "[BridgeFDB]\nDestination=192.0.2.14\nOutgoingInterface=eth0\nOutgoingInterface=\n",
		"etc/51-unmanaged.network":       "[Match]\nName=vi1\n[Link]\nUnmanaged=yes\nUnmanaged=\n[BridgeFDB]\nDestination=192.0.2.51\n",
		"etc/52-down.network":            "[Match]\nName=vi2\n[Link]\nActivationPolicy=down\nActivationPolicy=\nMTUBytes=1300\nMACAddress=02:00:00:00:05:02\n",
		"etc/53-host.network":            "[Match]\nHost=!no-such-host\nKind=vxlan\nDriver=vx*\nName=vi3\n[Link]\nActivationPolicy=always-up\n[Network]\nLinkLocalAddressing=no\n",
		"etc/54-masked.network":          "",
		"run/54-masked.network":          "[Match]\nName=vi4\n",
		"etc/55-nothing.network":         "[Match]\nPath=pci-*\nName=vi4\n",
	}
	n := 0
	netdev := func(name, more string, lines ...string) {
		n++
		files[fmt.Sprintf("run/%d-%s.netdev", 10+n, name)] = fmt.Sprintf("[NetDev]\nName=%s\nKind=vxlan\nMACAddress=02:00:00:00:02:%02x\n%s\n[VXLAN]\nVNI=%d\nDestinationPort=%d\n%s\n",
			name, n, more, n, 4900+n, strings.Join(lines, "\n"))
	}
	netdev("vd1", "", "Remote=192.0.2.2", "Local=192.0.2.1", "UDPChecksum=yes", "MacLearning=no", "FDBAgeingSec=1month 2s", "TOS=28", "TTL=7")
	netdev("vd2", "MTUBytes=1K 76", "Group=239.1.1.1", "Local=192.0.2.1", "PortRange=50000-51000", "MaximumFDBEntries=0x10", "TOS=1", "IPDoNotFragment=yes", "ReduceARPProxy=on")
	netdev("vd3", "", "Remote=2001:db8::2", "Local=2001:db8::1", "FlowLabel=74565", "UDP6ZeroChecksumTx=1", "UDP6ZeroChecksumRx=yes", "TTL=inherit", "L2MissNotification=t", "L3MissNotification=y")
	netdev("vd4", "MTUBytes=1400B", "GroupPolicyExtension=yes", "DestinationPort=", "FDBAgeingSec=500ms", "TOS=300", "IPDoNotFragment=inherit")
	netdev("vi1", "", "Independent=yes", "Remote=192.0.2.2", "FDBAgeingSec=infinity")
	netdev("vi2", "", "Independent=yes", "Remote=192.0.2.2")
	netdev("vi3", "MTUBytes=1400", "Independent=yes", "Local=192.0.2.1", "Local=", "Remote=192.0.2.3", "DestinationPort=0", "DestinationPort=0x12b6")
	netdev("vi4", "MTUBytes=1400", "Independent=yes", "Local=dhcp4", "Local=192.0.2.1", "Remote=192.0.2.4", "TTL=9")
	files["etc/18-vi4.netdev.d/site.conf"] = "[VXLAN]\nVNI=\nTTL=\nFDBAgeingSec=\nPortRange=\nRemote=192.0.2.5\n"
	netdev("vn1", "", "Independent=yes", "VNI=16777216")
	netdev("vn2", "", "Independent=yes", "Remote=192.0.2.2", "Group=239.1.1.1")
	netdev("vn3", "", "Independent=yes", "[VXLAN] # a comment is none")
	files["etc/13-vd3.netdev"] = files["run/13-vd3.netdev"]
	files["run/13-vd3.netdev"] = strings.Replace(files["run/13-vd3.netdev"], "Name=vd3", "Name=vn5", 1)
	netdev("vn6", "", "Independent=yes")
	files["etc/22-vn6.netdev"] = ""
	return files
}

// runNetworkd is a script that runs networkd with the files of $1, in a mount
// namespace of its own, where every device looks as if udev had seen it: without udev (as in containers, where /sys can be
// read only) networkd knows no device's DEVTYPE, and takes a VXLAN device for one of Type=ether.
const runNetworkd = `set -e
mount --make-rprivate /
mount -t tmpfs run /run
mount -t tmpfs usr /usr/lib/systemd/network
mount -t tmpfs etc /etc/systemd
mount -t sysfs sys /sys
mkdir -p /run/udev/data
for n in $(seq 99); do echo I:1 >/run/udev/data/n$n; done
mkdir -p /etc/systemd/network /run/systemd/network /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
chown -R systemd-network: /run/systemd/netif
cp -a "$1"/etc/. /etc/systemd/network/
cp -a "$1"/run/. /run/systemd/network/
chmod -R a+rX /etc/systemd /run/systemd
exec ` + networkdProgram

// TestNetworkd compares the devices that systemd-networkd makes of its files
// with what is imported of them: the commands of ip and bridge for both are the same.
func TestNetworkd(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"ip", "bridge", "unshare", networkdProgram} {
		installed(t, program)
	}
	lab.NeedKernelVXLAN(t)
	needNetworkdUser(t)
	dir := t.TempDir()
	for name, text := range networkdFiles() {
		name = filepath.Join(dir, name)
		check(t, os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644))
	}
	l := lab.ForTest(t)
	h, peer := must(l.Host("a"))(t), must(l.Host("b"))(t)
	must(l.Wire(h, peer, lab.WireOptions{NameA: "eth0", NameB: "eth0"}))(t)

	want := must(commandsOf(t, h, "netdev", filepath.Join(dir, "etc"), filepath.Join(dir, "run")))(t)
	if made := strings.Count(strings.Join(want, "\n"), "ip link add"); made != 8 {
		t.Fatalf("%d links imported, want 8:\n%s", made, strings.Join(want, "\n"))
	}
	p := startNetworkd(t, h, dir)
	err := lab.Eventually(4*soon, func() error {
		got, err := commandsOf(t, h, "iproute2")
		if err != nil { // no link yet
			return err
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			return fmt.Errorf("imported of the files (-) and of the devices (+):\n%s", diff)
		}
		return nil
	})
	if err != nil {
		t.Errorf("%v\n%s", err, p.Stderr())
	}
}

func needNetworkdUser(t *testing.T) {
	t.Helper()
	if ids := strings.Fields(string(must(os.ReadFile("/proc/self/uid_map"))(t))); len(ids) == 3 && ids[2] == "1" {
		lab.SkipOrFail(t, fmt.Errorf("%w: networkd needs its user, and this user namespace has one", lab.ErrUnavailable))
	}
}

// startNetworkd runs networkd in a host, with the files of dir, until the test ends.
func startNetworkd(t *testing.T, h *lab.Host, dir string) *lab.Process {
	t.Helper()
	script := filepath.Join(dir, "script")
	check(t, os.WriteFile(script, []byte(runNetworkd), 0o600))
	p := must(h.Start(lab.Command{Path: "unshare", Args: []string{"-m", "sh", script, dir}}))(t)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// commandsOf are the commands of ip and bridge for what is imported: all that the
// kernel has a word for and that is not its default.
func commandsOf(t *testing.T, h *lab.Host, source ...string) ([]string, error) {
	t.Helper()
	file, _, err := h.Run(t.Context(), exe, append([]string{"import"}, source...)...)
	if err != nil {
		return nil, err
	}
	name := filepath.Join(t.TempDir(), "uvtep.yaml")
	check(t, os.WriteFile(name, []byte(file), 0o600))
	lines := strings.Split(mustRun(t, h, exe, "export", "--to", "iproute2", "--config", name), "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool { return l == "" || l[0] == '#' })
	slices.Sort(lines)
	return lines, nil
}

// TestNetworkdLeavesLinksAlone: where networkd has been told to take every device, it takes links of uvtep out of their
// bridge, and with the file of docs/config.md it does not.
func TestNetworkdLeavesLinksAlone(t *testing.T) {
	t.Parallel()
	installed(t, networkdProgram)
	needNetworkdUser(t)
	text := string(must(os.ReadFile("../../docs/config.md"))(t))
	_, text, _ = strings.Cut(text, "systemd-networkd, in /etc/systemd/network/05-uvtep.network")
	_, text, _ = strings.Cut(text, "```ini\n")
	text, _, _ = strings.Cut(text, "```")
	dir := t.TempDir()
	for name, text := range map[string]string{"etc/05-uvtep.network": text, "etc/90-all.network": "[Match]\nName=*\n[Network]\nLinkLocalAddressing=no\n", "run/none": ""} {
		name = filepath.Join(dir, name)
		check(t, os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o600))
	}
	h := must(lab.ForTest(t).Host("a"))(t)
	check(t, h.AddBridge("br0"))
	d := startDaemon(t, h)
	for i, name := range []string{"vxlan0", "other0"} { // networkd comes to the one with the lower index first
		d.uvtep(t, "link", "add", name, "type", "vxlan", "id", fmt.Sprint(i+1), "remote", "192.0.2.2")
		d.uvtep(t, "link", "set", name, "up", "master", "br0")
		check(t, h.AddAddr(name, inner4(i+1)))
	}
	startNetworkd(t, h, dir)
	shown := func(dev string) string { return mustRun(t, h, "ip", "addr", "show", dev) }
	eventually(t, func() error {
		if s := shown("other0"); strings.Contains(s, "master br0") {
			return fmt.Errorf("networkd leaves what its file matches alone: %s", s)
		}
		return nil
	})
	if s := shown("vxlan0"); !strings.Contains(s, "master br0") || !strings.Contains(s, inner4(1).String()) || !strings.Contains(s, ",UP") {
		t.Errorf("networkd took the link over in spite of the file: %s", s)
	}
}
