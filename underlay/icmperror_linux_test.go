package underlay

import (
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/uvtep/uvtep/encap"
)

// icmpAbout are the layers of an ICMP error of b's about the packet original of a.
func icmpAbout(t *testing.T, b, a *host, v6 bool, kind, code uint8, original []byte) []byte {
	t.Helper()
	eth := &layers.Ethernet{SrcMAC: b.mac, DstMAC: a.mac, EthernetType: layers.EthernetTypeIPv4}
	if !v6 {
		return serialized(t, eth,
			&layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolICMPv4, SrcIP: b.v4.AsSlice(), DstIP: a.v4.AsSlice()},
			&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(kind, code)}, payload(original[:28]))
	}
	eth.EthernetType = layers.EthernetTypeIPv6
	ip := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolICMPv6, SrcIP: b.v6.AsSlice(), DstIP: a.v6.AsSlice()}
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(kind, code)}
	if err := icmp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	return serialized(t, eth, ip, icmp, payload(append([]byte{0, 0, 0, 0}, original[:48]...)))
}

func serialized(t *testing.T, ls ...gopacket.SerializableLayer) []byte {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ls...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// sentPacket sends a packet to b and is what a router would quote of it.
func sentPacket(t *testing.T, tx *Transmitter, b *host, v6 bool) []byte {
	t.Helper()
	wire := b.capture(t)
	rx := b.listen(t, ReceiverConfig{V6: v6, Port: port})
	send(t, tx, encap.SendOK, packet(b.addr(v6), port, "quoted"))
	receive(t, rx, 0, 1)
	return wire.udp(t, payloadOf("quoted")).Data()[encap.EthernetHeaderLen:]
}

// TestTakeErrors: what ICMP says is known although nothing more is sent.
func TestTakeErrors(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		a, b := newWire(t)
		tx := a.transmitter(t, single(v6))
		if got := tx.TakeErrors(); got != nil {
			t.Errorf("before the first: %+v", got)
		}
		send(t, tx, encap.SendOK, packet(b.addr(v6), 4000, "nobody listens"))
		awaitError(t, tx)
		want := []ICMPError{{Dst: encap.AddrFrom(b.addr(v6)), Port: 4000, Kind: PortUnreachable, Count: 1}}
		if got := tx.TakeErrors(); !reflect.DeepEqual(got, want) {
			t.Errorf("errors %+v, want %+v", got, want)
		}
		original := sentPacket(t, tx, b, v6)
		wire := b.capture(t)
		kinds := map[[2]uint8]ICMPKind{
			{3, 0}: NetUnreachable, {3, 1}: HostUnreachable, {3, 3}: PortUnreachable, {3, 13}: Prohibited, {11, 0}: TimeExceeded, {12, 0}: OtherICMP,
		}
		if v6 {
			kinds = map[[2]uint8]ICMPKind{
				{1, 0}: NetUnreachable, {1, 1}: Prohibited, {1, 3}: HostUnreachable, {1, 4}: PortUnreachable, {3, 0}: TimeExceeded, {4, 1}: OtherICMP,
			}
		}
		for typeCode, kind := range kinds {
			check(t, wire.Send(icmpAbout(t, b, a, v6, typeCode[0], typeCode[1], original)))
			awaitError(t, tx)
			want := []ICMPError{{Dst: encap.AddrFrom(b.addr(v6)), Port: port, Kind: kind, Count: 1}}
			if got := tx.TakeErrors(); !reflect.DeepEqual(got, want) {
				t.Errorf("type and code %v: errors %+v, want %+v", typeCode, got, want)
			}
		}
		wire.injectTooBig(t, b, a, v6, original, 1400)
		awaitError(t, tx)
		if got := tx.TakeErrors(); got != nil {
			t.Errorf("too big is no error of this kind: %+v", got)
		}
	})
}

// TestErrorsAreBounded: a stranger's ICMP takes no more memory than that.
func TestErrorsAreBounded(t *testing.T) {
	var table icmpTable
	for n := range 3 * icmpErrors {
		table.note(encap.Addr{15: 1}, uint16(n), PortUnreachable)
	}
	if got := len(table.take()); got != icmpErrors {
		t.Errorf("%d remotes are remembered, want %d", got, icmpErrors)
	}
}

// TestErrorStorm: a storm of ICMP errors makes no packet look refused, whatever it says.
func TestErrorStorm(t *testing.T) {
	eachFamily(t, func(t *testing.T, v6 bool) {
		kinds := map[string][2]uint8{"port": {3, 3}, "host": {3, 1}, "network": {3, 0}, "prohibited": {3, 13}}
		if v6 {
			kinds = map[string][2]uint8{"port": {1, 4}, "host": {1, 3}, "network": {1, 0}, "prohibited": {1, 1}}
		}
		for name, kind := range kinds {
			t.Run(name, func(t *testing.T) { errorStorm(t, v6, kind[0], kind[1]) })
		}
	})
}

func errorStorm(t *testing.T, v6 bool, kind, code uint8) {
	a, b := newWire(t)
	tx := a.transmitter(t, single(v6))
	message := icmpAbout(t, b, a, v6, kind, code, sentPacket(t, tx, b, v6))
	wire := b.capture(t)
	var stop atomic.Bool
	done := make(chan int)
	go func() {
		n := 0
		for ; !stop.Load(); n++ {
			check(t, wire.Send(message))
		}
		done <- n
	}()
	results := make(map[encap.SendResult]int)
	sent := 0
	for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); sent++ {
		p := []encap.Packet{packet(b.addr(v6), port, "x")}
		if err := tx.WriteBatch(p); err != nil {
			t.Error(err)
		}
		results[p[0].Result]++
	}
	stop.Store(true)
	t.Logf("%d packets beside %d ICMP errors", sent, <-done)
	if took := results[encap.SendOK] + results[encap.SendNoBuffer]; took < sent {
		t.Errorf("of %d packets %d were refused: %v", sent, sent-took, results)
	}
}
