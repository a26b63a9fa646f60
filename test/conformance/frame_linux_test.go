package conformance

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/gopacket/layers"

	"github.com/uvtep/uvtep/vtep/forward"
)

// plain is a frame of exactly n bytes that is not IP: IEEE 802's EtherType for
// local experiments and random bytes.
func plain(dst, src string, n int) []byte {
	b := make([]byte, n)
	copy(b, mac(dst))
	copy(b[6:], mac(src))
	binary.BigEndian.PutUint16(b[12:], 0x88b5)
	for i := range b[14:] {
		b[14+i] = byte(rand.Uint32())
	}
	return b
}

func TestC14NoFrameCheckSequence(t *testing.T) {
	eachUnderlay(t, func(t *testing.T, f family) {
		r := startRig(t, f)
		overhead := map[bool]int{false: 36, true: 56}[f.group.Is6()]
		mtu := must(r.dut.MTU("vxlan0"))(t)
		for _, n := range []int{14, 15, 59, 60, 61, 64, 255, 256, 1001, mtu + 13, mtu + 14} {
			// emit and delivers compare every byte.
			if p := r.emit(plain(broadcast, hostMAC, n)); p.ipLen != n+overhead {
				t.Errorf("a frame of %d bytes made an outer packet of %d, want %d", n, p.ipLen, n+overhead)
			}
			r.delivers(plain(broadcast, farMAC, n))
		}
	})
}

func vlanStacks() map[string][]layers.EthernetType {
	return map[string][]layers.EthernetType{
		"802.1Q":  {layers.EthernetTypeDot1Q},
		"802.1ad": {layers.EthernetTypeQinQ},
		"two":     {layers.EthernetTypeQinQ, layers.EthernetTypeDot1Q},
	}
}

func TestC15InnerVLANOnReceipt(t *testing.T) {
	for _, words := range []string{"", "innervlan pass", "innervlan drop"} {
		t.Run("words "+words, func(t *testing.T) {
			r := startRig(t, ipv4Underlay(), words)
			for name, types := range vlanStacks() {
				frame := frameFrom(farMAC, tagged(types...))
				if words == "innervlan drop" {
					r.refuses(forward.RxInnerVLAN, r.packet(frame))
				} else {
					r.delivers(frame)
				}
				if e := r.entry(farMAC); e.IsValid() != (words != "innervlan drop") {
					t.Errorf("tag %s: %s is learned: %v", name, farMAC, e)
				}
			}
			r.delivers(frameFrom(farMAC2))
		})
	}
}

func TestC16InnerVLANOnTransmit(t *testing.T) {
	for _, words := range []string{"", "innervlan pass", "innervlan drop"} {
		t.Run("words "+words, func(t *testing.T) {
			r := startRig(t, ipv4Underlay(), words)
			for _, types := range vlanStacks() {
				frame := frameTo(broadcast, tagged(types...))
				if words == "innervlan drop" {
					r.keeps(forward.TxInnerVLAN, frame)
				} else {
					r.emit(frame)
				}
			}
			r.emit(frameTo(broadcast))
		})
	}
}

func TestL01BadInnerSource(t *testing.T) {
	for _, words := range []string{"learning", "nolearning"} {
		t.Run(words, func(t *testing.T) {
			r := startRig(t, ipv4Underlay(), words)
			for _, src := range []string{allZeros, groupMAC, broadcast, "03:00:00:00:00:01"} {
				r.refuses(forward.RxBadSource, r.packet(frameFrom(src)))
			}
			if e := r.entry(allZeros); e != r.peers[0] {
				t.Errorf("the flood list begins with %v, want %s", e, r.peers[0])
			}
		})
	}
}

func TestL02OwnMAC(t *testing.T) {
	for _, words := range []string{"learning", "nolearning"} {
		t.Run(words, func(t *testing.T) {
			r := startRig(t, ipv4Underlay(), words)
			own := must(r.dut.MAC("vxlan0"))(t).String()
			r.refuses(forward.RxOwnMAC, r.packet(frameFrom(own)))
			if e := r.entry(own); e.IsValid() {
				t.Errorf("the link's own MAC was learned behind %s", e)
			}

			// It is the MAC that the netdev has at present.
			check(t, r.dut.SetMAC("vxlan0", mac(farMAC3)))
			before := r.drops(forward.RxOwnMAC)
			r.until("follow the netdev's MAC", func() bool {
				r.send(r.packet(frameFrom(farMAC3)))
				return r.drops(forward.RxOwnMAC) > before
			})
			frame := frameFrom(own)
			r.send(r.packet(frame))
			if _, err := r.inner.WaitFor(isFrame(frame), patience); err != nil {
				t.Errorf("the MAC that the link had before is refused still: %v", err)
			}
		})
	}
}

func TestL03ShortInnerFrame(t *testing.T) {
	r := startRig(t, ipv4Underlay())
	for n := range 14 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			r := r.in(t)
			errors := r.stats().Rx.Errors
			r.refuses(forward.RxTooShort, r.packet(plain(broadcast, farMAC, 14)[:n]))
			if got := r.stats().Rx.Errors; got != errors+1 {
				t.Errorf("rx errors rose by %d, want 1", got-errors)
			}
		})
	}
	r.delivers(plain(broadcast, farMAC, 14))
}
