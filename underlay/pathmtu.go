package underlay

import (
	"sync"
	"time"

	"github.com/uvtep/uvtep/encap"
)

const (
	// pathMTUAge is how long the kernel believes a path MTU by default
	// (net.ipv4.route.mtu_expires, net.ipv6.route.mtu_expires; RFC 1191
	// section 6.3 and RFC 8201 section 4 recommend ten minutes).
	pathMTUAge = 10 * time.Minute
	// pathMTUs bounds the memory that a stranger's ICMP can take.
	pathMTUs = 4096
)

// pathMTUTable holds the path MTUs that the kernel reported with refused packets, by remote.
// It is written on errors only.
type pathMTUTable struct {
	mu   sync.Mutex // innermost: nothing is locked below it
	mtus map[encap.Addr]pathMTU
}

type pathMTU struct {
	mtu     int
	learned time.Time
}

func (t *pathMTUTable) learn(dst encap.Addr, mtu int, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mtus == nil {
		t.mtus = make(map[encap.Addr]pathMTU)
	}
	if _, known := t.mtus[dst]; !known && len(t.mtus) >= pathMTUs {
		t.evict(now)
	}
	t.mtus[dst] = pathMTU{mtu, now}
}

// evict drops what has expired, and any quarter of the table where that is not
// enough: by one it would be walked again for each new remote.
func (t *pathMTUTable) evict(now time.Time) {
	for dst, m := range t.mtus {
		if now.Sub(m.learned) >= pathMTUAge {
			delete(t.mtus, dst)
		}
	}
	for dst := range t.mtus {
		if len(t.mtus) <= pathMTUs*3/4 {
			return
		}
		delete(t.mtus, dst)
	}
}

func (t *pathMTUTable) lookup(dst encap.Addr, now time.Time) (int, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m, ok := t.mtus[dst]
	if !ok || now.Sub(m.learned) >= pathMTUAge {
		return 0, false
	}
	return m.mtu, true
}
