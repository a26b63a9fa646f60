package underlay

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/uvtep/uvtep/encap"
)

const (
	// A socket's filter of UDP sees a packet from the UDP header on, whose checksum was verified, and the network header
	// by its own offset (udp_queue_rcv_one_skb in net/ipv4/udp.c, sk_filter_trim_cap and
	// bpf_skb_load_bytes_relative in net/core/filter.c).
	vxlanAt    = 8
	ttl4At     = 8 // in the network header (RFC 791)
	source4At  = 12
	ttl6At     = 7 // (RFC 8200)
	source6At  = 8
	startOfNet = 1 // BPF_HDR_START_NET
	skbLen     = 0 // of struct __sk_buff (include/uapi/linux/bpf.h)
	skbGSOSize = 176
	flagVNI    = 0x08
	mostJoined = 128 // datagrams of one message that are looked at; udp(7) has no more
)

// Where the program keeps what it hands to the kernel's functions, from the frame pointer.
const (
	atHeader  = -8  // of VXLAN
	atVNI     = -16 // vniKey
	atIndex   = -24
	atPeer    = -48 // peerKey
	atSegment = -56 // header of a further datagram
	atTTL     = -64
)

// instructions is the program of a gate.
func (f *Filter) instructions(gate uint32, v6 bool) asm.Instructions {
	const skb, rule, vni, count = asm.R6, asm.R7, asm.R8, asm.R9
	const mode = count                                    // before there is something to count
	load := func(to int16, size int32) asm.Instructions { // from the offset in R2
		return asm.Instructions{
			asm.Mov.Reg(asm.R1, skb), asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, int32(to)), asm.Mov.Imm(asm.R4, size),
			asm.FnSkbLoadBytes.Call(),
		}
	}
	var p asm.Instructions
	add := func(lists ...asm.Instructions) {
		for _, l := range lists {
			p = append(p, l...)
		}
	}
	one := func(list ...asm.Instruction) asm.Instructions { return list }
	add(
		one(asm.Mov.Reg(skb, asm.R1), asm.Mov.Imm(vni, 0),
			asm.StoreImm(asm.RFP, atIndex, countShortHeader, asm.Word), asm.Mov.Imm(asm.R2, vxlanAt)),
		load(atHeader, encap.HeaderLen),
		one(asm.JNE.Imm(asm.R0, 0, "drop"),
			asm.LoadMem(vni, asm.RFP, atHeader+4, asm.Word), asm.HostTo(asm.BE, vni, asm.Word), asm.RSh.Imm(vni, 8),
			asm.StoreImm(asm.RFP, atIndex, countNoVNIFlag, asm.Word),
			asm.LoadMem(asm.R1, asm.RFP, atHeader, asm.Byte), asm.And.Imm(asm.R1, flagVNI), asm.JEq.Imm(asm.R1, 0, "drop"),
			asm.StoreImm(asm.RFP, atVNI, int64(gate), asm.Word), asm.StoreMem(asm.RFP, atVNI+4, vni, asm.Word)),
		lookUp(f.vnis, atVNI),
		one(asm.JNE.Imm(asm.R0, 0, "known"), asm.StoreImm(asm.RFP, atIndex, int64(gate), asm.Word)),
		lookUp(f.gates, atIndex),
		one(asm.JEq.Imm(asm.R0, 0, "pass"),
			asm.LoadMem(asm.R1, asm.R0, 4, asm.Word), asm.JNE.Imm(asm.R1, 0, "pass"),
			asm.LoadMem(asm.R1, asm.R0, 0, asm.Word),
			asm.StoreImm(asm.RFP, atIndex, countUnknownVNI, asm.Word), asm.JEq.Imm(asm.R1, 0, "drop"),
			asm.StoreMem(asm.RFP, atVNI, asm.R1, asm.Word)),
		lookUp(f.vnis, atVNI),
		one(asm.JEq.Imm(asm.R0, 0, "drop"),
			asm.LoadMem(rule, asm.R0, 0, asm.Word).WithSymbol("known"), asm.StoreMem(asm.RFP, atIndex, rule, asm.Word)),
		lookUp(f.rules, atIndex),
		one(asm.JEq.Imm(asm.R0, 0, "pass"), asm.LoadMem(mode, asm.R0, 0, asm.Word),
			asm.Mov.Reg(asm.R1, mode), asm.RSh.Imm(asm.R1, ruleMinTTL), asm.JEq.Imm(asm.R1, 0, "near"),
			asm.Mov.Reg(asm.R1, skb), asm.Mov.Imm(asm.R2, ttlAt(v6)), asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, atTTL), asm.Mov.Imm(asm.R4, 1),
			asm.Mov.Imm(asm.R5, startOfNet), asm.FnSkbLoadBytesRelative.Call(), asm.JNE.Imm(asm.R0, 0, "pass"),
			asm.Mov.Reg(asm.R1, mode), asm.RSh.Imm(asm.R1, ruleMinTTL),
			asm.LoadMem(asm.R2, asm.RFP, atTTL, asm.Byte), asm.JGE.Reg(asm.R2, asm.R1, "near"),
			asm.Mul.Imm(rule, countsARule), asm.Add.Imm(rule, countLowTTL), asm.StoreMem(asm.RFP, atIndex, rule, asm.Word), asm.Ja.Label("drop"),
			asm.And.Imm(mode, int32(rulePeers)).WithSymbol("near"), asm.JEq.Imm(mode, 0, "take"),
			asm.StoreMem(asm.RFP, atPeer, rule, asm.Word)),
	)
	if v6 {
		add(one(asm.Mov.Imm(asm.R2, source6At), asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, atPeer+4), asm.Mov.Imm(asm.R4, 16)))
	} else { // as encap.Addr has it: ::ffff:a.b.c.d
		add(one(asm.StoreImm(asm.RFP, atPeer+4, 0, asm.Word), asm.StoreImm(asm.RFP, atPeer+8, 0, asm.Word),
			asm.StoreImm(asm.RFP, atPeer+12, 0, asm.Half), asm.StoreImm(asm.RFP, atPeer+14, -1, asm.Half),
			asm.Mov.Imm(asm.R2, source4At), asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, atPeer+16), asm.Mov.Imm(asm.R4, 4)))
	}
	add(
		one(asm.Mov.Reg(asm.R1, skb), asm.Mov.Imm(asm.R5, startOfNet), asm.FnSkbLoadBytesRelative.Call(), asm.JNE.Imm(asm.R0, 0, "pass")),
		lookUp(f.peers, atPeer),
		one(asm.JNE.Imm(asm.R0, 0, "take"),
			asm.Mul.Imm(rule, countsARule), asm.StoreMem(asm.RFP, atIndex, rule, asm.Word)),
		// Datagrams that the kernel joined have one source and one size, but each its own header.
		one(asm.Mov.Imm(count, 1).WithSymbol("drop"),
			asm.LoadMem(asm.R1, skb, skbGSOSize, asm.Word), asm.JEq.Imm(asm.R1, 0, "count"),
			asm.LoadMem(asm.R2, skb, skbGSOSize, asm.Word).WithSymbol("next"), asm.Mul.Reg(asm.R2, count), asm.Add.Imm(asm.R2, vxlanAt),
			asm.LoadMem(asm.R1, skb, skbLen, asm.Word), asm.JGE.Reg(asm.R2, asm.R1, "count")),
		load(atSegment, encap.HeaderLen),
		one(asm.JNE.Imm(asm.R0, 0, "pass"),
			asm.LoadMem(asm.R1, asm.RFP, atSegment, asm.DWord), asm.LoadMem(asm.R2, asm.RFP, atHeader, asm.DWord), asm.Xor.Reg(asm.R1, asm.R2),
			asm.HostTo(asm.BE, asm.R1, asm.DWord), asm.LoadImm(asm.R2, headerMask, asm.DWord), asm.And.Reg(asm.R1, asm.R2),
			asm.JNE.Imm(asm.R1, 0, "pass"),
			asm.Add.Imm(count, 1), asm.JLT.Imm(count, mostJoined+1, "next"), asm.Ja.Label("pass")),
	)
	counted := lookUp(f.counts, atIndex)
	counted[0] = counted[0].WithSymbol("count")
	add(
		counted,
		one(asm.JEq.Imm(asm.R0, 0, "end"),
			asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord), asm.Add.Reg(asm.R1, count), asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
			asm.LoadMem(asm.R1, asm.RFP, atIndex, asm.Word), asm.JNE.Imm(asm.R1, countUnknownVNI, "refuse"),
			// As encap.VNICount counts.
			asm.Mov.Reg(asm.R1, vni), asm.And.Imm(asm.R1, encap.VNISlots-1), asm.StoreMem(asm.RFP, atIndex, asm.R1, asm.Word)),
		lookUp(f.unknown, atIndex),
		one(asm.JEq.Imm(asm.R0, 0, "end"),
			asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord), asm.Mov.Reg(asm.R2, asm.R1), asm.RSh.Imm(asm.R2, encap.VNICountBits),
			asm.JEq.Reg(asm.R2, vni, "same"), asm.Mov.Reg(asm.R1, vni), asm.LSh.Imm(asm.R1, encap.VNICountBits),
			asm.Add.Reg(asm.R1, count).WithSymbol("same"), asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
			asm.StoreImm(asm.RFP, atIndex, int64(gate), asm.Word).WithSymbol("refuse")),
		lookUp(f.refused, atIndex),
		one(asm.JEq.Imm(asm.R0, 0, "end"),
			asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord), asm.Add.Imm(asm.R1, 1), asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
			asm.Mov.Imm(asm.R0, 0).WithSymbol("end"), asm.Return(),
			asm.Mul.Imm(rule, countsARule).WithSymbol("take"), asm.Add.Imm(rule, countMessages), asm.StoreMem(asm.RFP, atIndex, rule, asm.Word)),
		lookUp(f.counts, atIndex),
		one(asm.JEq.Imm(asm.R0, 0, "pass"),
			asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord), asm.Add.Imm(asm.R1, 1), asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
			asm.Mov.Imm(asm.R0, -1).WithSymbol("pass"), asm.Return()), // as long as it is
	)
	return p
}

// ttlAt is where the network header has the TTL, or hop limit.
func ttlAt(v6 bool) int32 {
	if v6 {
		return ttl6At
	}
	return ttl4At
}

// lookUp is a program's part that looks up what lies at key of its stack.
func lookUp(m *ebpf.Map, key int16) asm.Instructions {
	return asm.Instructions{
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, int32(key)),
		asm.LoadMapPtr(asm.R1, m.FD()),
		asm.FnMapLookupElem.Call(),
	}
}

// headerMask is what decides of a header: the I flag and the VNI.
const headerMask = flagVNI<<56 | 0xffffff00
