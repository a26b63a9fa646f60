package underlay

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// ReportTTL has datagrams tell their TTL or hop limit from the next ReadBatch on, or no longer. It is not to be called
// together with OpenAside. It costs a control message a datagram, so that it is for receivers alone whose reader asks.
//
// IP_MINTTL and IPV6_MINHOPCOUNT, which would have the kernel judge, are for TCP (tcp_v4_rcv in net/ipv4/tcp_ipv4.c):
// net/ipv4/udp.c does not look at them. A [Rule] judges before a packet is queued.
func (r *Receiver) ReportTTL(on bool) error {
	r.cfg.TTL = on
	o := ttlOption(&r.cfg)
	var errs error
	r.each(func(rd *reader) {
		var err error
		cerr := rd.raw.Control(func(fd uintptr) { err = setOptions(int(fd), o) })
		errs = errors.Join(errs, err, cerr)
	})
	if errs != nil {
		return fmt.Errorf("underlay: report the TTL: %w", errs)
	}
	return nil
}

// ttlOption has the kernel tell the TTL of each message (ip_cmsg_recv_ttl in net/ipv4/ip_sockglue.c,
// ip6_datagram_recv_common_ctl in net/ipv6/datagram.c), or not.
func ttlOption(cfg *ReceiverConfig) option {
	value := 0
	if cfg.TTL {
		value = 1
	}
	if cfg.V6 {
		return option{unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT, value, "IPV6_RECVHOPLIMIT"}
	}
	return option{unix.IPPROTO_IP, unix.IP_RECVTTL, value, "IP_RECVTTL"}
}
