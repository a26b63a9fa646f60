package bench

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/uvtep/uvtep/api"
	"github.com/uvtep/uvtep/test/lab"
	"github.com/uvtep/uvtep/test/load"
)

// remoteNet holds the addresses of remotes that one host stands for (the
// benchmarking range, RFC 2544 appendix C.2.2).
var remoteNet = netip.MustParsePrefix("198.18.0.0/21")

const allZeros = "00:00:00:00:00:00"

// benchmarkReplicate measures head-end replication: copies a second.
func (h *harness) benchmarkReplicate(b *testing.B) {
	pairs := map[string]*pair{}
	defer func() {
		for _, p := range pairs {
			if err := p.close(); err != nil {
				b.Error(err)
			}
		}
	}()
	for _, remotes := range []int{1, 10, 100, 1000} {
		for _, burst := range []int{1, 32} {
			var list []contestant
			for _, s := range h.ringing() {
				list = append(list, contestant{name: s.name, measure: func() ([]figure, error) {
					p, ok := pairs[s.name]
					if !ok {
						var err error
						if p, err = newFlooder(settings()["as-is"], s, h.dir); err != nil {
							return nil, err
						}
						pairs[s.name] = p
					}
					return h.replicate(p, remotes, burst)
				}})
			}
			h.row(b, fmt.Sprintf("remotes=%d/burst=%d", remotes, burst), h.reference(), list)
		}
	}
}

func (h *harness) replicate(p *pair, remotes, burst int) ([]figure, error) {
	last, err := p.flood(remotes)
	if err != nil {
		return nil, err
	}
	r, err := load.Replicate(load.ReplicateConfig{
		From: p.a, Broadcast: netip.MustParseAddr("198.51.100.255"), To: p.b, Remotes: remotes,
		Last: netip.AddrPortFrom(last, 4789), Burst: burst, Duration: h.round,
	})
	// Without the few frames that the host's own stack sends there can be no more copies than these.
	whole := float64(r.Frames * remotes)
	return []figure{
		{unit: "kcopies/s", value: r.PerSecond() / 1e3},
		{suffix: "loss", unit: "%", value: max(0, 100*(whole-float64(r.Copies))/whole), less: true},
	}, err
}

// newFlooder has a VTEP on host a alone, without remotes; b has the addresses of remoteNet.
func newFlooder(u setting, s system, dir string) (*pair, error) {
	p, err := newHosts(u)
	if err != nil {
		return nil, err
	}
	e := end{host: p.a, dev: p.wire.A, local: addrA, overlay: overlayA, mtu: u.mtu}
	if e.dir, err = os.MkdirTemp(dir, "flooder"); err == nil {
		err = s.attach(p, e)
	}
	err = errors.Join(err,
		p.b.AddAddr("lo", netip.PrefixFrom(remoteNet.Addr().Next(), remoteNet.Bits())), // of lo the whole prefix is local
		p.a.AddRoute(lab.Route{Dst: remoteNet, Via: addrB}),
		p.a.MustReach(remoteNet.Addr().Next(), 56, 5*time.Second))
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// flood makes the flood list of a's link n remotes long and returns the last one.
func (p *pair) flood(n int) (last netip.Addr, err error) {
	last = remoteNet.Addr()
	for i := range n {
		last = last.Next()
		if i < p.remotes {
			continue
		}
		if len(p.controls) > 0 {
			err = p.controls[0].ChangeFDB(context.Background(), "append", api.FDBEntry{Dev: "vxlan0", MAC: allZeros, Dst: last})
		} else {
			err = p.a.FDBAppend("vxlan0", lab.FDBEntry{MAC: make([]byte, 6), Dst: last})
		}
		if err != nil {
			return last, err
		}
		p.remotes++
	}
	return last, nil
}
