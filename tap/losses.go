package tap

// Losses is what a Device lost before ReadBatch gave it to anybody, since it was
// opened.
type Losses struct {
	// Overflow is the frames that the kernel dropped on their way to a queue: it was
	// full.
	Overflow uint64
	// Unreadable is what came out of a queue and is no frame: shorter than its
	// virtio-net header, or with one that was never asked for.
	Unreadable uint64
}
