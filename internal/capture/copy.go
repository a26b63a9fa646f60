package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Copied is what Copy has copied.
type Copied struct{ Packets, Lost uint64 }

// The blocks and options of pcapng that Copy counts (draft-ietf-opsawg-pcapng sections 4.3 and
// 3.5), and the longest block that a Writer makes.
const (
	enhancedPacket  = 6
	optionDropCount = 4
	blockHeadLen    = 8
	leastBlock      = 12
	mostBlock       = 1 << 20
)

// Copy copies a file that a Writer makes, block by block, so that a stream that is cut off
// leaves a whole file. It ends with the stream, or with an error of w.
func Copy(w io.Writer, r io.Reader) (n Copied, err error) {
	block := make([]byte, mostBlock)
	for {
		if _, err := io.ReadFull(r, block[:blockHeadLen]); err != nil {
			return n, ended(err)
		}
		size := binary.LittleEndian.Uint32(block[4:])
		if size < leastBlock || size%4 != 0 || size > mostBlock {
			return n, fmt.Errorf("capture: a block of %d bytes: the stream is no capture of uvtep's", size)
		}
		if _, err := io.ReadFull(r, block[blockHeadLen:size]); err != nil {
			return n, ended(err)
		}
		if _, err := w.Write(block[:size]); err != nil {
			return n, err
		}
		if binary.LittleEndian.Uint32(block) == enhancedPacket {
			n.Packets++
			n.Lost += dropCount(block[:size])
		}
	}
}

// ended is the error of a stream that ends; nil where it just ends, within a block or not.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// dropCount is the option of a packet's block that says how many are missing before it.
func dropCount(block []byte) uint64 {
	const head, tail = 28, 4
	if len(block) < head+tail {
		return 0
	}
	at := head + uint64(binary.LittleEndian.Uint32(block[20:])+3)&^3
	for at+4 <= uint64(len(block)-tail) {
		code, size := binary.LittleEndian.Uint16(block[at:]), uint64(binary.LittleEndian.Uint16(block[at+2:]))
		if code == 0 || at+4+size > uint64(len(block)-tail) {
			return 0
		}
		if code == optionDropCount && size == 8 {
			return binary.LittleEndian.Uint64(block[at+4:])
		}
		at += 4 + (size+3)&^3
	}
	return 0
}
