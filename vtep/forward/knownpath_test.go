package forward

import (
	"testing"

	"github.com/uvtep/uvtep/encap"
)

// TestMSSFitsKnownPath: a path's MTU counts while it is fresh and smaller than
// the link's.
func TestMSSFitsKnownPath(t *testing.T) {
	s := &State{MTU: 1450}
	p4, p6 := &Peer{Addr: ip("192.0.2.2")}, &Peer{Addr: ip("2001:db8::2")}
	in4, in6 := &encap.Inner{IPVersion: 4}, &encap.Inner{IPVersion: 6}
	if got := s.mssMTU(nil, in4, 1); got != 1450 {
		t.Errorf("to nobody: %d", got)
	}
	if got := s.mssMTU(p4, in4, 1); got != 1450 {
		t.Errorf("nothing is known: %d", got)
	}
	p4.path.learn(1300, 100)
	p6.path.learn(1300, 100)
	if a, b := s.mssMTU(p4, in4, 100), s.mssMTU(p6, in4, 99+pathAge); a != 1250 || b != 1230 {
		t.Errorf("small paths: %d, %d; want 1250, 1230", a, b)
	}
	if got := s.mssMTU(p4, in4, 100+pathAge); got != 1450 {
		t.Errorf("long ago: %d", got)
	}
	p4.path.learn(9000, 200)
	if got := s.mssMTU(p4, in4, 200); got != 1450 {
		t.Errorf("a large path: %d", got)
	}
	p4.path.learn(600, 300)
	if a, b := s.mssMTU(p4, in4, 300), s.mssMTU(p4, in6, 300); a != 550 || b != 1280 {
		t.Errorf("a path of 600 bytes: %d, %d; want 550, and 1280 for IPv6", a, b)
	}
	w := outFrame{}
	if w.behind() != nil {
		t.Error("a flooded frame has one peer")
	}
	if w.one = (&Remote{peer: p6}); w.behind() != p6 {
		t.Error("the peer is not the remote's")
	}
}
