package fleet_test

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/uvtep/uvtep/test/lab"
)

const (
	zebra = "/usr/lib/frr/zebra"
	bgpd  = "/usr/lib/frr/bgpd"
)

// frr is zebra and bgpd in a host, without what else FRR has.
type frr struct {
	host  *lab.Host
	dir   string
	conf  string
	procs []*lab.Process
}

// startFRR starts FRR with bgpd's configuration. Its directory and files are its user's.
func startFRR(t *testing.T, h *lab.Host, conf string) *frr {
	t.Helper()
	f := &frr{host: h, dir: openDir(t), conf: conf}
	u := must(user.Lookup("frr"))(t)
	uid, gid := must(strconv.Atoi(u.Uid))(t), must(strconv.Atoi(u.Gid))(t)
	for _, path := range []string{write(t, f.dir, "zebra.conf", "hostname "+h.Name()+"\n"), write(t, f.dir, "bgpd.conf", conf), f.dir} {
		check(t, os.Chown(path, uid, gid))
	}
	f.start(t)
	t.Cleanup(func() {
		if t.Failed() {
			for _, p := range f.procs {
				t.Logf("%s: FRR said:\n%s%s", h, p.Stdout(), p.Stderr())
			}
		}
	})
	return f
}

func (f *frr) start(t *testing.T) {
	t.Helper()
	for _, path := range []string{zebra, bgpd} {
		name := filepath.Base(path)
		socket := filepath.Join(f.dir, name+".vty")
		_ = os.Remove(socket) // of one that was killed
		_ = os.Remove(filepath.Join(f.dir, name+".pid"))
		p := must(f.host.Start(lab.Command{Path: path, Args: []string{"-i", filepath.Join(f.dir, name+".pid"), "--vty_socket", f.dir,
			"-z", filepath.Join(f.dir, "zserv"), "-f", filepath.Join(f.dir, name+".conf"), "-A", "127.0.0.1", "-P", "0", "--log", "stdout"}}))(t)
		f.procs = append(f.procs, p)
		eventually(t, func() error {
			_, err := os.Stat(socket)
			return err
		})
	}
}

// kill ends FRR without a word.
func (f *frr) kill(t *testing.T) {
	t.Helper()
	for _, p := range f.procs {
		check(t, p.Close())
	}
	f.procs = nil
}

// vty asks FRR.
func (f *frr) vty(t *testing.T, command string) string {
	t.Helper()
	out, errs, err := f.host.Run(t.Context(), "vtysh", "--vty_socket", f.dir, "-c", command)
	if err != nil {
		t.Fatalf("%s: vtysh -c %q: %v: %s", f.host, command, err, errs)
	}
	return out
}

// bgpConf is the configuration of bgpd with EVPN as its one family: extra lines are those of the
// router, family those of the address family.
func bgpConf(as, n int, extra, family []string) string {
	return fmt.Sprintf("router bgp %d\n bgp router-id %v\n no bgp default ipv4-unicast\n no bgp ebgp-requires-policy\n %s\n address-family l2vpn evpn\n  %s\n exit-address-family\n",
		as, outer(n), strings.Join(extra, "\n "), strings.Join(family, "\n  "))
}

// startGoBGP starts gobgpd with a configuration.
func startGoBGP(t *testing.T, h *lab.Host, conf string) {
	t.Helper()
	dir := openDir(t)
	p := must(h.Start(lab.Command{Path: "gobgpd", Args: []string{"-t", "toml", "-f", write(t, dir, "gobgpd.toml", conf), "--api-hosts", "unix://" + filepath.Join(dir, "api")}}))(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("gobgpd said:\n%s%s", p.Stdout(), p.Stderr())
		}
	})
}
