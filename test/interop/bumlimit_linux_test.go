package interop_test

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/test/lab"
)

// TestBUMLimitRate floods ten times the limit for ten seconds: within any second no
// more leaves than the limit and a twentieth, over all of them no more than a fiftieth
// beside it.
func TestBUMLimitRate(t *testing.T) {
	t.Parallel()
	const limit, seconds = 1000, 10
	l := lab.ForTest(t)
	a, b := must(l.Host("a"))(t), must(l.Host("b"))(t)
	w := must(l.Wire(a, b, lab.WireOptions{}))(t)
	outer := []netip.Prefix{prefix(families()[0].outer, 1), prefix(families()[0].outer, 2)}
	check(t, a.AddAddr(w.A, outer[0]), b.AddAddr(w.B, outer[1]))
	s := newSite(t, a, uvtep, 1, w.A, outer[0].Addr())
	s.addLink(t, link{remote: outer[1].Addr()})
	s.daemon.uvtep(t, "link", "set", "vxlan0", "bumlimit", "1000")
	var heard *net.UDPConn
	check(t, b.Do(func() (err error) {
		heard, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(outer[1].Addr(), 4789)))
		return err
	}))
	defer heard.Close()
	check(t, heard.SetReadBuffer(4<<20), stamped(heard))
	port := must(s.OpenPacket("vxlan0"))(t)
	frame := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 7, 0x88, 0xb5}, make([]byte, 46)...)
	sent := make(chan error, 1)
	go func() {
		var err error
		began := time.Now()
		for n := uint64(0); err == nil; n++ {
			due := began.Add(time.Duration(n) * time.Second / (10 * limit))
			if due.Sub(began) >= seconds*time.Second {
				break
			}
			if d := time.Until(due); d > 0 {
				time.Sleep(d)
			}
			binary.BigEndian.PutUint64(frame[20:], n)
			err = port.Send(frame)
		}
		sent <- err
	}()
	var arrived []time.Time
	check(t, heard.SetReadDeadline(time.Now().Add((seconds+1)*time.Second)))
	for buf, oob := make([]byte, 2048), make([]byte, 128); ; {
		n, nOOB, _, _, err := heard.ReadMsgUDP(buf, oob)
		if err != nil {
			break
		}
		if n == 8+len(frame) {
			arrived = append(arrived, must(stamp(oob[:nOOB]))(t))
		}
	}
	check(t, <-sent)
	most, from := 0, 0
	for i := range arrived {
		for arrived[i].Sub(arrived[from]) >= time.Second {
			from++
		}
		most = max(most, i-from+1)
	}
	t.Logf("%d packets in %d s, at most %d within a second; the limit is %d", len(arrived), seconds, most, limit)
	if most > limit*105/100 || len(arrived) > seconds*limit*102/100 || len(arrived) < seconds*limit*90/100 {
		t.Errorf("%d packets in %d s, at most %d within a second; the limit is %d", len(arrived), seconds, most, limit)
	}
}

// stamped has the kernel say when a datagram arrived (SO_TIMESTAMPNS in socket(7)):
// when it is read says more of this machine's load.
func stamped(c *net.UDPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	cerr := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) })
	return errors.Join(cerr, err)
}

func stamp(oob []byte) (time.Time, error) {
	all, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return time.Time{}, err
	}
	for _, m := range all {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= 16 {
			return time.Unix(int64(binary.NativeEndian.Uint64(m.Data)), int64(binary.NativeEndian.Uint64(m.Data[8:]))), nil
		}
	}
	return time.Time{}, errors.New("a datagram has no timestamp")
}
