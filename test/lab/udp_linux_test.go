package lab

import "testing"

// TestDatagramDamage damages each byte and cuts and extends a datagram: the receiver must see all of it.
func TestDatagramDamage(t *testing.T) {
	for _, size := range []int{udpHeader, 17, 100} {
		b := make([]byte, size)
		fillDatagram(b, 7)
		if seq, ok := checkDatagram(b, size); !ok || seq != 7 {
			t.Fatalf("%d bytes: number %d, intact %v", size, seq, ok)
		}
		for i := range b {
			b[i] ^= 0x10
			if _, ok := checkDatagram(b, size); ok {
				t.Errorf("%d bytes: damage to byte %d is not seen", size, i)
			}
			b[i] ^= 0x10
		}
		for _, bad := range [][]byte{b[:size-1], append(b, 0), nil} {
			if _, ok := checkDatagram(bad, size); ok {
				t.Errorf("%d bytes for %d are not seen", len(bad), size)
			}
		}
	}
}
