package load

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestTally(t *testing.T) {
	var r report
	tally := newTally(2, []int{18, 30}, &r)
	add := func(flow uint32, seq uint64, length int) {
		b := make([]byte, 64)
		number(b, flow, seq)
		tally.add(b, length)
	}
	add(0, 0, 18)
	add(0, 1, 30)
	add(1, 0, 18)
	add(0, 4, 18)
	if want := (report{Count: 4, Bytes: 84}); !reflect.DeepEqual(r, want) {
		t.Errorf("in order, with loss: %+v, want %+v", r, want)
	}
	add(0, 3, 30) // late
	add(0, 4, 18) // twice
	if want := (report{Count: 6, Bytes: 132, Reordered: 2}); !reflect.DeepEqual(r, want) {
		t.Errorf("late and twice: %+v, want %+v", r, want)
	}
	add(0, 5, 18) // not its size
	add(2, 0, 18) // no such flow
	add(0, 6, 8)  // too short for a number
	if r.Corrupt != 3 || r.Count != 6 {
		t.Errorf("corrupt ones: %+v", r)
	}
}

// TestSenderNumbers feeds what the sender fills in to what the receiver counts, with a kernel that takes part of a batch.
func TestSenderNumbers(t *testing.T) {
	for name, o := range map[string]*order{
		"batch":    {Streams: 1, Sizes: []int{18, 524, 18}},
		"segments": {Streams: 1, Sizes: []int{20}, Segment: 5},
		"flows":    {Streams: 3, Sizes: []int{18, 100}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFloodSender(o)
			var r report
			tally := newTally(o.Streams, o.Sizes, &r)
			var sent int64
			for call := range 50 {
				flow := call % o.Streams
				n := min(s.fill(flow), 1+call%batch)
				for i := range n {
					b, size := s.bufs[i], int(s.iovs[i].Len)/s.segments
					for k := range s.segments {
						tally.add(b[k*size:], size)
					}
				}
				s.next[flow] += uint64(n * s.segments)
				sent += int64(n * s.segments)
			}
			if r.Count != sent || r.Reordered != 0 || r.Corrupt != 0 {
				t.Errorf("%d sent, counted %+v", sent, r)
			}
			for flow, next := range s.next {
				if next != tally.next[flow] {
					t.Errorf("flow %d: next is %d at the sender, %d at the receiver", flow, next, tally.next[flow])
				}
			}
		})
	}
}

// TestSpreadNumbers is the same for flows that take turns in a call.
func TestSpreadNumbers(t *testing.T) {
	for _, flows := range []int{1, 3, batch, 2 * batch} {
		s := newSpreadSender(&order{Streams: flows, Sizes: []int{18, 100}, Net: netip.MustParsePrefix("198.51.100.0/24"), Addr: netip.AddrPortFrom(netip.IPv4Unspecified(), 9)})
		var r report
		tally := newTally(flows, s.sizes, &r)
		var sent int64
		for call := range 50 {
			n := 1 + call%batch
			s.fill(n)
			n -= n / 3 // the kernel takes part of them
			for i := range n {
				tally.add(s.bufs[i], int(s.iovs[i].Len))
				flow := binary.BigEndian.Uint32(s.bufs[i])
				if to := (*unix.RawSockaddrInet4)(unsafe.Pointer(s.hdrs[i].hdr.Name)); to.Addr != [4]byte{198, 51, 100, byte(flow)} {
					t.Errorf("flow %d goes to %v", flow, to.Addr)
				}
			}
			s.took(n)
			sent += int64(n)
		}
		if r.Count != sent || r.Reordered != 0 || r.Corrupt != 0 || !slices.Equal(s.next, tally.next) {
			t.Errorf("%d flows: %d sent, counted %+v; next %v and %v", flows, sent, r, s.next, tally.next)
		}
		if least, most := slices.Min(s.next), slices.Max(s.next); most > least+1 {
			t.Errorf("%d flows: one has %d, another %d", flows, least, most)
		}
	}
}

// TestDue: what is missing of a rate, a batch at most.
func TestDue(t *testing.T) {
	for _, c := range []struct {
		rate    int
		elapsed time.Duration
		done    int64
		want    int
	}{{0, 0, 9, batch}, {1000, 0, 0, 0}, {1000, 20 * time.Millisecond, 5, 15}, {1000, time.Second, 0, batch}, {1000, time.Millisecond, 2, 0}} {
		if got := due(c.rate, c.elapsed, c.done); got != c.want {
			t.Errorf("%+v: %d", c, got)
		}
	}
}

func TestParseBusy(t *testing.T) {
	got, err := parseBusy("cpu  10 20 30 4000 500 60 70 8 0 0\ncpu0 1 2 3\n")
	if want := 1900 * time.Millisecond; err != nil || got != want {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	for _, bad := range []string{"", "cpu 1 2", "cpu a b c d e f g h", "intr 1 2 3 4 5 6 7 8"} {
		if _, err := parseBusy(bad); err == nil {
			t.Errorf("%q is no error", bad)
		}
	}
}

func TestParseArrived(t *testing.T) {
	got, err := parseArrived("TcpExt: SyncookiesSent\nTcpExt: 1\nIpExt: InOctets InCsumErrors InNoECTPkts InECT1Pkts InECT0Pkts InCEPkts ReasmOverlaps\n" +
		"IpExt: 1000 2 100 1 16 3 0\n")
	if err != nil || got != 120 {
		t.Errorf("got %d, %v", got, err)
	}
	if _, err := parseArrived("Ip: 1\n"); err == nil {
		t.Error("no counters are no error")
	}
}

func TestStation(t *testing.T) {
	const want = "0800000000002a00" + "ffffffffffff" + "025a00000000" + "08060001080006040001" + "025a00000000"
	if got := hex.EncodeToString(station(42, 0)); got[:len(want)] != want || len(got) != 2*68 {
		t.Errorf("station 0: %s", got)
	}
	seen := map[string]bool{}
	for i := range 1 << 16 {
		mac := string(station(1, i)[8+6 : 8+12])
		if seen[mac] {
			t.Fatalf("station %d has another's MAC", i)
		}
		seen[mac] = true
	}
}
