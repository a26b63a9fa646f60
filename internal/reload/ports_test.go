package reload

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/uvtep/uvtep/internal/config"
)

// loadText loads a whole file.
func (r *rig) loadText(text string) error {
	r.t.Helper()
	f, err := config.Read("f.yaml", []byte(text))
	if err != nil {
		r.t.Fatal(err)
	}
	return r.Load(f)
}

// ports are those that the VTEP has, with their VLANs.
func (r *rig) ports() []string {
	var all []string
	for _, p := range r.vtep.Trunks() {
		line := fmt.Sprintf("%s mtu %d up %v", p.Name, p.Config.MTU, p.Up)
		for _, v := range p.VLANs {
			line += fmt.Sprintf(" %d=%s", v.VLAN, v.Link)
		}
		all = append(all, line)
	}
	slices.Sort(all)
	return all
}

// TestLoadPorts: ports come before their links and go after them.
func TestLoadPorts(t *testing.T) {
	bubble(t, func(r *rig) {
		for _, step := range []struct {
			text string
			want []string
		}{
			{"ports: [{name: t}]\nlinks: [{name: a, id: 1, trunk: t, vlan: 10}]", []string{"t mtu 0 up true 10=a"}},
			{"ports: [{name: t, mtu: 1300, up: false}]\nlinks: [{name: a, id: 1, trunk: t, vlan: 11}]", []string{"t mtu 1300 up false 11=a"}},
			{"ports: [{name: t}, {name: u}]\nlinks: [{name: a, id: 1, trunk: u, vlan: 11}]", []string{"t mtu 0 up true", "u mtu 0 up true 11=a"}},
			{"ports: [{name: u}]\nlinks: [{name: a, id: 1}]", []string{"u mtu 0 up true"}},
			{"", nil},
		} {
			must(t, r.loadText(step.text))
			if got := r.ports(); !slices.Equal(got, step.want) {
				t.Errorf("%s\ngave %q, want %q", step.text, got, step.want)
			}
		}
		must(t, r.loadText("ports: [{name: t}]\nlinks: [{name: a, id: 1, trunk: t, vlan: 10}]"))
		r.host.Device("t").Delete()
		synctest.Wait()
		must(t, r.loadText("ports: [{name: t}]\nlinks: [{name: a, id: 1, trunk: t, vlan: 10}]"))
		if got := r.ports(); !slices.Equal(got, []string{"t mtu 0 up true 10=a"}) {
			t.Errorf("after the device was deleted and the file read again: %q", got)
		}
		if err := r.loadText("ports: [{name: t, queues: 2}]\nlinks: [{name: a, id: 1, trunk: t, vlan: 10}]"); err == nil || !strings.Contains(err.Error(), "f.yaml:1:16: port t") {
			t.Errorf("queues of a port in use: %v", err)
		}
	})
}
