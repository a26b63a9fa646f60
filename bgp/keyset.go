package bgp

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
)

// keySet is a set of Keys, each with a mark. 100,000 of them are nothing unusual, and of one type and one route
// distinguisher there are many: what they have in common is a head, which they name by a number, and the rest is in
// one table for each length that it has, without pointers. A T2 without an address takes 11 bytes and its share of the
// places that are free, a third of what a map has for its Key.
//
// The hash has a random seed, so that no neighbour can choose Keys that share a place.
type keySet struct {
	heads  heads
	tables [3]keyTable // by the bytes of an address: 0, 4, 16
}

// head is what many Keys have in common: all but the MAC address, or what is in its place, and the address.
type head struct {
	kind [2]byte // type and length of the address
	rd   RD
	tag  [4]byte
}

// split parts a Key. rest has the MAC address and then the address, of which size says which of the tables it is for.
func (k *Key) split() (h head, size int) {
	h = head{kind: [2]byte(k[:2]), rd: RD(k[keyRD:keyMAC]), tag: [4]byte(k[keyTag:keyIP])}
	switch {
	case k.Type() == AutoDiscovery: // the tag is where others have the address
		return h, 1
	case k[keyLen] == 4:
		return h, 1
	case k[keyLen] == 16:
		return h, 2
	}
	return h, 0
}

// addressLen is the bytes of an address in a table.
func addressLen(size int) int { return [...]int{0, 4, 16}[size] }

// An entry is the number of its head, which is not 0, the MAC address, the address, and the mark.
const (
	entryMAC  = 4
	entryAddr = 10
	entryMost = entryAddr + 16 + 1
)

// entry writes what a table has of a Key, but for the mark.
func (k *Key) entry(b *[entryMost]byte, head uint32, size int) []byte {
	binary.LittleEndian.PutUint32(b[:], head)
	copy(b[entryMAC:], k[keyMAC:keyTag])
	n := entryAddr + copy(b[entryAddr:], k[keyIP:keyIP+addressLen(size)])
	return b[:n]
}

// find is the entry of a Key, with its mark; nil: it is not there.
func (s *keySet) find(k *Key) []byte {
	h, size := k.split()
	number := s.heads.find(h)
	if number == 0 {
		return nil
	}
	var b [entryMost]byte
	t := &s.tables[size]
	if t.n == 0 {
		return nil
	}
	at, ok := t.find(k.entry(&b, number, size))
	if !ok {
		return nil
	}
	return t.at(at)
}

func (s *keySet) len() int { return s.tables[0].n + s.tables[1].n + s.tables[2].n }

func (s *keySet) has(k *Key) bool { return s.find(k) != nil }

// put puts in a Key, or gives it another mark.
func (s *keySet) put(k *Key, mark uint8) {
	if e := s.find(k); e != nil {
		e[len(e)-1] = mark
		return
	}
	h, size := k.split()
	var b [entryMost]byte
	e := k.entry(&b, s.heads.use(h), size)
	s.tables[size].put(b[:len(e)+1], mark)
}

// remove reports whether the Key was there.
func (s *keySet) remove(k *Key) bool {
	h, size := k.split()
	number := s.heads.find(h)
	if number == 0 || s.tables[size].n == 0 {
		return false
	}
	var b [entryMost]byte
	t := &s.tables[size]
	at, ok := t.find(k.entry(&b, number, size))
	if ok {
		t.remove(at)
		s.heads.release(number)
		s.shrink()
	}
	return ok
}

// removeIf removes the Keys whose marks are so, and calls fn with each.
func (s *keySet) removeIf(so func(mark uint8) bool, fn func(Key)) {
	for size := range s.tables {
		t := &s.tables[size]
		for at := 0; at < t.places; {
			e := t.at(at)
			number := binary.LittleEndian.Uint32(e)
			if number == 0 || !so(e[len(e)-1]) {
				at++
				continue
			}
			k := s.key(e, number)
			t.remove(at) // another one may be in its place now
			s.heads.release(number)
			fn(k)
		}
	}
	s.shrink()
}

// key is the Key of an entry.
func (s *keySet) key(e []byte, number uint32) (k Key) {
	h := &s.heads.list[number].head
	copy(k[:], h.kind[:])
	copy(k[keyRD:], h.rd[:])
	copy(k[keyMAC:], e[entryMAC:entryAddr])
	copy(k[keyTag:], h.tag[:])
	copy(k[keyIP:], e[entryAddr:len(e)-1])
	return k
}

// shrink makes what has become large for its content again, with what is left.
func (s *keySet) shrink() {
	for size := range s.tables {
		if t := &s.tables[size]; t.places > smallTable && 8*t.n < 3*t.places {
			t.resize(t.stride)
		}
	}
	if len(s.heads.list) < smallTable || 4*len(s.heads.of) > len(s.heads.list) {
		return
	}
	old := *s
	*s = keySet{}
	for size := range old.tables {
		t := &old.tables[size]
		for at := range t.places {
			if e := t.at(at); binary.LittleEndian.Uint32(e) != 0 {
				k := old.key(e, binary.LittleEndian.Uint32(e))
				s.put(&k, e[len(e)-1])
			}
		}
	}
}

// smallTable is how much is not worth a smaller table.
const smallTable = 1024

// heads are the heads of a set by their numbers.
type heads struct {
	of   map[head]uint32
	list []usedHead // by number; that of 0 is nobody's
	free []uint32   // numbers that nobody has any more
}

type usedHead struct {
	head head
	uses int32
}

// find is the number of a head; 0: no Key has it.
func (s *heads) find(h head) uint32 { return s.of[h] }

// use is the number of a head, which one more Key has.
func (s *heads) use(h head) uint32 {
	n := s.of[h]
	switch {
	case n != 0:
	case len(s.free) > 0:
		n = s.free[len(s.free)-1]
		s.free = s.free[:len(s.free)-1]
		s.of[h] = n
	default:
		if s.of == nil {
			s.of, s.list = map[head]uint32{}, make([]usedHead, 1)
		}
		n = uint32(len(s.list))
		s.list = append(s.list, usedHead{})
		s.of[h] = n
	}
	s.list[n].head = h
	s.list[n].uses++
	return n
}

// release has one Key less have a head.
func (s *heads) release(n uint32) {
	h := &s.list[n]
	if h.uses--; h.uses == 0 {
		delete(s.of, h.head)
		s.free = append(s.free, n)
	}
}

// keyTable has entries of one length, a hash table with linear probing.
type keyTable struct {
	b      []byte
	stride int // bytes of an entry
	places int
	n      int
	seed   maphash.Seed
}

func (t *keyTable) at(i int) []byte { return t.b[i*t.stride:][:t.stride:t.stride] }

func (t *keyTable) isFree(i int) bool { return binary.LittleEndian.Uint32(t.b[i*t.stride:]) == 0 }

// home is the place of an entry, whose mark is left out.
func (t *keyTable) home(e []byte) int {
	at, _ := bits.Mul64(maphash.Bytes(t.seed, e), uint64(t.places))
	return int(at)
}

func (t *keyTable) after(i int) int {
	if i++; i < t.places {
		return i
	}
	return 0
}

// find is the place of an entry without its mark, or the free one where it belongs.
func (t *keyTable) find(e []byte) (at int, ok bool) {
	for at = t.home(e); !t.isFree(at); at = t.after(at) {
		if string(t.b[at*t.stride:][:len(e)]) == string(e) {
			return at, true
		}
	}
	return at, false
}

// put puts in an entry that is not there, with room for its mark.
func (t *keyTable) put(e []byte, mark uint8) {
	if 4*(t.n+1) > 3*t.places {
		t.resize(len(e))
	}
	last := len(e) - 1
	e[last] = mark
	at, _ := t.find(e[:last])
	copy(t.at(at), e)
	t.n++
}

// remove takes out the entry of a place. Those behind it move up, where it kept them from their place.
func (t *keyTable) remove(free int) {
	for i := t.after(free); !t.isFree(i); i = t.after(i) {
		e := t.at(i)
		if home := t.home(e[:len(e)-1]); t.distance(home, i) >= t.distance(free, i) {
			copy(t.at(free), e)
			free = i
		}
	}
	clear(t.at(free))
	t.n--
}

// distance is how far a place is behind another one.
func (t *keyTable) distance(from, to int) int {
	if to < from {
		to += t.places
	}
	return to - from
}

// resize makes the table one of which three fifths are taken: it grows and shrinks in small steps, so that
// little of it is free and little of it is garbage.
func (t *keyTable) resize(stride int) {
	old := *t
	places := max(5*t.n/3, 16)
	*t = keyTable{b: make([]byte, places*stride), stride: stride, places: places, n: t.n, seed: maphash.MakeSeed()}
	for i := range old.places {
		if !old.isFree(i) {
			e := old.at(i)
			at, _ := t.find(e[:len(e)-1])
			copy(t.at(at), e)
		}
	}
}
