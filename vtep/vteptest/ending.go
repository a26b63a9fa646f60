package vteptest

import (
	"errors"
	"net"
	"time"

	"github.com/uvtep/uvtep/encap"
)

// drained: Drain ends the readers, who may wait or not; Close may follow.
func (w *wireTest) drained() {
	if err := w.Receiver.Drain(); err != nil {
		w.Fatalf("Drain: %v", err)
	}
	w.readers.Wait()
	if err := w.Receiver.Close(); err != nil {
		w.Fatalf("Close after Drain: %v", err)
	}
}

// closed: Close ends the readers, which stop looks at, and sending.
func (w *wireTest) closed() {
	time.Sleep(20 * time.Millisecond) // let the readers wait
	if err := w.Receiver.Close(); err != nil {
		w.Fatalf("Close: %v", err)
	}
	w.readers.Wait()
	for n := range w.Sockets {
		if k, err := w.Receiver.ReadBatch(n, make([]encap.Datagram, 1)); k != 0 || !errors.Is(err, net.ErrClosed) {
			w.Errorf("ReadBatch of a closed receiver: %d, %v, want net.ErrClosed", k, err)
		}
	}
	if err := w.Transmitter.Close(); err != nil {
		w.Fatalf("Close: %v", err)
	}
	packets := []encap.Packet{w.packetTo(1, 1, 64, 1)}
	if err := w.Transmitter.WriteBatch(packets); !errors.Is(err, net.ErrClosed) || packets[0].Result == encap.SendOK {
		w.Errorf("WriteBatch of a closed transmitter: %v and result %v, want net.ErrClosed and a refusal", err, packets[0].Result)
	}
}
