package ping

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

const (
	ipv4HeaderLen, ipv6HeaderLen, echoHeaderLen = 20, 40, 8
)

// Echo needs CAP_NET_RAW.
func (h *Host) Echo(from, to netip.Addr, size int, wait time.Duration) (Answer, error) {
	network, header := "ip4:icmp", ipv4HeaderLen
	request := icmp.Message{Type: ipv4.ICMPTypeEcho}
	if to.Is6() {
		network, header = "ip6:ipv6-icmp", ipv6HeaderLen
		request.Type = ipv6.ICMPTypeEchoRequest
	}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error { return setEcho(c, to.Is6()) }}
	c, err := lc.ListenPacket(context.Background(), network, from.String())
	if err != nil {
		return Answer{}, needsRaw(err)
	}
	conn, ok := c.(*net.IPConn)
	if !ok {
		return Answer{}, errors.Join(errors.ErrUnsupported, c.Close())
	}
	defer func() { _ = conn.Close() }() // nothing was buffered
	h.seq++
	echo := &icmp.Echo{ID: os.Getpid() & 0xffff, Seq: h.seq & 0xffff, Data: make([]byte, max(0, size-header-echoHeaderLen))}
	request.Body = echo
	b, err := request.Marshal(nil) // the kernel makes the checksum of ICMPv6 (RFC 3542 section 3.1)
	if err != nil {
		return Answer{}, err
	}
	began := time.Now()
	if _, err := conn.WriteTo(b, &net.IPAddr{IP: to.AsSlice(), Zone: to.Zone()}); err != nil {
		return Answer{}, err
	}
	if err := conn.SetReadDeadline(began.Add(wait)); err != nil {
		return Answer{}, err
	}
	for buf, oob := make([]byte, 64<<10), make([]byte, 128); ; {
		n, oobn, _, peer, err := conn.ReadMsgIP(buf, oob)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return Answer{}, ErrSilent
		}
		if err != nil {
			return Answer{}, err
		}
		b := buf[:n]
		if to.Is4() { // ReadMsgIP leaves the IPv4 header, and takes an IPv6 header away
			if n < ipv4HeaderLen || int(b[0]&0xf)*4 > n {
				continue
			}
			b = b[int(b[0]&0xf)*4:]
		}
		if peer == nil || !peer.IP.Equal(to.AsSlice()) {
			continue
		}
		m, err := icmp.ParseMessage(request.Type.Protocol(), b)
		if err != nil {
			continue // not for us
		}
		reply, ok := m.Body.(*icmp.Echo)
		isReply := m.Type == ipv4.ICMPTypeEchoReply || m.Type == ipv6.ICMPTypeEchoReply
		if ok && isReply && reply.ID == echo.ID && reply.Seq == echo.Seq {
			return Answer{time.Since(began), piece(oob[:oobn])}, nil
		}
	}
}

// piece is the longest fragment of a packet that the kernel put together (IP_RECVFRAGSIZE in net/ipv4/ip_sockglue.c,
// IPV6_RECVFRAGSIZE in net/ipv6/datagram.c); 0: it came whole.
func piece(oob []byte) int {
	all, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return 0
	}
	for _, m := range all {
		v4 := m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_RECVFRAGSIZE
		v6 := m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_RECVFRAGSIZE
		if (v4 || v6) && len(m.Data) >= 4 {
			return int(binary.NativeEndian.Uint32(m.Data))
		}
	}
	return 0
}

// setEcho has packets leave as they are, whatever path MTU the kernel believes in
// (IP_PMTUDISC_PROBE, ip(7)): what it believes may be forged. And it has the kernel tell of what it
// put together from fragments.
func setEcho(c syscall.RawConn, v6 bool) error {
	var err error
	bad := c.Control(func(fd uintptr) {
		level, discover, probe, fragments := unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE, unix.IP_RECVFRAGSIZE
		if v6 {
			level, discover, probe, fragments = unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE, unix.IPV6_RECVFRAGSIZE
		}
		err = errors.Join(unix.SetsockoptInt(int(fd), level, discover, probe), unix.SetsockoptInt(int(fd), level, fragments, 1))
	})
	return errors.Join(bad, err)
}
