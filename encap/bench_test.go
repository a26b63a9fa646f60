package encap_test

import (
	"fmt"
	"testing"

	"github.com/uvtep/uvtep/encap"
)

func BenchmarkHeader(b *testing.B) {
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		var sink byte
		vni := encap.VNI(0)
		for b.Loop() {
			h := encap.HeaderFor(vni & encap.MaxVNI)
			sink += h[6]
			vni++
		}
		_ = sink
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		raw := encap.HeaderFor(42)
		n := 0
		for b.Loop() {
			if h, ok := encap.DecodeHeader(raw[:]); ok && h.Valid() && !h.ReservedSet() {
				n += int(h.VNI)
			}
		}
		if n == 0 {
			b.Fatal("nothing decoded")
		}
	})
}

func BenchmarkParseInner(b *testing.B) {
	for name, frame := range flows(b, 64) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				in := encap.ParseInner(frame)
				n += int(in.L4)
			}
			if n == 0 {
				b.Fatal("nothing parsed")
			}
		})
	}
}

func BenchmarkFlowHash(b *testing.B) {
	for _, name := range []string{"udp4", "udp6"} {
		frame := flows(b, 64)[name]
		in := encap.ParseInner(frame)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var sink uint32
			for b.Loop() {
				sink += encap.FlowHash(frame, &in)
			}
			_ = sink
		})
	}
}

func BenchmarkSum(b *testing.B) {
	for _, n := range []int{64, 1500, 65000} {
		data := pattern(n)
		b.Run(fmt.Sprintf("%dB", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(n))
			var sink uint16
			for b.Loop() {
				sink += encap.Sum(data)
			}
			_ = sink
		})
	}
}

func BenchmarkLooksPartial(b *testing.B) {
	frame := flows(b, 1400)["tcp4"]
	in := encap.ParseInner(frame)
	b.ReportAllocs()
	for b.Loop() {
		if encap.LooksPartial(frame, &in) {
			b.Fatal("complete checksum taken for partial")
		}
	}
}

func BenchmarkSegment(b *testing.B) {
	f := superframe(b, packet{proto: encap.ProtoTCP, payload: pattern(60000)}, 1448)
	scratch := make([]byte, 2000)
	emit := func(encap.Frame) {}
	b.ReportAllocs()
	b.SetBytes(int64(len(f.Data)))
	for b.Loop() {
		if !encap.Segment(&f, scratch, emit) {
			b.Fatal("refused")
		}
	}
}
