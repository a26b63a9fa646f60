package ping

import (
	"errors"
	"net/netip"
	"os"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Watch listens to all devices by a packet socket, which comes before the firewall's input chain, and after xdp alone.
func (*Host) Watch(from netip.Addr, port uint16) (func() (int, error), error) {
	proto, at := uint16(unix.ETH_P_IP), 12 // of the source address in the IP header
	if from.Is6() {
		proto, at = unix.ETH_P_IPV6, 8
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, needsRaw(os.NewSyscallError("socket", err))
	}
	err = attachPortFilter(fd, from.Is6(), port)
	if err == nil {
		err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1))
	}
	if err == nil { // from here on packets come
		err = os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: bigEndian(proto)}))
	}
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return func() (n int, err error) {
		defer func() { err = errors.Join(err, unix.Close(fd)) }()
		for buf := make([]byte, 128); ; {
			got, _, err := unix.Recvfrom(fd, buf, 0)
			if errors.Is(err, unix.EAGAIN) {
				return n, nil
			}
			if err != nil {
				return n, os.NewSyscallError("recvfrom", err)
			}
			if src, ok := netip.AddrFromSlice(buf[at : at+from.BitLen()/8]); got >= at+from.BitLen()/8 && ok && src == from.WithZone("") {
				n++
			}
		}
	}, nil
}

// attachPortFilter leaves UDP packets to a port, first fragments among them. Offsets are from the IP header on.
func attachPortFilter(fd int, v6 bool, port uint16) error {
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: 9, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.IPPROTO_UDP, SkipFalse: 4},
		bpf.LoadMemShift{Off: 0}, // the length of the header
		bpf.LoadIndirect{Off: 2, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(port), SkipFalse: 1},
		bpf.RetConstant{Val: 128},
		bpf.RetConstant{Val: 0},
	}
	if v6 {
		program = []bpf.Instruction{
			bpf.LoadAbsolute{Off: 6, Size: 1},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.IPPROTO_UDP, SkipFalse: 3},
			bpf.LoadAbsolute{Off: ipv6HeaderLen + 2, Size: 2},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(port), SkipFalse: 1},
			bpf.RetConstant{Val: 128},
			bpf.RetConstant{Val: 0},
		}
	}
	raw, err := bpf.Assemble(program)
	if err != nil {
		return err
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, in := range raw {
		filter[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	return os.NewSyscallError("setsockopt", unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}))
}
