package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/test/lab"
)

// TrunkConfig describes small TCP segments of many tenants, whose frames or packets take turns one by one. The n-th
// tenant's frames have the VLAN id 1+n, and its packets the VNI FirstVNI+n.
type TrunkConfig struct {
	From     *lab.Host
	Tenants  int
	Flows    bool // each tenant has a TCP port of its own; else the flows are alike but for VLAN and VNI
	Duration time.Duration
}

// FirstVNI is the VNI of the first tenant.
const FirstVNI = 43

// TrunkFrames sends tagged frames out of From's trunk port dev, as fast as they go, and returns how many packets arrived at
// the VTEP's address at of To. They end in a socket that nobody reads, as those of [Replicate].
func TrunkFrames(c TrunkConfig, dev string, to *lab.Host, at netip.AddrPort) (arrivals int, elapsed time.Duration, err error) {
	sink := -1
	err = to.Do(func() (err error) { sink, err = deafSocket(at); return err })
	if err != nil {
		return 0, 0, fmt.Errorf("load: trunk %s: %w", dev, err)
	}
	defer unix.Close(sink)
	before, err := arrived(to)
	if err == nil {
		s := newTrunkSender(c, 1, func(n int) []gopacket.SerializableLayer {
			return []gopacket.SerializableLayer{
				ethernet(layers.EthernetTypeDot1Q), &layers.Dot1Q{VLANIdentifier: uint16(1 + n), Type: layers.EthernetTypeIPv4},
			}
		})
		elapsed, err = s.run(func() (int, error) { return packetSocket(dev) })
	}
	if err != nil {
		return 0, 0, fmt.Errorf("load: trunk %s: %w", dev, err)
	}
	after, err := arrived(to)
	return after - before, elapsed, err
}

// TrunkPackets sends VXLAN packets from an address of From's to a VTEP as fast as they go, 64 in a message (UDP_SEGMENT), as
// a VTEP does whose tenants' frames take turns. How many were delivered is for the receiver to say.
func TrunkPackets(c TrunkConfig, from netip.Addr, to netip.AddrPort) (elapsed time.Duration, err error) {
	s := newTrunkSender(c, batch, func(n int) []gopacket.SerializableLayer {
		return []gopacket.SerializableLayer{&layers.VXLAN{ValidIDFlag: true, VNI: uint32(FirstVNI + n)}, ethernet(layers.EthernetTypeIPv4)}
	})
	elapsed, err = s.run(func() (int, error) {
		fd, err := udpSocket(netip.AddrPortFrom(from, 0), to)
		if err != nil {
			return -1, err
		}
		if err := unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT, s.size); err != nil {
			return -1, errors.Join(os.NewSyscallError("setsockopt UDP_SEGMENT", err), unix.Close(fd))
		}
		return fd, nil
	})
	if err != nil {
		return 0, fmt.Errorf("load: trunk packets to %s: %w", to, err)
	}
	return elapsed, nil
}

func ethernet(t layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{DstMAC: net.HardwareAddr{0x02, 0x5b, 0, 0, 0, 1}, SrcMAC: net.HardwareAddr{0x02, 0x5b, 0, 0, 0, 2}, EthernetType: t}
}

// trunkData is the payload of the segments.
const trunkData = 10

// trunkSender has the messages of one call.
type trunkSender struct {
	*messages
	c    TrunkConfig
	size int      // of a packet
	own  [][]byte // the packets of the messages, in order
	next []uint32 // the sequence number of each tenant's next segment
	sums []uint32 // of each tenant's TCP header and data but for the sequence number
}

// newTrunkSender makes messages of so many packets each; outer gives the layers before a tenant's IPv4 header.
func newTrunkSender(c TrunkConfig, each int, outer func(tenant int) []gopacket.SerializableLayer) *trunkSender {
	s := &trunkSender{c: c, next: make([]uint32, c.Tenants), sums: make([]uint32, c.Tenants)}
	templates := make([][]byte, c.Tenants)
	for n := range templates {
		ip := &layers.IPv4{Version: 4, TTL: 64, Flags: layers.IPv4DontFragment, Protocol: layers.IPProtocolTCP,
			SrcIP: net.IP{198, 51, 100, 1}, DstIP: net.IP{198, 51, 100, 2}}
		tcp := &layers.TCP{SrcPort: 40000, DstPort: 9, ACK: true, Window: 1000}
		if c.Flows {
			tcp.SrcPort += layers.TCPPort(n)
		}
		b := gopacket.NewSerializeBuffer()
		if err := errors.Join(tcp.SetNetworkLayerForChecksum(ip), gopacket.SerializeLayers(b,
			gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, append(outer(n), ip, tcp, gopacket.Payload(make([]byte, trunkData)))...)); err != nil {
			panic(err) // the layers are constant
		}
		templates[n] = b.Bytes()
		s.size = len(templates[n])
		s.sums[n] = uint32(^binary.BigEndian.Uint16(s.tcp(templates[n])[16:]))
	}
	s.messages = newMessages(max(8, batch/each), s.size*each)
	for _, b := range s.bufs {
		for ; len(b) > 0; b = b[s.size:] {
			s.own = append(s.own, b[:s.size:s.size])
		}
	}
	for i, b := range s.own {
		copy(b, templates[i%c.Tenants])
	}
	return s
}

// tcp is the TCP header of a packet, and the data.
func (s *trunkSender) tcp(b []byte) []byte { return b[len(b)-trunkData-20:] }

// run sends from a socket of From until the time is up, and each segment of a tenant follows the one before.
func (s *trunkSender) run(open func() (fd int, err error)) (elapsed time.Duration, err error) {
	fd := -1
	if err := s.c.From.Do(func() (err error) { fd, err = open(); return err }); err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	for start := time.Now(); elapsed < s.c.Duration; elapsed = time.Since(start) {
		for i, b := range s.own {
			n := i % s.c.Tenants
			tcp := s.tcp(b)
			binary.BigEndian.PutUint32(tcp[4:], s.next[n])
			sum := s.sums[n] + s.next[n]>>16 + s.next[n]&0xffff
			sum = sum>>16 + sum&0xffff
			binary.BigEndian.PutUint16(tcp[16:], ^uint16(sum+sum>>16))
			s.next[n] += trunkData
		}
		_, err := s.send(fd, len(s.hdrs))
		switch {
		case err == nil, errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNREFUSED):
		default:
			return 0, fmt.Errorf("send: %w", err)
		}
	}
	return elapsed, nil
}

// packetSocket opens a socket whose packets leave by a netdev as they are, past its queueing discipline.
func packetSocket(dev string) (fd int, err error) {
	ifi, err := net.InterfaceByName(dev)
	if err != nil {
		return -1, err
	}
	fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	err = errors.Join(os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: ifi.Index})),
		os.NewSyscallError("setsockopt PACKET_QDISC_BYPASS", unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1)))
	if err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}
