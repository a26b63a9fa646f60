package check

import (
	"os"
	"path/filepath"
	"testing"
)

// TestProfiles: those that come up by themselves and name a device, and no others.
func TestProfiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"vxlan.nmconnection":  "[connection]\nid=v\ntype=vxlan\ninterface-name=vxlan0\n\n[vxlan]\nid=42\ninterface-name=other\n",
		"off.nmconnection":    "[connection]\ntype=tun\ninterface-name=vxlan0\nautoconnect=false\n",
		"any.nmconnection":    "[connection]\ntype=ethernet\n",
		"broken.nmconnection": "interface-name=vxlan0\n[\n=\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all := profiles(filepath.Join(dir, "none"), dir)
	if len(all) != 1 || all[0] != (Profile{filepath.Join(dir, "vxlan.nmconnection"), "vxlan", "vxlan0"}) {
		t.Errorf("%+v", all)
	}
}
