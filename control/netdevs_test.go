package control

import (
	"errors"
	"testing"

	"github.com/uvtep/uvtep/api"
)

// bridged is a host whose device vx1 is a port of a bridge br0.
type bridged struct{ noNetdevs }

func (bridged) Find(name string) (int, error) {
	if name == "br0" {
		return 9, nil
	}
	return 0, errNoDevice
}

func (bridged) Master(known *api.Netdev) (int, error) {
	if known.Name == "vx1" {
		return 9, nil
	}
	return 0, nil
}

// TestFilterByBridge: `br` selects the entries of the bridge's ports.
func TestFilterByBridge(t *testing.T) {
	b := &fakeBackend{}
	for _, name := range []string{"vx1", "vx2"} {
		if err := AddLink(b, bridged{}, &api.LinkChange{LinkSpec: api.LinkSpec{Name: name, ID: new(uint32(42)), Remote: addr("192.0.2.2")}}); err != nil {
			t.Fatal(err)
		}
	}
	s := listener(t, b)
	s.config.Netdevs = bridged{}
	of, err := s.linksOf(&api.FDBFilter{Br: "br0"})
	if err != nil || !of["vx1"] || of["vx2"] {
		t.Errorf("links of br0: %v, %v", of, err)
	}
	if _, err := s.linksOf(&api.FDBFilter{Br: "br1"}); err == nil {
		t.Error("a bridge that is not there has links")
	}
}

// TestAddLinkIsUndone: a link whose master is refused is not made.
func TestAddLinkIsUndone(t *testing.T) {
	b := &fakeBackend{}
	c := &api.LinkChange{LinkSpec: api.LinkSpec{Name: "vx1", ID: new(uint32(42))}, Master: new("br1"), Up: new(true)}
	if err := AddLink(b, noNetdevs{}, c); !errors.Is(err, errNoDevice) {
		t.Errorf("a master that is not there: %v", err)
	}
	if links := b.Links(); len(links) != 0 {
		t.Errorf("the link is there: %+v", links)
	}
}
