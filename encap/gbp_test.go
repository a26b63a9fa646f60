package encap

import "testing"

func TestPolicy(t *testing.T) {
	for _, tt := range []struct {
		bytes [HeaderLen]byte
		want  Policy
		ok    bool
		left  bool // reserved bits
	}{
		{[8]byte{0x08, 0, 0, 0, 0, 0, 42}, Policy{}, false, false},
		{[8]byte{0x88, 0, 0x12, 0x34, 0, 0, 42}, Policy{ID: 0x1234}, true, false},
		{[8]byte{0x88, 0x40, 0, 7, 0, 0, 42}, Policy{ID: 7, DontLearn: true}, true, false},
		{[8]byte{0x88, 0x08, 0xff, 0xff, 0, 0, 42}, Policy{ID: 0xffff, Applied: true}, true, false},
		{[8]byte{0x88, 0xff, 0, 0, 0, 0, 42}, Policy{DontLearn: true, Applied: true}, true, false},
		{[8]byte{0x08, 0xff, 1, 2, 0, 0, 42}, Policy{}, false, false},
		{[8]byte{0x8c, 0, 0, 7, 0, 0, 42}, Policy{ID: 7}, true, true},
		{[8]byte{0x88, 0, 0, 7, 0, 0, 42, 1}, Policy{ID: 7}, true, true},
	} {
		h, _ := DecodeHeader(tt.bytes[:])
		got, ok := h.TakePolicy()
		if got != tt.want || ok != tt.ok || h.ReservedSet() != tt.left || !h.Valid() {
			t.Errorf("%x: %+v, %v, left %+v", tt.bytes, got, ok, h)
		}
	}
}

func TestSetPolicyID(t *testing.T) {
	for id, want := range map[uint16][HeaderLen]byte{
		0:      {0x08, 0, 0, 0, 0, 0, 42, 0},
		1:      {0x88, 0, 0, 1, 0, 0, 42, 0},
		0xabcd: {0x88, 0, 0xab, 0xcd, 0, 0, 42, 0},
	} {
		h := HeaderFor(42)
		SetPolicyID(&h, id)
		if h != want {
			t.Errorf("id %d: %x, want %x", id, h, want)
		}
	}
}
