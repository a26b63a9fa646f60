package underlay

import (
	"github.com/cilium/ebpf"

	"github.com/uvtep/uvtep/encap"
)

// Refused is what was dropped that belongs to no link.
func (f *Filter) Refused() Refused {
	if f == nil {
		return Refused{}
	}
	return Refused{
		ShortHeader: sum(f.counts, countShortHeader),
		NoVNIFlag:   sum(f.counts, countNoVNIFlag),
		UnknownVNI:  sum(f.counts, countUnknownVNI),
	}
}

// UnknownVNIs are the datagrams of unknown VNIs, by VNI, as each CPU has counted them.
func (f *Filter) UnknownVNIs() (all []encap.VNICounted) {
	if f == nil {
		return nil
	}
	var slot []uint64
	for i := range uint32(encap.VNISlots) {
		if f.unknown.Lookup(i, &slot) != nil {
			return nil
		}
		if all == nil {
			all = make([]encap.VNICounted, len(slot))
		}
		for cpu, n := range slot {
			all[cpu][i] = n
		}
	}
	return all
}

// sum adds up what the CPUs have counted.
func sum(m *ebpf.Map, index uint32) (total uint64) {
	var each []uint64
	if m.Lookup(index, &each) == nil {
		for _, n := range each {
			total += n
		}
	}
	return total
}
