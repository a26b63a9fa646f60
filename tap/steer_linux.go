package tap

import (
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/uvtep/uvtep/encap"
)

// steer has the kernel choose a frame's queue by its flow and by nothing else.
//
// Left to itself it moves a flow to the queue that its last frame in the other
// direction was written through, whatever lies in the old one still
// (tun_flow_update in drivers/net/tun.c): frames then overtake each other.
func steer(fd int) error {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name:         "uvtep_flow",
		Type:         ebpf.SocketFilter, // what tun_set_ebpf takes
		Instructions: flowHash(),
		License:      "MIT",
	})
	if err != nil {
		return fmt.Errorf("steering flows to queues takes CAP_BPF, one queue does without: %w", err)
	}
	defer p.Close() // the netdev holds it
	return os.NewSyscallError("TUNSETSTEERINGEBPF", unix.IoctlSetPointerInt(fd, unix.TUNSETSTEERINGEBPF, p.FD()))
}

// flowHash is a program that returns a hash of the flow of the frame that it is
// run on: addresses and protocol, and the ports of TCP and UDP without IPv4
// options or IPv6 extension headers; of other frames the MAC addresses. The
// kernel takes it modulo the number of queues. Frames too short for what is
// loaded give 0.
func flowHash() asm.Instructions {
	const hash = asm.R7 // R0 takes what is loaded, R6 the frame
	add := func(offset int32, size asm.Size) asm.Instructions {
		return asm.Instructions{
			asm.LoadAbs(offset, size), asm.Xor.Reg(hash, asm.R0), asm.Mul.Imm(hash, 0x1b873593), // a constant of MurmurHash3
		}
	}
	words := func(from, to int32) (p asm.Instructions) {
		for at := from; at < to; at += 4 {
			p = append(p, add(at, asm.Word)...)
		}
		return p
	}
	const l3 = encap.EthernetHeaderLen
	p := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1), asm.Mov.Imm(hash, 1),
		asm.LoadAbs(12, asm.Half),
		asm.JEq.Imm(asm.R0, int32(encap.EtherTypeIPv4), "ipv4"),
		asm.JEq.Imm(asm.R0, int32(encap.EtherTypeIPv6), "ipv6"),
	}
	p = append(p, words(0, 12)...)
	p = append(p, asm.Ja.Label("done"))
	// Of fragments only the first has ports, so none are counted.
	p = append(p, asm.LoadAbs(l3+6, asm.Half).WithSymbol("ipv4"), asm.And.Imm(asm.R0, 0x3fff), asm.Mov.Reg(asm.R8, asm.R0))
	p = append(p, words(l3+12, l3+20)...)
	p = append(p, add(l3+9, asm.Byte)...)
	p = append(p,
		asm.JNE.Imm(asm.R8, 0, "done"),
		asm.Mov.Reg(asm.R8, asm.R0),
		asm.LoadAbs(l3, asm.Byte), asm.JNE.Imm(asm.R0, 0x45, "done"),
		asm.JEq.Imm(asm.R8, int32(encap.ProtoTCP), "ports4"), asm.JNE.Imm(asm.R8, int32(encap.ProtoUDP), "done"),
		asm.LoadAbs(l3+20, asm.Word).WithSymbol("ports4"), asm.Xor.Reg(hash, asm.R0),
		asm.Ja.Label("done"),
	)
	p = append(p, asm.Mov.Imm(asm.R8, 0).WithSymbol("ipv6"))
	p = append(p, words(l3+8, l3+40)...)
	p = append(p, add(l3+6, asm.Byte)...)
	return append(p,
		asm.JEq.Imm(asm.R0, int32(encap.ProtoTCP), "ports6"), asm.JNE.Imm(asm.R0, int32(encap.ProtoUDP), "done"),
		asm.LoadAbs(l3+40, asm.Word).WithSymbol("ports6"), asm.Xor.Reg(hash, asm.R0),
		asm.LoadImm(asm.R1, -7046029254386353131, asm.DWord).WithSymbol("done"), // 2^64 divided by the golden ratio
		asm.Mul.Reg(hash, asm.R1), asm.RSh.Imm(hash, 33), asm.Mov.Reg(asm.R0, hash),
		asm.Return(),
	)
}
