package underlay

// Losses is what a [Receiver] lost before ReadBatch gave it to anybody, since it
// was opened.
type Losses struct {
	// Overflow is the datagrams that the kernel dropped at the sockets: their
	// queues were full, or a UDP checksum was wrong, which it counts alike.
	Overflow uint64
	// Unreadable is the datagrams that the kernel gave cut, or without an address
	// that one could come from.
	Unreadable uint64
}
