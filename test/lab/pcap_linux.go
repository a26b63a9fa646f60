package lab

import (
	"bufio"
	"encoding/binary"
	"io"
)

// WritePCAP writes packets in the classic pcap format with nanosecond times
// (draft-ietf-opsawg-pcap, sections 4 and 5; link type 1, Ethernet).
func WritePCAP(w io.Writer, snaplen int, packets []Packet) error {
	b := bufio.NewWriter(w)
	le := binary.LittleEndian
	h := le.AppendUint32(nil, 0xa1b23c4d)
	h = le.AppendUint16(h, 2)
	h = le.AppendUint16(h, 4)
	h = append(h, make([]byte, 8)...)
	h = le.AppendUint32(h, uint32(snaplen))
	h = le.AppendUint32(h, 1)
	if _, err := b.Write(h); err != nil {
		return err
	}
	for _, p := range packets {
		h = le.AppendUint32(h[:0], uint32(p.Time.Unix()))
		h = le.AppendUint32(h, uint32(p.Time.Nanosecond()))
		h = le.AppendUint32(h, uint32(len(p.Data)))
		h = le.AppendUint32(h, uint32(max(p.Length, len(p.Data))))
		if _, err := b.Write(append(h, p.Data...)); err != nil {
			return err
		}
	}
	return b.Flush()
}
