package encap_test

import (
	"bytes"
	"testing"

	"github.com/uvtep/uvtep/encap"
)

func TestPopVLAN(t *testing.T) {
	macs := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}
	frame := func(b ...byte) []byte { return append(bytes.Clone(macs), b...) }
	for name, tt := range map[string]struct {
		data []byte
		vlan uint16
		rest []byte
	}{
		"tag":             {frame(0x81, 0, 0x20, 10, 8, 0, 1), 10, frame(8, 0, 1)},
		"all bits":        {frame(0x81, 0, 0xff, 0xfe, 8, 0), 4094, frame(8, 0)},
		"two tags":        {frame(0x81, 0, 0, 1, 0x81, 0, 0, 2, 8, 0), 1, frame(0x81, 0, 0, 2, 8, 0)},
		"none":            {frame(8, 0, 1, 2, 3, 4, 5), 0, frame(8, 0, 1, 2, 3, 4, 5)},
		"4095":            {frame(0x81, 0, 0xff, 0xff, 8, 0), 0, frame(0x81, 0, 0xff, 0xff, 8, 0)},
		"priority alone":  {frame(0x81, 0, 0xe0, 0, 8, 0), 0, frame(0x81, 0, 0xe0, 0, 8, 0)},
		"service tag":     {frame(0x88, 0xa8, 0, 1, 8, 0), 0, frame(0x88, 0xa8, 0, 1, 8, 0)},
		"cut in the tag":  {frame(0x81, 0, 0), 0, frame(0x81, 0, 0)},
		"no type behind":  {frame(0x81, 0, 0, 1, 8), 0, frame(0x81, 0, 0, 1, 8)},
		"shorter than it": {macs[:5], 0, macs[:5]},
	} {
		f := encap.Frame{Data: bytes.Clone(tt.data), Offload: encap.Offload{Csum: encap.CsumPartial, CsumStart: 38}}
		vlan := encap.PopVLAN(&f)
		start := uint16(38)
		if tt.vlan != 0 {
			start = 34
		}
		if vlan != tt.vlan || !bytes.Equal(f.Data, tt.rest) || f.Offload.CsumStart != start {
			t.Errorf("%s: VLAN %d, %x, checksum from %d; want VLAN %d, %x", name, vlan, f.Data, f.Offload.CsumStart, tt.vlan, tt.rest)
		}
		if tt.vlan == 0 || tt.data[14]&0xf0 != 0 { // the priority is lost
			continue
		}
		f.VLAN = vlan
		if back := encap.AppendTagged(nil, &f); !bytes.Equal(back, tt.data) {
			t.Errorf("%s: tagged again %x, want %x", name, back, tt.data)
		}
	}
}
