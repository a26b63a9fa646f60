package tunnelgso

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"github.com/uvtep/uvtep/encap"
)

// probe finds out whether the kernel forwards what is written to the TAP: a firewall's FORWARD chain, a
// rule of policy routing, a filter on reverse paths may lose all of it without a word. It
// sends packets of the kind along a path, and has a program at the egress of the path's devices see and
// drop them: nothing of it is on the wire.
type probe struct {
	seen     *ebpf.Map // number that is looked for, number that was seen
	programs [2]*ebpf.Program
	next     uint64
}

const (
	lookedFor, wasSeen = 0, 1
	// In struct __sk_buff (include/uapi/linux/bpf.h).
	skbIngressIfindex = 36
	// What a program at a device's egress says (enum tcx_action_base).
	tcxNext, tcxDrop = -1, 2
	numberLen        = 8
)

func newProbe(tap int) (*probe, error) {
	p := &probe{next: rand.Uint64()}
	var err error
	p.seen, err = ebpf.NewMap(&ebpf.MapSpec{Name: "uvtep_gso_probe", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 2})
	for i := range p.programs {
		if err != nil {
			break
		}
		p.programs[i], err = ebpf.NewProgram(&ebpf.ProgramSpec{
			Name: "uvtep_gso_probe", Type: ebpf.SchedCLS, AttachType: ebpf.AttachTCXEgress, License: "Dual MIT/GPL",
			Instructions: p.instructions(tap, i == 1),
		})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("nothing can be probed (CAP_BPF): %w", err), p.close())
	}
	return p, nil
}

// instructions is the program for one IP version: packets that came by the TAP and begin, behind the VXLAN header,
// with the number that is looked for, are noted and dropped.
func (p *probe) instructions(tap int, v6 bool) asm.Instructions {
	const skb, number = asm.R6, asm.R7
	const atNumber, atIndex = -8, -16
	element := func(i int64) asm.Instructions {
		return asm.Instructions{
			asm.StoreImm(asm.RFP, atIndex, i, asm.Word), asm.LoadMapPtr(asm.R1, p.seen.FD()),
			asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, atIndex), asm.FnMapLookupElem.Call(), asm.JEq.Imm(asm.R0, 0, "next"),
		}
	}
	all := asm.Instructions{
		asm.Mov.Reg(skb, asm.R1),
		asm.LoadMem(asm.R2, skb, skbIngressIfindex, asm.Word), asm.JNE.Imm(asm.R2, int32(tap), "next"),
		asm.Mov.Reg(asm.R1, skb), asm.Mov.Imm(asm.R2, int32(ethernetLen+ipLen(v6)+udpLen+encap.HeaderLen)),
		asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, atNumber), asm.Mov.Imm(asm.R4, numberLen), asm.FnSkbLoadBytes.Call(),
		asm.JNE.Imm(asm.R0, 0, "next"), asm.LoadMem(number, asm.RFP, atNumber, asm.DWord),
	}
	all = append(all, element(lookedFor)...)
	all = append(all, asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord), asm.JNE.Reg(asm.R1, number, "next"))
	all = append(all, element(wasSeen)...)
	return append(all, asm.StoreMem(asm.R0, 0, number, asm.DWord), asm.Mov.Imm(asm.R0, tcxDrop), asm.Return(),
		asm.Mov.Imm(asm.R0, tcxNext).WithSymbol("next"), asm.Return())
}

// errLost is why a path is not taken whose probe did not arrive.
var errLost = errors.New("what it would send does not arrive at the device: see the firewall's forward chain, rules of policy routing, the neighbour")

// attachment is where a program is attached.
type attachment struct {
	device int
	v6     bool
}

// attach has the device's egress pass the program, unless it does already.
func (p *probe) attach(at attachment, links map[attachment]link.Link) error {
	if links[at] != nil {
		return nil
	}
	program := p.programs[0]
	if at.v6 {
		program = p.programs[1]
	}
	l, err := link.AttachTCX(link.TCXOptions{Interface: at.device, Program: program, Attach: ebpf.AttachTCXEgress, Anchor: link.Head()})
	if err != nil {
		return fmt.Errorf("nothing can be probed at device %d: %w", at.device, err)
	}
	links[at] = l
	return nil
}

// try sends a probe along h and reports whether it left. w.write is the TAP's. What is attached to
// devices is in links.
func (p *probe) try(w *Way, h *path, links map[attachment]link.Link) error {
	for _, index := range h.devices {
		if err := p.attach(attachment{index, h.v6}, links); err != nil {
			return err
		}
	}
	p.next++
	if err := p.seen.Put(uint32(lookedFor), p.next); err != nil {
		return err
	}
	var frame [ethernetLen + ipv4Len + tcpLen + 2]byte
	q := probePacket(&frame, h, p.next)
	s, ok := whole(&q)
	if !ok {
		return errors.New("the probe is no superframe")
	}
	var b header
	b.build(h, &q, s, probePort)
	if !w.write(b.b[:b.n], q.Frame.Data) {
		return errors.New("the TAP does not take it")
	}
	var number uint64
	if err := p.seen.Lookup(uint32(wasSeen), &number); err != nil {
		return err
	}
	if number != p.next {
		return errLost
	}
	return nil
}

const (
	tcpLen    = 20 // RFC 9293 section 3.1
	probePort = 49153
)

// probePacket is a TCP superframe of two segments of a byte each, whose first bytes are number.
func probePacket(frame *[ethernetLen + ipv4Len + tcpLen + 2]byte, h *path, number uint64) encap.Packet {
	b := frame[:]
	binary.NativeEndian.PutUint64(b, number)
	binary.BigEndian.PutUint16(b[12:], encap.EtherTypeIPv4)
	ip := b[ethernetLen:]
	ip[0], ip[8], ip[9] = 0x45, 1, encap.ProtoTCP
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
	binary.BigEndian.PutUint16(ip[10:], ^encap.Sum(ip[:ipv4Len]))
	ip[ipv4Len+12], ip[ipv4Len+13] = 5<<4, 0x10 // ACK
	return encap.Packet{
		Frame: encap.Frame{Data: b, Offload: encap.Offload{
			Kind: encap.GSOTCPv4, Csum: encap.CsumPartial, SegSize: 1, CsumStart: ethernetLen + ipv4Len, CsumOffset: tcpCsum}},
		Dst: h.key.dst, Port: h.key.port, Zone: h.key.zone,
	}
}

// close gives the program and its map back; p may be nil.
func (p *probe) close() error {
	if p == nil {
		return nil
	}
	var errs []error
	for _, program := range p.programs {
		if program != nil {
			errs = append(errs, program.Close())
		}
	}
	if p.seen != nil {
		errs = append(errs, p.seen.Close())
	}
	return errors.Join(errs...)
}
