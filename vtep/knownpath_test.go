package vtep

import "testing"

// TestMSSFitsKnownPath: a path's MTU counts while it is fresh and smaller than
// the link's.
func TestMSSFitsKnownPath(t *testing.T) {
	s := &linkState{mtu: 1450}
	p4, p6 := &peer{addr: ip("192.0.2.2")}, &peer{addr: ip("2001:db8::2")}
	if got := s.mssMTU(nil, 1); got != 1450 {
		t.Errorf("to nobody: %d", got)
	}
	if got := s.mssMTU(p4, 1); got != 1450 {
		t.Errorf("nothing is known: %d", got)
	}
	p4.path.learn(1300, 100)
	p6.path.learn(1300, 100)
	if a, b := s.mssMTU(p4, 100), s.mssMTU(p6, 99+pathAge); a != 1250 || b != 1230 {
		t.Errorf("small paths: %d, %d; want 1250, 1230", a, b)
	}
	if got := s.mssMTU(p4, 100+pathAge); got != 1450 {
		t.Errorf("long ago: %d", got)
	}
	p4.path.learn(9000, 200)
	if got := s.mssMTU(p4, 200); got != 1450 {
		t.Errorf("a large path: %d", got)
	}
	w := outFrame{}
	if w.behind() != nil {
		t.Error("a flooded frame has one peer")
	}
	if w.one = (&remote{peer: p6}); w.behind() != p6 {
		t.Error("the peer is not the remote's")
	}
}
