package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/uvtep/uvtep/bench/result"
	"github.com/uvtep/uvtep/test/lab"
)

// neverHere names the systems that are left out for a reason of their own.
//
// VDE's plug receives with recvmsg and msg_namelen 0, so it never learns where a
// MAC is, and each unicast frame ends in sendmsg's EDESTADDRREQ (seen with
// strace). Broadcasts arrive, their answers do not: no ARP, no TCP.
func neverHere() []result.Absent {
	return []result.Absent{{System: "vde", Why: "the vxlan plug of Debian 12 (libvdeplug2 4.0.1-4) answers no unicast: " +
		"it does not keep the address that a packet came from"}}
}

// missing says which of programs is not installed, and how that is changed.
func missing(debian string, programs ...string) func() string {
	return func() string {
		for _, p := range programs {
			if _, err := exec.LookPath(p); err != nil {
				return fmt.Sprintf("%s is not installed (apt-get install %s)", p, debian)
			}
		}
		return ""
	}
}

// ovsSchema is where Debian's openvswitch-common puts the database's schema.
const ovsSchema = "/usr/share/openvswitch/vswitch.ovsschema"

// openVSwitch is Open vSwitch's userspace datapath (netdev), without DPDK: a
// bridge with the underlay's device and address, and one with a VXLAN port. Its
// daemons are this host's own, with their sockets and database in e.dir.
func openVSwitch() system {
	return system{
		name:   "ovs",
		absent: missing("openvswitch-switch", "ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl"),
		attach: func(_ *pair, e end) error {
			db, socket := filepath.Join(e.dir, "conf.db"), "unix:"+filepath.Join(e.dir, "db.sock")
			if out, err := exec.Command("ovsdb-tool", "create", db, ovsSchema).CombinedOutput(); err != nil {
				return fmt.Errorf("ovsdb-tool: %w: %s", err, out)
			}
			env := []string{"OVS_RUNDIR=" + e.dir, "OVS_DBDIR=" + e.dir, "OVS_LOGDIR=" + e.dir}
			for _, c := range []lab.Command{
				{Path: "ovsdb-server", Args: []string{db, "--remote=p" + socket, "--unixctl=" + filepath.Join(e.dir, "db.ctl")}},
				{Path: "ovs-vswitchd", Args: []string{socket, "--unixctl=" + filepath.Join(e.dir, "vs.ctl")}},
			} {
				c.Env = env
				if _, err := e.host.Start(c); err != nil {
					return err
				}
			}
			vsctl := func(args ...string) error {
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				defer cancel()
				_, _, err := e.host.Run(ctx, "ovs-vsctl", append([]string{"--db=" + socket, "--timeout=15"}, args...)...)
				return err
			}
			err := lab.Eventually(5*time.Second, func() error { return vsctl("--no-wait", "init") })
			if err == nil { // waits until ovs-vswitchd has done it
				err = vsctl("add-br", "phy", "--", "set", "bridge", "phy", "datapath_type=netdev",
					"--", "add-port", "phy", e.dev,
					"--", "set", "interface", "phy", fmt.Sprint("mtu_request=", e.mtu),
					"--", "add-br", "int", "--", "set", "bridge", "int", "datapath_type=netdev",
					"--", "set", "interface", "int", fmt.Sprint("mtu_request=", e.mtu-overhead),
					"--", "add-port", "int", "vxlan0", "--", "set", "interface", "vxlan0", "type=vxlan",
					"options:key=42", "options:remote_ip="+e.remote.String(), "options:local_ip="+e.local.String())
			}
			if err != nil {
				return err
			}
			under := netip.PrefixFrom(e.local, 24)
			return errors.Join(e.host.DelAddr(e.dev, under), e.host.AddAddr("phy", under), e.host.AddAddr("int", e.overlay))
		},
	}
}
