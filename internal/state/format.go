package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/uvtep/uvtep/encap"
	"github.com/uvtep/uvtep/fdb"
)

// The format: all numbers are big endian.
//
//	 0  magic
//	 8  version
//	12  length of the JSON
//	16  number of entries
//	20  number of neighbours
//	24  SHA-256 of all bytes but these
//	56  JSON: the State without its entries and neighbours
//	    entries of 16 bytes: MAC 6, state 1, flags 1, link 4, remote 4
//	    neighbours of 32 bytes: IP address 16, MAC 6, router 1, override 1, link 4, owner 4
//
// Version changes with whatever a reader of the version before would misread.
const (
	magic        = "uvtepst\n"
	Version      = 2
	headLen      = 56
	sumAt        = 24
	entryLen     = 16
	neighbourLen = 32
	maxJSON      = 16 << 20
	maxEncoding  = headLen + maxJSON + MostEntries*entryLen + MostNeighbours*neighbourLen
)

// ErrVersion says that another version of uvtep wrote the state.
var ErrVersion = errors.New("another version of uvtep wrote it")

// errBroken: what was read is not what was written.
var errBroken = errors.New("it is cut short or changed")

// Encode is the bytes of s, which are the same for the same state.
func Encode(s *State) ([]byte, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	if len(text) > maxJSON || len(s.Entries) > MostEntries || len(s.Neighbours) > MostNeighbours {
		return nil, fmt.Errorf("links and remotes take %d bytes, at most %d can be kept, and %d entries, at most %d, and %d neighbours, at most %d",
			len(text), maxJSON, len(s.Entries), MostEntries, len(s.Neighbours), MostNeighbours)
	}
	b := make([]byte, 0, headLen+len(text)+len(s.Entries)*entryLen+len(s.Neighbours)*neighbourLen)
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint32(b, Version)
	b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(s.Entries)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(s.Neighbours)))
	b = append(b, make([]byte, sha256.Size)...)
	b = append(b, text...)
	for i := range s.Entries {
		e := &s.Entries[i]
		b = append(append(b, e.MAC[:]...), byte(e.State), byte(e.Flags))
		b = binary.BigEndian.AppendUint32(b, uint32(e.Link))
		b = binary.BigEndian.AppendUint32(b, uint32(e.Remote))
	}
	for i := range s.Neighbours {
		n := &s.Neighbours[i]
		b = append(append(append(b, n.IP[:]...), n.MAC[:]...), bit(n.Router), bit(n.Override))
		b = binary.BigEndian.AppendUint32(b, uint32(n.Link))
		b = binary.BigEndian.AppendUint32(b, uint32(n.Owner))
	}
	sum := checksum(b)
	copy(b[sumAt:], sum[:])
	return b, nil
}

func bit(is bool) byte {
	if is {
		return 1
	}
	return 0
}

// checksum is that of an encoding, whatever stands in the place of its checksum.
func checksum(b []byte) (sum [sha256.Size]byte) {
	h := sha256.New()
	h.Write(b[:sumAt])
	h.Write(b[headLen:])
	h.Sum(sum[:0])
	return sum
}

// Decode is the state that b encodes. Each position in it is within its list; all else is to be checked by who uses it.
func Decode(b []byte) (*State, error) {
	if len(b) < headLen || string(b[:len(magic)]) != magic {
		return nil, errBroken
	}
	if v := binary.BigEndian.Uint32(b[8:]); v != Version {
		return nil, fmt.Errorf("%w: it has version %d, this one reads version %d", ErrVersion, v, Version)
	}
	text, n, neighbours := int64(binary.BigEndian.Uint32(b[12:])), int64(binary.BigEndian.Uint32(b[16:])), int64(binary.BigEndian.Uint32(b[20:]))
	if text > maxJSON || n > MostEntries || neighbours > MostNeighbours || int64(len(b)) != headLen+text+n*entryLen+neighbours*neighbourLen {
		return nil, errBroken
	}
	if sum := checksum(b); !bytes.Equal(sum[:], b[sumAt:headLen]) {
		return nil, errBroken
	}
	s := &State{}
	d := json.NewDecoder(bytes.NewReader(b[headLen : headLen+text]))
	d.DisallowUnknownFields() // such as of an uvtep that kept more and did not say so by its version
	if err := d.Decode(s); err != nil {
		return nil, fmt.Errorf("%w: %w", errBroken, err)
	}
	s.Entries = make([]Entry, n)
	for i := range s.Entries {
		e, err := s.decodeEntry(b[headLen+int(text)+i*entryLen:])
		if err != nil {
			return nil, err
		}
		s.Entries[i] = e
	}
	b = b[headLen+text+n*entryLen:]
	for i := range neighbours {
		n, err := s.decodeNeighbour(b[i*neighbourLen:])
		if err != nil {
			return nil, err
		}
		s.Neighbours = append(s.Neighbours, n)
	}
	return s, nil
}

func (s *State) decodeEntry(b []byte) (Entry, error) {
	link, remote := binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:])
	e := Entry{
		MAC: encap.MAC(b[:6]), State: fdb.State(b[6]), Flags: fdb.Flags(b[7]),
		Link: int(min(link, maxJSON)), Remote: int(min(remote, maxJSON)), // an int has 32 bits on some architectures
	}
	if e.Link >= len(s.Links) || e.Remote >= len(s.Remotes) || e.State > fdb.Permanent || e.Flags&^keptFlags != 0 {
		return e, errBroken
	}
	return e, nil
}

func (s *State) decodeNeighbour(b []byte) (Neighbour, error) {
	link, owner := binary.BigEndian.Uint32(b[24:]), binary.BigEndian.Uint32(b[28:])
	n := Neighbour{
		IP: encap.Addr(b[:16]), MAC: encap.MAC(b[16:22]), Router: b[22] != 0, Override: b[23] != 0,
		Link: int(min(link, maxJSON)), Owner: int(min(owner, maxJSON)),
	}
	if n.Link >= len(s.Links) || n.Owner >= len(s.Owners) || b[22]|b[23] > 1 {
		return n, errBroken
	}
	return n, nil
}
