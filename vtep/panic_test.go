package vtep_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/internal/fault"
	"github.com/uvtep/uvtep/tap"
	"github.com/uvtep/uvtep/vtep"
	"github.com/uvtep/uvtep/vtep/vteptest"
)

// poison is what the hooks of a test panic at.
var poison = []byte("poison")

// panicky is a host whose ports and transmitters panic at poison.
type panicky struct{ *vteptest.Host }

func (h *panicky) OpenPort(c tap.Config) (vtep.Port, vtep.Netdev, error) {
	_, _, err := h.Host.OpenPort(c)
	d := &panickyDevice{h.Device(c.Name)}
	return d, d, err
}

type panickyDevice struct{ *vteptest.Device }

func (d *panickyDevice) WriteBatch(q int, frames []encap.Frame) (int, error) {
	for i := range frames {
		if bytes.Contains(frames[i].Data, poison) {
			panic("by the test, in a port's write")
		}
	}
	return d.Device.WriteBatch(q, frames)
}

func (d *panickyDevice) ReadBatch(q int, frames []encap.Frame) (int, error) {
	n, err := d.Device.ReadBatch(q, frames)
	for i := range frames[:n] {
		if bytes.Contains(frames[i].Data, poison) {
			panic("by the test, in a port's read")
		}
	}
	return n, err
}

// TestPanicsEndNobody: a panic in the worker of a port, of a trunk port or of a
// socket, while it holds a shard's lock or not, ends neither the VTEP nor the link:
// links and the one that it happened on go on.
func TestPanicsEndNobody(t *testing.T) {
	marked := encap.MAC{2, 0xff}
	for name, provoke := range map[string]func(r *rig){
		"port":  func(r *rig) { r.dev.Inject(frame(macB, macA, string(poison))) },
		"trunk": func(r *rig) { r.host.Device("trunk0").Inject(tagged(10, frame(macB, macA, string(poison)))) },
		"write": func(r *rig) { r.hear(addrB, pack(42, frame(macA, macB, string(poison)))) },
		"learn": func(r *rig) { r.hear(addrB, pack(42, frame(macA, marked, "x"))); marked[5]++ },
		"age": func(r *rig) {
			must(r.t, r.FDBAdd(vtep.FDBEntry{Link: "vxlan0", MAC: marked, Remote: vtep.Remote{Addr: addrB}, State: fdb.Dynamic}))
			time.Sleep(vtep.DefaultAgeing + 11*time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, net *vteptest.Network) {
				h := net.Host(addrA)
				r := &rig{node: startNode(t, net, h, &panicky{h}, addrA), t: t, wire: net.Capture(), link: "vxlan0"}
				r.dev = r.addUp(t, vtep.LinkConfig{Name: "vxlan0", VNI: 42, Remote: addrB})
				other := r.addUp(t, vtep.LinkConfig{Name: "other", VNI: 43, Remote: addrB})
				must(t, r.AddTrunk(vtep.TrunkConfig{Name: "trunk0"}))
				must(t, r.SetTrunkUp("trunk0", true))
				must(t, r.AddLink(vtep.LinkConfig{Name: "v10", VNI: 1010, Remote: addrB, Trunk: "trunk0", VLAN: 10}))
				must(t, r.SetLinkUp("v10", true))
				r.PanicOnChange("vxlan0", func(e *fdb.Event) bool {
					return e.MAC[1] == 0xff && (e.Reason == fdb.ReasonLearned || e.Kind == fdb.Removed)
				})
				before := fault.Caught()
				for n := range 5 {
					provoke(r)
					time.Sleep(2 * time.Second) // the worker rests
					if caught := fault.Caught() - before; caught != uint64(n+1) {
						t.Fatalf("%d panics were caught, want %d", caught, n+1)
					}
					if sent := r.out(frame(macB, macA, "x")); len(sent) != 1 {
						t.Errorf("the link sent %d packets, want 1", len(sent))
					}
					if got := r.in(addrB, frame(macA, macB, "x")); len(got) != 1 {
						t.Errorf("the link was given %d frames, want 1", len(got))
					}
					other.Inject(frame(macB, macA, "x"))
					h.Device("trunk0").Inject(tagged(10, frame(macB, macA, "x")))
					if sent := r.sent(); len(sent) != 2 {
						t.Errorf("the others sent %d packets, want 2", len(sent))
					}
					r.hear(addrB, pack(43, frame(macA, macB, "x")))
					r.hear(addrB, pack(1010, frame(macA, macB, "x")))
					synctest.Wait()
					if a, b := drain(other.Output()), drain(h.Device("trunk0").Output()); len(a) != 1 || len(b) != 1 {
						t.Errorf("the others were given %d and %d frames, want 1 each", len(a), len(b))
					}
					// The control plane holds none of its locks, and the FDB none of its.
					must(t, r.FDBAdd(vtep.FDBEntry{Link: "vxlan0", MAC: encap.MAC{2, 9, 9, byte(n)}, Remote: vtep.Remote{Addr: addrB}}))
				}
			})
		})
	}
}
