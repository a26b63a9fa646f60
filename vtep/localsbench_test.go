package vtep

import (
	"log/slog"
	"net/netip"
	"testing"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
	"github.com/uvtep/uvtep/vtep/forward"
)

// BenchmarkLearnLocal is a batch of 256 frames from a port, with learnlocal off and on, from
// one source and from as many as frames.
func BenchmarkLearnLocal(b *testing.B) {
	for name, on := range map[string]bool{"off": false, "on": true} {
		for kind, sources := range map[string]int{"one": 1, "many": forward.Batch} {
			b.Run(kind+"/"+name, func(b *testing.B) {
				s := sink{make(chan struct{})}
				v := New(Config{Host: s, Log: slog.New(slog.DiscardHandler), Workers: 1})
				defer func() {
					close(s.closed)
					_ = v.Close()
				}()
				if err := v.AddLink(LinkConfig{Name: "vxlan0", VNI: 42, Remote: netip.MustParseAddr("192.0.2.2"), LearnLocal: on, NoLoopGuard: true}); err != nil {
					b.Fatal(err)
				}
				if err := v.FDBAdd(FDBEntry{Link: "vxlan0", MAC: there, Remote: Remote{Addr: netip.MustParseAddr("192.0.2.2")}, State: fdb.Permanent}); err != nil {
					b.Fatal(err)
				}
				frames := make([]encap.Frame, forward.Batch)
				for i := range frames {
					frames[i].Data = ipFrame(there, encap.MAC{2, 5, 0, 0, 0, byte(i % sources)}, false, 1400)
				}
				w := forward.NewPortWorker(v.links["vxlan0"].Link, 0)
				now := fdb.Tick(0)
				for b.Loop() {
					w.Forward(frames, now/1000) // some batches a second
					now++
				}
			})
		}
	}
}
