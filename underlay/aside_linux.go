package underlay

import (
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// OpenAside makes one more socket, number Workers(), which receives the packets of links whose [Rule] is set aside, and
// these alone: they queue behind each other, and not before those of other links. beside names the caller's other
// receivers as [ReceiverConfig].Beside does. It needs a [Gate], and it is not for a group, each socket of which
// receives everything. It may be called once.
//
// The sockets of the port share it by SO_REUSEPORT, whose choice a program makes from here on.
func (r *Receiver) OpenAside(beside []*Receiver) error {
	if err := r.openAside(beside); err != nil {
		return fmt.Errorf("underlay: one more socket for port %d: %w", r.port, err)
	}
	return nil
}

func (r *Receiver) openAside(beside []*Receiver) (err error) {
	cfg := r.cfg
	if cfg.Filter == nil || cfg.Group.IsValid() {
		return errors.ErrUnsupported
	}
	cfg.Beside, cfg.Buffer = beside, min(cfg.Buffer, asideBuffer)
	for _, other := range beside {
		if err := other.allowBeside(true); err != nil {
			return err
		}
		defer func() { _ = other.allowBeside(false) }()
	}
	for _, rd := range r.readers { // a single one does not share its port so far
		cerr := rd.raw.Control(func(fd uintptr) { err = setOptions(int(fd), shared) })
		if err = errors.Join(cerr, err); err != nil {
			return err
		}
	}
	conn, err := r.openSocket(&cfg, r.ifindex)
	if err != nil {
		return err
	}
	rd, err := newReader(conn, &cfg)
	if err == nil {
		err = cfg.Filter.choose(rd, len(r.readers), cfg.V6)
	}
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	r.aside.Store(rd)
	return nil
}

// choose has the kernel choose among the n sockets of the gate and the one of rd, which comes behind them.
func (g *Gate) choose(rd *reader, n int, v6 bool) error {
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "uvtep_aside", Type: ebpf.SocketFilter, Instructions: g.filter.choice(g.number, n, v6), License: "MIT",
	})
	if err != nil {
		return err
	}
	defer p.Close() // the sockets hold it
	cerr := rd.raw.Control(func(fd uintptr) {
		err = os.NewSyscallError("SO_ATTACH_REUSEPORT_EBPF",
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_EBPF, p.FD()))
	})
	return errors.Join(cerr, err)
}

// choice is a program that returns n for packets of rules that are set aside, else a number below n by the outer source,
// so that flows keep their sockets. Such a program sees a packet from the UDP payload on (run_bpf_filter in
// net/core/sock_reuseport.c), and the network header at SKF_NET_OFF. A packet that is too short for a load ends the program with 0.
func (f *Filter) choice(gate uint32, n int, v6 bool) asm.Instructions {
	const netHeader = -0x100000 // SKF_NET_OFF (include/uapi/linux/filter.h)
	source, ports := int32(netHeader+source4At), int32(netHeader+20)
	if v6 {
		source, ports = netHeader+source6At+12, netHeader+40
	}
	p := asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadAbs(4, asm.Word), asm.RSh.Imm(asm.R0, 8),
		asm.StoreImm(asm.RFP, atVNI, int64(gate), asm.Word), asm.StoreMem(asm.RFP, atVNI+4, asm.R0, asm.Word),
	}
	p = append(p, lookUp(f.vnis, atVNI)...)
	p = append(p, asm.JEq.Imm(asm.R0, 0, "spread"), asm.LoadMem(asm.R1, asm.R0, 0, asm.Word), asm.StoreMem(asm.RFP, atIndex, asm.R1, asm.Word))
	p = append(p, lookUp(f.rules, atIndex)...)
	return append(p,
		asm.JEq.Imm(asm.R0, 0, "spread"), asm.LoadMem(asm.R1, asm.R0, 0, asm.Word), asm.And.Imm(asm.R1, int32(ruleAside)), asm.JEq.Imm(asm.R1, 0, "spread"),
		asm.Mov.Imm(asm.R0, int32(n)), asm.Return(),
		asm.LoadAbs(source, asm.Word).WithSymbol("spread"), asm.Mov.Reg(asm.R7, asm.R0),
		asm.LoadAbs(ports, asm.Half), asm.Mul.Imm(asm.R7, 0x1b873593), asm.Xor.Reg(asm.R0, asm.R7), // a constant of MurmurHash3
		asm.LoadImm(asm.R1, -7046029254386353131, asm.DWord), asm.Mul.Reg(asm.R0, asm.R1), // 2^64 divided by the golden ratio
		asm.RSh.Imm(asm.R0, 32), asm.Mul.Imm(asm.R0, int32(n)), asm.RSh.Imm(asm.R0, 32),
		asm.Return(),
	)
}

// asideBuffer is the receive buffer for those set aside: what has to wait there is lost better than late.
const asideBuffer = 1 << 20

// each calls fn with every reader that there is.
func (r *Receiver) each(fn func(*reader)) {
	for _, rd := range r.readers {
		fn(rd)
	}
	if rd := r.aside.Load(); rd != nil {
		fn(rd)
	}
}

// reader is that of socket w.
func (r *Receiver) reader(w int) *reader {
	if w < len(r.readers) {
		return r.readers[w]
	}
	return r.aside.Load()
}

// Aside sends a rule's packets to the receivers' aside sockets, where a receiver has one.
func (r *Rule) Aside(on bool) error {
	if r == nil {
		return nil
	}
	return r.set(ruleAside, on)
}
