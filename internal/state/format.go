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
//	20  SHA-256 of all bytes but these
//	52  JSON: the State without its entries
//	    entries of 16 bytes: MAC 6, state 1, flags 1, link 4, remote 4
//
// Version changes with whatever a reader of the version before would misread.
const (
	magic       = "uvtepst\n"
	Version     = 1
	headLen     = 52
	sumAt       = 20
	entryLen    = 16
	maxJSON     = 16 << 20
	maxEncoding = headLen + maxJSON + MostEntries*entryLen
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
	if len(text) > maxJSON || len(s.Entries) > MostEntries {
		return nil, fmt.Errorf("links and remotes take %d bytes, at most %d can be kept, and %d entries, at most %d", len(text), maxJSON, len(s.Entries), MostEntries)
	}
	b := make([]byte, 0, headLen+len(text)+len(s.Entries)*entryLen)
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint32(b, Version)
	b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(s.Entries)))
	b = append(b, make([]byte, sha256.Size)...)
	b = append(b, text...)
	for i := range s.Entries {
		e := &s.Entries[i]
		b = append(append(b, e.MAC[:]...), byte(e.State), byte(e.Flags))
		b = binary.BigEndian.AppendUint32(b, uint32(e.Link))
		b = binary.BigEndian.AppendUint32(b, uint32(e.Remote))
	}
	sum := checksum(b)
	copy(b[sumAt:], sum[:])
	return b, nil
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
	text, n := int64(binary.BigEndian.Uint32(b[12:])), int64(binary.BigEndian.Uint32(b[16:]))
	if text > maxJSON || n > MostEntries || int64(len(b)) != headLen+text+n*entryLen {
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
