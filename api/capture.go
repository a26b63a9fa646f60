package api

import "net/netip"

// CaptureFilter says what GET /v1/capture takes, and how it is written. A field that is not set
// selects all.
type CaptureFilter struct {
	Dev    string     // the link; "": all, and packets that belong to none
	Remote netip.Addr // outer address of the other end
	MAC    string     // source or destination of the frame
	Drops  bool       // what is dropped alone
	Outer  bool       // write the packets between VTEPs, else the links' frames
	Raw    bool       // write superframes as they are, else the segments that they stand for
	Count  uint64     // end after so many packets; 0: do not
}
